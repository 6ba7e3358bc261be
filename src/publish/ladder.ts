/** Which step of a pruning is published, by a rule that the card states; beside them what they were cut from. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { OptionsError } from '../errors.js';
import { type Metrics, provenanceOf } from '../training/provenance.js';
import type { Rung } from './manifest.js';

/** A step of `prune`'s result. */
export interface Step {
  readonly percent: number;
  readonly model: LayersModel;
  readonly parameters: number;
  readonly macs: number;
  readonly metrics?: Metrics;
}

export interface Ladder {
  /** The step to publish. */
  readonly best: Step;
  readonly rule: string;
  readonly steps: readonly Rung[];
}

/**
 * The smallest network whose test accuracy is within `tolerance` of the best step's; of untrained steps the last.
 * @param tolerance a fraction: 0.005 is half a percentage point
 */
export function ladderOf(steps: readonly Step[], tolerance: number): Ladder {
  const last = steps.at(-1);
  if (!last) throw new OptionsError('publish: the pruning has no steps, so there is nothing to publish');
  const accuracies = steps.flatMap(({ metrics }) => (metrics ? [metrics.testAccuracy] : []));
  const measured = accuracies.length === steps.length;
  const bar = Math.max(...accuracies) - tolerance;
  const good = steps.filter(({ metrics }) => metrics && metrics.testAccuracy >= bar - 1e-12);
  const { unpruned } = provenanceOf(last.model);
  const best = measured ? good.reduce((a, b) => (b.parameters <= a.parameters ? b : a)) : last;
  return {
    best,
    rule: measured
      ? `the smallest network whose test accuracy is at most ${(100 * tolerance).toFixed(1)} points below the best step's`
      : 'the last step, as not every step was trained',
    steps: [
      ...(unpruned ? [rung({ percent: 0, ...unpruned }, false)] : []),
      ...steps.map(step => rung(step, step === best)),
    ],
  };
}

function rung({ percent, parameters, macs, metrics }: Omit<Step, 'model'>, published: boolean): Rung {
  return { percent, parameters, macs, ...metrics, published };
}
