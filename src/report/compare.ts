/** Networks side by side: sizes, accuracy, and the time that an inference really takes on the engine that runs here. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { summary } from '../../zoo/summary.js';
import { engine } from '../engines/index.js';
import { OptionsError } from '../errors.js';
import { provenanceOf } from '../training/provenance.js';

/** Images at once: one, as in a page, and many, as on a server. */
const BATCHES = [1, 64] as const;
/** Widths that vector units and matrix kernels take without a remainder; others can be slower than wider ones. */
const ALIGNMENT = 8;
const WARM_UPS = 2;
const MAX_ROUNDS = 30;
/** Of measuring one batch size; at least three rounds are run. */
const BUDGET_MS = 2000;

export interface Comparison {
  readonly name: string;
  readonly parameters: number;
  readonly activationParameters: number;
  readonly macs: number;
  readonly testAccuracy?: number;
  /** Milliseconds of a batch, medians of rounds in which all networks took turns; by images in the batch. */
  readonly latencyMs: Readonly<Record<(typeof BATCHES)[number], number>>;
  /** Convolutions and dense layers before the last whose width is a multiple of 8, of all. */
  readonly alignedWidths: { readonly aligned: number; readonly of: number };
}

/**
 * @param models two or more, borrowed; run on the current engine
 * @throws OptionsError for fewer than two
 */
export async function compare(models: Readonly<Record<string, LayersModel>>): Promise<Comparison[]> {
  const entries = Object.entries(models);
  if (entries.length < 2)
    throw new OptionsError(`compare: got ${entries.length} networks, expected two or more`);
  await engine.ready();
  const latencies = entries.map(() => ({}) as Record<(typeof BATCHES)[number], number>);
  for (const batch of BATCHES) {
    const inputs = entries.map(([, model]) =>
      tf.zeros([batch, ...(model.inputs[0]!.shape.slice(1) as number[])]),
    );
    const runs = entries.map(
      ([, model], i) =>
        () =>
          timed(model, inputs[i]!),
    );
    for (const [i, median] of (await mediansInTurns(runs)).entries()) latencies[i]![batch] = median;
    tf.dispose(inputs);
  }
  return entries.map(([name, model], i) => {
    const { parameters, activationParameters, macs, layers } = summary(model);
    const widths = layers
      .filter(({ type }) => /Conv2D$|^Dense$/.test(type))
      .slice(0, -1)
      .map(({ outputShape }) => outputShape.at(-1)!);
    const { metrics } = provenanceOf(model);
    return {
      name,
      parameters,
      activationParameters,
      macs,
      ...(metrics && { testAccuracy: metrics.testAccuracy }),
      latencyMs: latencies[i]!,
      alignedWidths: { aligned: widths.filter(width => width % ALIGNMENT === 0).length, of: widths.length },
    };
  });
}

async function timed(model: LayersModel, images: tf.Tensor): Promise<number> {
  const from = performance.now();
  const y = model.predictOnBatch(images) as tf.Tensor;
  await y.data();
  y.dispose();
  return performance.now() - from;
}

/** In turns, so that what else the machine does meets all alike. */
async function mediansInTurns(runs: readonly (() => Promise<number>)[]): Promise<number[]> {
  const times = runs.map(() => [] as number[]);
  for (let round = 0; round < WARM_UPS; round++) for (const run of runs) await run();
  const end = performance.now() + BUDGET_MS;
  for (let round = 0; round < 3 || (round < MAX_ROUNDS && performance.now() < end); round++)
    for (const [i, run] of runs.entries()) times[i]!.push(await run());
  return times.map(list => list.sort((a, b) => a - b)[list.length >> 1]!);
}
