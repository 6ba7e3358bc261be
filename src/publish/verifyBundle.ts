/** Finds everything that is wrong with a checkpoint: damage, files that are not what they should be, formats that disagree. */
import { readSource } from '#bundles';
import { inFullPrecision } from '../engines/torch/precision.js';
import { type Contents, checkContents } from './contents.js';
import { BundleError } from './errors.js';
import { nonFiniteWeights } from './layersModel.js';
import type { Bytes, Manifest } from './manifest.js';
import { type Reproof, reprove } from './parity/reprove.js';

export interface Problem {
  /** Path in the bundle; `'the archive'` or `'the path'` when no file in it is to blame. */
  readonly file: string;
  readonly problem: string;
}

export interface Verification {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
  /** Present when it could be read. */
  readonly manifest?: Manifest;
  /** How near the formats come to each other, calculated anew; absent for a checkpoint of one format, or damaged. */
  readonly parity?: Omit<Reproof, 'problems'>;
}

/**
 * Finds all problems of a checkpoint instead of throwing the first: of every byte, and then of every format, which is
 * read strictly, run and compared. Weights that are NaN or infinite load, but are a problem here.
 * @param path a folder or a `.tar.gz`
 * @throws only what the file system throws
 */
export async function verifyBundle(path: string): Promise<Verification> {
  let contents: Contents;
  let files: ReadonlyMap<string, Bytes> = new Map();
  try {
    const source = await readSource(path, 'all');
    files = source.files;
    contents = await checkContents(path, files, source.digests ? { digests: source.digests } : {});
  } catch (error) {
    if (!(error instanceof BundleError)) throw error;
    contents = { problems: [error] };
  }
  const problems: Problem[] = contents.problems.map(({ file, problem }) => ({ file, problem }));
  for (const { file, name, values } of contents.layers ? nonFiniteWeights(contents.layers) : [])
    problems.push({ file, problem: `has ${values} values in ${name} that are NaN or infinite` });
  const { manifest } = contents;
  let parity: Verification['parity'];
  if (manifest && problems.length === 0) {
    const proof = await inFullPrecision(() => reprove(path, files, manifest));
    problems.push(...(proof?.problems ?? []));
    parity = proof && { formats: proof.formats, inputs: proof.inputs };
  }
  return { ok: problems.length === 0, problems, ...(manifest && { manifest }), ...(parity && { parity }) };
}
