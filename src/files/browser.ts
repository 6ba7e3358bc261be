/** Reading a file in a browser: over HTTP; `#files` in package.json is this one there. */
import { PadezooError } from '../errors.js';

/** @param url absolute, or relative to the page */
export async function readBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok)
    throw new PadezooError(`${url}: the server answers ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
