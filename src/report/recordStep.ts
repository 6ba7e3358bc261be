/** The record of one network of a run: its sizes, its training and what its activations became. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { summary } from '../../zoo/summary.js';
import { OptionsError } from '../errors.js';
import { provenanceOf } from '../training/provenance.js';
import { observeActivations } from './observe.js';
import type { StepRecord } from './record.js';

/**
 * @param model a trained network; borrowed
 * @throws OptionsError when it was not trained here
 */
export async function recordStep(
  model: LayersModel,
  { percent = 0, seconds, checkpoint }: { percent?: number; seconds: number; checkpoint?: string },
): Promise<StepRecord> {
  const { data, metrics, epochs = [], pruning = [] } = provenanceOf(model);
  if (!data || !metrics)
    throw new OptionsError(`recordStep: '${model.name}' was not trained, so there is nothing to record`);
  const { parameters, activationParameters, macs, layers } = summary(model);
  const widths = pruning.at(-1)?.widths ?? {};
  const filters = layers
    .filter(({ name, type }) => name in widths || type === 'Conv2D')
    .map(({ name, outputShape }) => ({
      layer: name,
      now: outputShape.at(-1)!,
      original: widths[name] ?? outputShape.at(-1)!,
    }));
  return {
    percent,
    parameters,
    activationParameters,
    macs,
    filters,
    epochs,
    ...metrics,
    seconds,
    activations: await observeActivations(model, data),
    ...(checkpoint && { checkpoint }),
  };
}
