/** Damaged JPEGs: each decoder refuses them or gives an image of the header's size; no crash, no hang, no silent garbage. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { imageAddon } from '../../../datasets/images/addon.js';
import { readJpegHeader } from '../../../datasets/images/jpegHeader.js';
import { mutant } from './mutants.js';

const MUTANTS = Number(process.env.PADEZOO_FUZZ ?? 10_000);
const HANG_MS = 180_000; // they take 10 s
const program = fileURLToPath(new URL('decodeMutants.js', import.meta.url));
const jpegTest = imageAddon()?.jpeg ? test.serial : test.serial.skip;

interface Judgement {
  /** What the view was asked for; `'-'` where it never was. */
  readonly size: string;
  readonly verdict: 'sound' | 'refused';
  /** sha256 of the pixels, or why not. */
  readonly detail: string;
}

/** One a mutant; fails where the process that decodes ends early. */
async function judged(t: ExecutionContext, decoder: 'native' | 'sharp'): Promise<Judgement[]> {
  t.timeout(2 * HANG_MS);
  const options = { timeout: HANG_MS, maxBuffer: 2 ** 28 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [program, decoder, String(MUTANTS)],
    options,
  ).catch((error: Error & { stdout: string; signal: string }) => {
    throw new Error(
      `${decoder} ended (${error.signal}) at mutant ${error.stdout.split('\n').at(-1)}: ${error.message}`,
    );
  });
  const judgements = stdout
    .trimEnd()
    .split('\n')
    .map(line => {
      const [, , size, verdict, detail] =
        /^(\d+) (\S+) (sound|refused) (.*)$/.exec(line) ?? t.fail(line) ?? [];
      return { size, verdict, detail } as Judgement;
    });
  t.is(judgements.length, MUTANTS);
  return judgements;
}

let bySharp: Judgement[] = [];

test.serial(`sharp refuses ${MUTANTS} mutants, or gives an image of the header's size`, async t => {
  bySharp = await judged(t, 'sharp');
  bySharp.forEach(({ size, verdict }, seed) => {
    const header = readJpegHeader(mutant(seed)); // libjpeg forgives blocks of impossible length, in one of 60,000 mutants
    if (verdict === 'sound' && header && size !== `${header.width}x${header.height}`)
      t.fail(`mutant ${seed}: ${size}`);
  });
  const refused = bySharp.filter(({ verdict }) => verdict === 'refused').length;
  t.true(refused > MUTANTS / 2 && refused < MUTANTS, `${refused} refused`);
});

jpegTest(
  `libjpeg-turbo accepts none of ${MUTANTS} mutants that sharp refuses, and gives its pixels`,
  async t => {
    const own = await judged(t, 'native');
    let stricter = 0;
    own.forEach((judgement, seed) => {
      const other = bySharp[seed]!;
      if (judgement.verdict === 'sound') {
        if (JSON.stringify(judgement) !== JSON.stringify(other))
          t.fail(`mutant ${seed}: ${JSON.stringify([judgement, other])}`);
      } else if (other.verdict === 'sound') {
        stricter++;
        // libvips asks for warnings before each strip of rows, so never about the last one.
        if (!judgement.detail.startsWith('Corrupt JPEG data')) t.fail(`mutant ${seed}: ${judgement.detail}`);
      }
    });
    t.true(stricter < MUTANTS / 20, `${stricter} that only libjpeg-turbo refuses`);
  },
);
