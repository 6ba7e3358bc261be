/** WebDataset shards: tar archives in which `NAME.jpg` and `NAME.cls` are one sample. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { OptionsError } from '../src/errors.js';
import { checkOptions } from '../src/options.js';
import { Task } from '../src/task.js';
import { type ArchiveIndex, indexArchive } from './archives/archiveIndex.js';
import type { ArchiveProgress } from './archives/progress.js';
import { LocationReader } from './archives/read.js';
import { isImage, type LabelledEntries, splitOfEntries } from './encodedSplits.js';
import { CorruptFileError, DatasetNotFoundError } from './errors.js';
import { type ImageDataset, imageDataset } from './images/imageDataset.js';
import type { SplitName } from './inMemory.js';
import { shardsOf, shardsOfSplits } from './shardPattern.js';
import { viewShape, viewsFrom } from './viewOptions.js';

const shards = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const WebDatasetOptions = z
  .strictObject({
    /**
     * Both lists at once: a pattern in which `{split}` stands for `train` in one and for `test`, `val` or `validation` in
     * the other: `'shards/{split}-{000..146}.tar'`.
     */
    shards: z.string().includes('{split}', 'expected {split} in the pattern').optional(),
    /**
     * Paths, or addresses whose server answers range requests; or a pattern: `{000..146}` and `{a,b}` as in a shell, in
     * paths also `*` and `?` in the file's name.
     */
    train: shards.optional(),
    test: shards.optional(),
    /**
     * Their names, or a text file with a name a line; a `.cls` file holds an index into them. By default the classes are
     * called by their numbers, up to the largest in the training shards.
     */
    classes: z.union([z.string().min(1), z.array(z.string()).min(1)]).optional(),
    ...viewShape,
  })
  .refine(({ shards, train, test }) => (shards === undefined ? train && test : !train && !test), {
    error: 'give either shards, or train and test',
  });
export type WebDatasetOptions = z.input<typeof WebDatasetOptions>;

const WHERE = 'datasets.webDataset';
const MAX_LABEL_BYTES = 32; // a decimal number
const MAX_CLASSES = 2 ** 20; // far above any data set; a larger label is none

type Work<Result> = AsyncGenerator<ArchiveProgress, Result, void>;

/**
 * The shards are indexed once, so that the whole set is shuffled, not a buffer of it. As WebDataset does, the name of a
 * sample ends at the first dot of its file's name. Await the task for the data set, or loop over its progress.
 * @throws OptionsError, DatasetNotFoundError, CorruptArchiveError, CorruptFileError, AddressError; while reading,
 *   BadImageError
 */
export function webDataset(options: WebDatasetOptions): Task<ArchiveProgress, ImageDataset> {
  const checked = checkOptions(WebDatasetOptions, options, WHERE);
  return new Task(() => open(checked, options));
}

async function* open(
  checked: z.output<typeof WebDatasetOptions>,
  options: WebDatasetOptions,
): Work<ImageDataset> {
  const { shards, train, test, classes: given, ...views } = checked;
  const lists = shards
    ? await shardsOfSplits(shards, WHERE)
    : { train: shardsOf(train!, WHERE), test: shardsOf(test!, WHERE) };
  const names = typeof given === 'string' ? readNames(given) : given;
  const trained = yield* samplesOf('train', lists.train, names?.length ?? MAX_CLASSES);
  const classes = names ?? numbers(trained);
  const tested = yield* samplesOf('test', lists.test, classes.length);
  return imageDataset({
    name: 'webdataset',
    where: WHERE,
    options: { ...options },
    source: `${lists.train.length} and ${lists.test.length} shards, from ${lists.train[0]} on`,
    licence: 'unknown',
    classes,
    train: splitOfEntries(trained),
    test: splitOfEntries(tested),
    ...viewsFrom(views),
  });
}

function readNames(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').trimEnd().split(/\r?\n/);
  } catch (cause) {
    throw new DatasetNotFoundError(
      'webdataset',
      [path],
      `${WHERE}: cannot read the names of the classes (${(cause as Error).message})`,
    );
  }
}

function numbers(parts: readonly LabelledEntries[]): string[] {
  let largest = -1;
  for (const { labels } of parts)
    for (let i = 0; i < labels.length; i++) largest = Math.max(largest, labels[i]!);
  return Array.from({ length: largest + 1 }, (_, label) => `${label}`);
}

/** @throws OptionsError when there are none */
async function* samplesOf(
  split: SplitName,
  containers: readonly string[],
  classes: number,
): Work<LabelledEntries[]> {
  const reader = new LocationReader();
  const parts: LabelledEntries[] = [];
  try {
    for (const container of containers) {
      const archive = yield* indexArchive(container);
      parts.push(await labelled(archive, classes, reader));
    }
  } finally {
    reader.close();
  }
  if (parts.every(({ entries }) => entries.length === 0))
    throw new OptionsError(`${WHERE}: the shards of ${split} hold no image with a .cls file`);
  return parts;
}

/** The images of a shard, each with the number in its `.cls` file. */
async function labelled(
  archive: ArchiveIndex,
  classes: number,
  reader: LocationReader,
): Promise<LabelledEntries> {
  const { container } = archive;
  const images = new Map<string, number>();
  const labels = new Map<string, number>();
  for (let entry = 0; entry < archive.length; entry++) {
    const path = archive.path(entry);
    const kind = path.endsWith('.cls') ? labels : isImage(path) ? images : undefined;
    const name = sampleName(path);
    if (kind?.has(name))
      throw new CorruptFileError(
        container,
        `has two ${kind === labels ? '.cls files' : 'images'} of the sample ${name}`,
        'write the shard again',
      );
    kind?.set(name, entry);
  }
  const read = async (name: string, image: number) => {
    const label = labels.get(name);
    if (label === undefined)
      throw new CorruptFileError(
        container,
        `has ${archive.path(image)} without its .cls file`,
        'write the shard again',
      );
    const bytes = Math.min(archive.bytes(label), MAX_LABEL_BYTES);
    const text = Buffer.from(await reader.read({ container, offset: archive.offset(label), bytes }))
      .toString()
      .trim();
    if (!/^\d+$/.test(text) || Number(text) >= classes)
      throw new CorruptFileError(
        container,
        `has ${JSON.stringify(text)} in ${archive.path(label)}, expected 0 to ${classes - 1}`,
        'write the shard again or give all classes',
      );
    return Number(text);
  };
  const samples = [...images];
  return {
    archive,
    entries: Uint32Array.from(samples, ([, image]) => image),
    labels: await Promise.all(samples.map(([name, image]) => read(name, image))),
  };
}

function sampleName(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  return path.slice(0, slash) + path.slice(slash).split('.', 1)[0];
}
