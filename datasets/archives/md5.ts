/** The md5 of an archive on disk, computed once and kept in padezoo's cache until the archive changes. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { digestOfFile } from '../checksum.js';
import { type Form, kept } from './kept.js';
import { type ArchiveProgress, reporting } from './progress.js';

const Record = z.object({ stamp: z.string(), md5: z.string().regex(/^[0-9a-f]{32}$/) });

const FORM: Form<string> = {
  ending: 'md5.json',
  encode: (stamp, md5) => JSON.stringify({ stamp, md5 } satisfies z.infer<typeof Record>),
  decode(file, stamp) {
    const record = Record.parse(JSON.parse(file.toString()));
    return record.stamp === stamp ? record.md5 : undefined;
  },
};

/**
 * In hexadecimal.
 * @param archive a path
 * @throws DatasetNotFoundError
 */
export function md5OfArchive(archive: string): AsyncGenerator<ArchiveProgress, string, void> {
  const place = resolve(archive);
  return kept(place, FORM, total =>
    reporting({ work: 'md5', archive: place, total }, (onBytes, signal) =>
      digestOfFile('md5', place, { onBytes, signal }),
    ),
  );
}
