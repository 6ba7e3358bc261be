/** A bundle as it was found, in a folder, an archive or on a server; nothing is made of it yet. */
import type { FileDigest } from '../contents.js';
import type { Bytes } from '../manifest.js';

/** All files, or those that loading needs. */
export type Extent = 'all' | 'layers';

export interface Source {
  /** By path. */
  readonly files: Map<string, Bytes>;
  /** Of every file that is there, when they were calculated on the way; then `files` may have those alone that loading needs. */
  readonly digests?: ReadonlyMap<string, FileDigest>;
}
