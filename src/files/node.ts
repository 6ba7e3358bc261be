/** Reading a file in Node; `#files` in package.json is this one there and browser.ts everywhere else. */
import { readFile } from 'node:fs/promises';

/** @param path of a file */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await readFile(path));
}
