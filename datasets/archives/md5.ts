/** The md5 of an archive on disk, computed once and kept in padezoo's cache until the archive changes. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { digestOfFile } from '../checksum.js';
import { describeArchive, keep, keptPath } from './archiveIndex.js';
import { type ArchiveProgress, reporting } from './progress.js';

const Kept = z.object({ stamp: z.string(), md5: z.string().regex(/^[0-9a-f]{32}$/) });

/**
 * In hexadecimal.
 * @param archive a path
 * @throws DatasetNotFoundError
 */
export async function* md5OfArchive(archive: string): AsyncGenerator<ArchiveProgress, string, void> {
  const place = resolve(archive);
  const { bytes, stamp } = await describeArchive(place);
  const path = keptPath(place, 'md5.json');
  const known = readKept(path);
  if (known?.stamp === stamp) return known.md5;
  const md5 = yield* reporting({ work: 'md5', archive: place, total: bytes }, (onBytes, signal) =>
    digestOfFile('md5', place, { onBytes, signal }),
  );
  await keep(path, JSON.stringify({ stamp, md5 } satisfies z.infer<typeof Kept>));
  return md5;
}

function readKept(path: string): z.infer<typeof Kept> | undefined {
  try {
    return Kept.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined; // it is computed again
  }
}
