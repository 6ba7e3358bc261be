/** Lists of shards from patterns, as a shell writes them: `train-{000..146}.tar`, `train-*.tar`. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expand } from 'brace-expansion';
import { OptionsError } from '../src/errors.js';
import { describeAddress, isAddress } from './archives/read.js';
import { byCode, TEST_NAMES } from './encodedSplits.js';
import { AddressError, DatasetNotFoundError } from './errors.js';
import { namesIn } from './places.js';

const MAX_SHARDS = 100_000; // stops {0..999999999} from filling memory

/**
 * @param given a pattern, or a list of them: `{000..146}` and `{a,b}`, in paths also `*` and `?` in the file's name
 * @throws OptionsError when there are too many; DatasetNotFoundError when a star fits no file
 */
export function shardsOf(given: string | readonly string[], where: string): string[] {
  const shards = [given].flat().flatMap(pattern => expand(pattern, { max: MAX_SHARDS + 1 }));
  if (shards.length > MAX_SHARDS)
    throw new OptionsError(
      `${where}: ${JSON.stringify(given)} stands for more than ${MAX_SHARDS} shards; check its braces`,
    );
  return shards.flatMap(shard => (isAddress(shard) ? [shard] : fitting(shard, where)));
}

/**
 * @param pattern with `{split}`, for which the names of the splits are put
 * @throws as `shardsOf`, or DatasetNotFoundError when no name of the second split fits
 */
export async function shardsOfSplits(
  pattern: string,
  where: string,
): Promise<{ train: string[]; test: string[] }> {
  const train = shardsOf(pattern.replaceAll('{split}', 'train'), where);
  for (const name of TEST_NAMES) {
    const test = await shardsThatAre(pattern.replaceAll('{split}', name), where);
    if (test) return { train, test };
  }
  throw new DatasetNotFoundError(
    'webdataset',
    TEST_NAMES.map(name => pattern.replaceAll('{split}', name)),
    `${where}: of ${pattern} there is nothing to test: {split} was taken for ${TEST_NAMES.join(', ')}; give train and test by themselves`,
  );
}

async function shardsThatAre(pattern: string, where: string): Promise<string[] | undefined> {
  try {
    const shards = shardsOf(pattern, where);
    const [first] = shards as [string];
    if (!isAddress(first)) return existsSync(first) ? shards : undefined;
    await describeAddress(first);
    return shards;
  } catch (error) {
    if (error instanceof DatasetNotFoundError || error instanceof AddressError) return undefined;
    throw error;
  }
}

/** The files that a path with `*` and `?` in its last part stands for, sorted; another path stands for itself. */
function fitting(pattern: string, where: string): string[] {
  const name = basename(pattern);
  if (!/[*?]/.test(name)) return [pattern];
  const fits = new RegExp(
    `^${name
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
  const found = namesIn(dirname(pattern))
    .filter(file => fits.test(file) && !file.startsWith('.'))
    .sort(byCode);
  if (found.length === 0)
    throw new DatasetNotFoundError('webdataset', [pattern], `${where}: no file fits ${pattern}`);
  return found.map(file => join(dirname(pattern), file));
}
