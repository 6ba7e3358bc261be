/** SHA-256 of a bundle's files, and the `SHA256SUMS` list that `sha256sum -c` reads. */
import { sha256 } from '#files';
import { CorruptBundleError } from './errors.js';
import { type Bytes, SUMS_FILE } from './manifest.js';

/** Digests that are calculated at once where another thread does it, as in a browser. */
const PARALLEL = 4;

/** The digest of every file, by path. */
export async function digestsOf(files: Iterable<readonly [string, Bytes]>): Promise<Map<string, string>> {
  const waiting = [...files];
  const digests = new Map(waiting.map(([path]) => [path, '']));
  const next = async (): Promise<void> => {
    for (let file = waiting.shift(); file; file = waiting.shift())
      digests.set(file[0], await sha256(file[1]));
  };
  await Promise.all(Array.from({ length: PARALLEL }, next));
  return digests;
}

/** One line a file, in the order of the map: `<digest>  <path>`. */
export function formatSums(digests: ReadonlyMap<string, string>): Bytes {
  return new TextEncoder().encode([...digests].map(([path, digest]) => `${digest}  ${path}\n`).join(''));
}

/** @throws CorruptBundleError when a line is not one that `formatSums` writes */
export function parseSums(bundle: string, bytes: Bytes): Map<string, string> {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const digests = new Map<string, string>();
  for (const line of text.split('\n').slice(0, -1)) {
    const match = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line);
    if (match === null || digests.has(match[2]!)) {
      throw new CorruptBundleError(
        bundle,
        SUMS_FILE,
        `has the line ${JSON.stringify(line.slice(0, 200))}, expected a digest, two spaces and a path named once; ` +
          'the file was changed or damaged, get the checkpoint again',
      );
    }
    digests.set(match[2]!, match[1]!);
  }
  if (digests.size === 0 || !text.endsWith('\n')) {
    throw new CorruptBundleError(bundle, SUMS_FILE, 'is cut short; get the checkpoint again');
  }
  return digests;
}

/**
 * Whether two digests that differ are one digest with damaged digits: digests of different bytes share about
 * 4 of their 64 digits, so 48 in common cannot be chance.
 */
export function isDamagedDigest(a: string, b: string): boolean {
  return a !== b && [...a].filter((digit, i) => digit === b[i]).length >= 48;
}
