/** WebDataset shards: tar archives in which `NAME.jpg` and `NAME.cls` are one sample. */
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { indexArchive } from './archives/archiveIndex.js';
import { LocationReader } from './archives/read.js';
import type { TarEntry } from './archives/tarIndex.js';
import { isImage, type LabelledEntry, splitOfEntries } from './encodedSplits.js';
import { CorruptFileError } from './errors.js';
import { type ImageDataset, imageDataset } from './images/stream.js';
import { viewShape, viewsFrom } from './viewOptions.js';

const shards = z.array(z.string().min(1)).min(1);
const WebDatasetOptions = z.strictObject({
  /** Paths, or addresses whose server answers range requests. */
  train: shards,
  test: shards,
  /** Their names; a `.cls` file holds an index into them. */
  classes: z.array(z.string()).min(1),
  ...viewShape,
});
export type WebDatasetOptions = z.input<typeof WebDatasetOptions>;

const MAX_LABEL_BYTES = 32; // a decimal number

/**
 * The shards are indexed once, so that the whole set is shuffled, not a buffer of it. As WebDataset does, the name of a
 * sample ends at the first dot of its file's name.
 * @throws OptionsError, DatasetNotFoundError, CorruptArchiveError, CorruptFileError; while reading, BadImageError
 */
export async function webDataset(options: WebDatasetOptions): Promise<ImageDataset> {
  const where = 'datasets.webDataset';
  const { train, test, classes, ...views } = checkOptions(WebDatasetOptions, options, where);
  const [trained, tested] = await Promise.all([train, test].map(list => samplesOf(list, classes.length)));
  if (trained!.length === 0 || tested!.length === 0)
    throw new OptionsError(
      `${where}: the shards of ${trained!.length === 0 ? 'train' : 'test'} hold no image with a .cls file`,
    );
  return imageDataset({
    name: 'webDataset',
    options: { ...options },
    source: `${train.length} and ${test.length} shards`,
    licence: 'unknown',
    classes,
    train: splitOfEntries(trained!),
    test: splitOfEntries(tested!),
    ...viewsFrom(views),
  });
}

async function samplesOf(containers: readonly string[], classes: number): Promise<LabelledEntry[]> {
  const reader = new LocationReader();
  const samples: LabelledEntry[] = [];
  try {
    for (const shard of containers) {
      const { container, entries } = await indexArchive(shard);
      const labels = new Map<string, TarEntry>();
      for (const entry of entries) if (entry.path.endsWith('.cls')) labels.set(sampleName(entry.path), entry);
      for (const entry of entries.filter(({ path }) => isImage(path))) {
        const label = labels.get(sampleName(entry.path));
        if (!label)
          throw new CorruptFileError(
            container,
            `has ${entry.path} without its .cls file`,
            'write the shard again',
          );
        const bytes = Math.min(label.bytes, MAX_LABEL_BYTES);
        const text = Buffer.from(await reader.read({ container, offset: label.offset, bytes }))
          .toString()
          .trim();
        if (!/^\d+$/.test(text) || Number(text) >= classes)
          throw new CorruptFileError(
            container,
            `has ${JSON.stringify(text)} in ${label.path}, expected 0 to ${classes - 1}`,
            'write the shard again or give all classes',
          );
        samples.push({ container, entry, label: Number(text) });
      }
    }
  } finally {
    reader.close();
  }
  return samples;
}

function sampleName(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return path.slice(0, slash) + path.slice(slash).split('.', 1)[0];
}
