/** Proves a bundle's formats equal again, from its files alone or on its data set where that can be had. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { summary } from '../../../zoo/summary.js';
import { PadezooError } from '../../errors.js';
import { BundleError } from '../errors.js';
import { checkGraph, MAX_LIVE_VALUES } from '../graph/check.js';
import { UnpublishableLayerError } from '../graph/errors.js';
import { graphOf } from '../graph/fromLayers.js';
import { buildLayersModel, parseLayersFiles } from '../layersModel.js';
import {
  type Bytes,
  FORMATS,
  type Format,
  MANIFEST_FILE,
  type Manifest,
  type ParityRecord,
} from '../manifest.js';
import { findData } from '../restore.js';
import { type Agreement, isEqual, TOLERANCE } from './compare.js';
import { withExtremes } from './extremes.js';
import { firstDifference } from './firstDifference.js';
import { type ParityInputs, parityInputs } from './inputs.js';
import { agreementOf, type Reference, recordOf, referenceOf } from './prove.js';
import { runtimeOf } from './runtimes.js';
import { readSample, SAMPLE_FILE } from './sample.js';

export interface Reproof {
  readonly formats: readonly ParityRecord[];
  readonly inputs: { readonly real: number; readonly hard: number; readonly source: string };
  readonly problems: readonly { readonly file: string; readonly problem: string }[];
}

/** A file that a format cannot be without. */
const MAIN_FILES: Readonly<Record<Format, string>> = {
  layers: 'layers/model.json',
  graph: 'graph/model.json',
  onnx: 'onnx/model.onnx',
  safetensors: 'safetensors/graph.json',
};

/**
 * @param bundle how errors name it
 * @param files all of them, with digests that were checked
 * @returns undefined for a checkpoint of layers alone, which has nothing to compare
 */
export async function reprove(
  bundle: string,
  files: ReadonlyMap<string, Bytes>,
  manifest: Manifest,
): Promise<Reproof | undefined> {
  const formats = FORMATS.filter(format => files.has(MAIN_FILES[format]));
  if (formats.length === 1 && !files.has(SAMPLE_FILE)) return undefined;
  const problems: { file: string; problem: string }[] = [];
  const attempt = async <T>(file: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof BundleError) problems.push({ file: error.file, problem: error.problem });
      else if (error instanceof Error) problems.push({ file, problem: `cannot be run: ${error.message}` });
      else throw error;
      return undefined;
    }
  };
  const model = await attempt('layers/model.json', () =>
    buildLayersModel(bundle, parseLayersFiles(bundle, files)),
  );
  if (!model) return { formats: [], inputs: { real: 0, hard: 0, source: 'none' }, problems };
  const layers = await attempt('layers/model.json', async () => layersOf(model));
  const inputs =
    layers &&
    (await attempt(MANIFEST_FILE, async () =>
      withExtremes(await inputsOf(manifest), model, manifest.trainingRanges ?? []),
    ));
  const reference = inputs && (await attempt('layers/model.json', () => referenceOf(model, inputs)));
  if (!layers || !inputs || !reference) {
    model.dispose();
    tf.dispose([...(inputs?.batches ?? [])]);
    return { formats: [], inputs: { real: 0, hard: 0, source: 'none' }, problems };
  }
  const sample = files.has(SAMPLE_FILE)
    ? await attempt(SAMPLE_FILE, async () =>
        readSample(bundle, files.get(SAMPLE_FILE)!, manifest.architecture.inputShape),
      )
    : undefined;
  const sampled = sample && tf.tensor(sample.inputs, [...sample.shape]);
  const records: ParityRecord[] = [];
  try {
    for (const format of formats) {
      await attempt(MAIN_FILES[format], async () => {
        const runtime = await runtimeOf(format, bundle, files);
        try {
          const differs = async (agreement: Agreement, on: ParityInputs, what: string) => {
            const layer = await firstDifference(
              { model, nodeOf: layers, runtime, bundle, files },
              on,
              agreement.worst,
            );
            problems.push({ file: MAIN_FILES[format], problem: told(agreement, what, layer) });
          };
          const agreement = await agreementOf(runtime, inputs, reference);
          records.push(recordOf(format, runtime, agreement));
          if (!isEqual(agreement)) await differs(agreement, inputs, 'what layers/ calculates');
          else if (sampled) {
            const batches = { ...inputs, batches: [sampled] };
            const published = await agreementOf(runtime, batches, sample.reference as Reference);
            if (!isEqual(published)) await differs(published, batches, 'what was published');
          }
        } finally {
          runtime.dispose();
        }
      });
    }
  } finally {
    model.dispose();
    tf.dispose([...inputs.batches, ...(sampled ? [sampled] : [])]);
  }
  const { real, hard, source } = inputs;
  return { formats: records, inputs: { real, hard, source }, problems };
}

function told(
  { maxRelativeError, otherTopOne, images }: Agreement,
  what: string,
  layer: string | undefined,
): string {
  const where = layer ? `; the first layer that differs is '${layer}'` : '';
  return `is not ${what}: relative error ${maxRelativeError.toExponential(1)} (at most ${TOLERANCE}), another class for ${otherTopOne} of ${images} images${where}`;
}

/**
 * Layer -> the node that puts out the same.
 * @throws Error for a network that needs more memory than any should
 */
function layersOf(model: LayersModel): ReadonlyMap<string, string> {
  try {
    const graph = graphOf(model);
    checkGraph(graph);
    return graph.layers;
  } catch (error) {
    if (!(error instanceof UnpublishableLayerError)) throw error;
    if (summary(model).activationBytes > 4 * MAX_LIVE_VALUES)
      throw new Error(`its layers make more than ${MAX_LIVE_VALUES} values of an image`);
    return new Map(model.layers.map(({ name }) => [name, name]));
  }
}

/** Of the data set, if this machine has it. */
async function inputsOf(manifest: Manifest): Promise<ParityInputs> {
  const { inputShape } = manifest.architecture;
  const range = manifest.dataset;
  try {
    return await parityInputs(inputShape, { data: await findData(manifest), range });
  } catch (error) {
    if (!(error instanceof PadezooError)) throw error;
    return parityInputs(inputShape, { range });
  }
}
