/** Reads files of padezoo's own package: what bundles get a copy of, and the version that made them. */
import { readFile } from 'node:fs/promises';
import type { Bytes } from './manifest.js';

/** @param path in the package that this file is part of */
export async function packageFile(path: string): Promise<Bytes> {
  return new Uint8Array(await readFile(new URL(`../../../${path}`, import.meta.url))); // from dist/src/publish
}

/** The version of the package that this file is part of. */
export async function packageVersion(): Promise<string> {
  return JSON.parse(new TextDecoder().decode(await packageFile('package.json'))).version;
}
