/** Damaged archives: a clear error or a sound result, never a crash or a hang. */
import test from 'ava';
import { Header } from 'tar';
import { CorruptArchiveError, type TarEntry, walkTar } from '../../../datasets/archives/tarIndex.js';
import { RandomStream } from '../../../src/random.js';
import { mutated } from './mutants.js';

const TARS = 9_000;

function tarOf(files: Record<string, Buffer>): Buffer {
  const blocks = Object.entries(files).flatMap(([path, contents]) => {
    const header = Buffer.alloc(512);
    new Header({ path, size: contents.length, type: 'File', mode: 0o644, mtime: new Date(0) }).encode(
      header,
      0,
    );
    return [header, contents, Buffer.alloc((512 - (contents.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** @returns the entries, or the error; throws what is neither expected */
function list(bytes: Buffer): TarEntry[] | CorruptArchiveError {
  const entries: TarEntry[] = [];
  const walk = walkTar('fuzz.tar', 0, bytes.length, entry => entries.push(entry));
  try {
    let steps = 0;
    for (let step = walk.next(); !step.done; ) {
      if (++steps > bytes.length) throw new Error('it does not end');
      const { offset, bytes: count } = step.value;
      step = walk.next(bytes.subarray(offset, offset + count));
    }
    return entries;
  } catch (error) {
    if (error instanceof CorruptArchiveError) return error;
    throw error;
  }
}

test(`${TARS} mutated archives end in an error or in entries that lie inside`, t => {
  const archive = tarOf({
    'a.jpg': Buffer.alloc(700, 1),
    'b/c.jpg': Buffer.alloc(10, 2),
    'd.jpg': Buffer.alloc(512, 3),
  });
  t.is((list(archive) as TarEntry[]).length, 3);
  let refused = 0;
  for (let seed = 0; seed < TARS; seed++) {
    const bytes = mutated(archive, new RandomStream(seed, 'tar'));
    const result = list(bytes);
    if (result instanceof CorruptArchiveError) refused++;
    else if (!result.every(entry => entry.offset + entry.bytes <= bytes.length))
      return t.fail(`seed ${seed}: ${JSON.stringify(result)}`);
  }
  t.true(refused > TARS / 10, `${refused} refused`);
});
