/** Damaged archives and images: a clear error or a sound result, never a crash, a hang, or pixels of another size. */
import test from 'ava';
import sharp from 'sharp';
import { Header } from 'tar';
import { CorruptArchiveError, type TarEntry, walkTar } from '../../../datasets/archives/tarIndex.js';
import { decodeInto } from '../../../datasets/images/decode.js';
import { centerCrop } from '../../../datasets/images/views.js';
import { RandomStream } from '../../../src/random.js';

const TARS = 9_000;
const JPEGS = 1_000;

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

/** A few bytes changed, a stretch removed or doubled, or the end cut off. */
function mutated(bytes: Buffer, random: RandomStream): Buffer {
  const at = random.below(bytes.length);
  const length = 1 + random.below(64);
  switch (random.below(4)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + length))]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at + 1), bytes.subarray(Math.max(0, at - length))]);
    default: {
      const copy = Buffer.from(bytes);
      for (let i = 0; i <= random.below(4); i++) copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
  }
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

for (const path of ['../escape.jpg', '/etc/passwd', 'a/../../b.jpg'])
  test(`a path that leaves the archive is refused: ${path}`, t => {
    const error = list(tarOf({ [path]: Buffer.alloc(3) }));
    t.true(error instanceof CorruptArchiveError);
    t.regex((error as Error).message, /path leaves the archive/);
  });

test(`${JPEGS} mutated JPEGs end in an error, or in the pixels that a strict decoder gives`, async t => {
  const raw = Buffer.from(Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * i) >>> 5));
  const jpeg = await sharp(raw, { raw: { width: 48, height: 40, channels: 3 } })
    .jpeg()
    .toBuffer();
  const viewing = centerCrop(16, 20);
  let refused = 0;
  for (let seed = 0; seed < JPEGS; seed++) {
    const bytes = mutated(jpeg, new RandomStream(seed, 'jpeg'));
    const out = new Uint8Array(16 * 16 * 3);
    try {
      await decodeInto(
        bytes,
        { viewing, orientation: 'ignore', decoder: 'auto' },
        () => new RandomStream(0),
        out,
      );
      await sharp(bytes, { failOn: 'warning' }).raw().toBuffer(); // throws where it was accepted wrongly
    } catch (error) {
      if (out.some(value => value !== 0))
        return t.fail(`seed ${seed} was accepted: ${(error as Error).message}`);
      refused++;
    }
  }
  t.true(refused > JPEGS / 4, `${refused} refused`);
});
