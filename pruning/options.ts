/** The options of `prune`, checked before any work starts, and the plan that they make. */
import { z } from 'zod';
import type { Dataset } from '../datasets/dataset.js';
import { ACTIVATION_HISTORIES } from '../src/training/activationWatch.js';
import type { Recipe } from '../src/training/recipe.js';
import { AGGREGATIONS, CRITERIA, type Criterion } from './criteria.js';
import type { CouplingGraph } from './graph.js';
import { ACTIVATION_RESTARTS, type Restart, type RestartOption } from './restart.js';
import { PERCENT_OF } from './schedule.js';

/** `'random-pruning'`: as many channels, drawn by seed; `'random-reinitialisation'`: the same channels, new weights. */
export const ABLATIONS = ['random-pruning', 'random-reinitialisation'] as const;
export type Ablation = (typeof ABLATIONS)[number];

export const SCOPES = ['layer', 'global'] as const;

export const Options = z.strictObject({
  /** Percent of the filters that are gone after each step. */
  steps: z.array(z.number()).default([10, 20, 30]),
  /** What the percentages count from: the original widths, or what the last step left. */
  percentOf: z.enum(PERCENT_OF).default('original'),
  criterion: z
    .union([z.enum(CRITERIA), z.custom<Exclude<Criterion, string>>(value => typeof value === 'function')])
    .default('sum'),
  /** How the scores of convolutions that are tied together make one. */
  aggregation: z.enum(AGGREGATIONS).default('sum'),
  /** `'layer'`: the percentage of every group of channels; `'global'`: of all together, wherever the scores are lowest. */
  scope: z.enum(SCOPES).default('layer'),
  /** Layers, by name or pattern, whose channels stay. */
  exclude: z.array(z.union([z.string(), z.instanceof(RegExp)])).default([]),
  /** A group keeps at least so many channels. */
  minFilters: z.int().min(1).default(1),
  /** Kept channels are rounded to the nearest multiple, never to zero. */
  roundTo: z.int().min(1).default(1),
  /** `'fresh'`: new weights, the paper's way; `'initial'`, `'rewind:K'`, `'finetune'`: the survivors' own. */
  restart: z.custom<RestartOption>(value => typeof value === 'string').default('fresh'),
  /** Coefficients of activations; by default as `restart` treats the weights. */
  activations: z.enum(ACTIVATION_RESTARTS).optional(),
  /** Controls that are trained beside each step. */
  ablations: z.array(z.enum(ABLATIONS)).default([]),
  /** In every training, as `train` takes it; snapshots are in the steps' epochs, and in the run's folder. */
  activationHistory: z.enum(ACTIVATION_HISTORIES).default('warnings'),
});

/** `prune`'s options, checked and complete. */
export interface Plan extends Omit<z.output<typeof Options>, 'restart'> {
  readonly restart: Restart;
  readonly graph: CouplingGraph;
  readonly to: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly data?: Dataset;
  /** Absent: only cut. */
  readonly recipe?: Recipe;
}

/** Every step's draws are its own. */
export function seedOf({ recipe }: Plan, percent: number): number {
  return (recipe?.seed ?? 0) + Math.round(percent);
}
