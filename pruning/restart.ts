/** What a pruned network starts its retraining from. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { OptionsError } from '../src/errors.js';
import type { Values } from '../src/training/state.js';
import { isActivation } from '../zoo/summary.js';
import type { CouplingGraph } from './graph.js';
import { type Alive, copySurvivors, reinitialised, removeChannels } from './surgery.js';

/**
 * - `'fresh'`: new weights, the paper's way
 * - `'initial'`: the weights that the survivors had before any training: the lottery ticket proper
 * - `'rewind'`: those that they had after some epochs of the unpruned network's training (`'rewind:K'`)
 * - `'finetune'`: those that they have
 */
export type RestartKind = 'fresh' | 'initial' | 'rewind' | 'finetune';
export type RestartOption = 'fresh' | 'initial' | 'finetune' | `rewind:${number}`;

/** Coefficients of activations: as they started, as they are, or as they were at the point of `'initial'` or `'rewind:K'`. */
export const ACTIVATION_RESTARTS = ['reset', 'keep', 'rewind'] as const;
export type ActivationRestart = (typeof ACTIVATION_RESTARTS)[number];

export interface Restart {
  readonly kind: RestartKind;
  /** Of `'rewind'`: epochs of the unpruned network's training. */
  readonly epoch: number;
  readonly activations: ActivationRestart;
}

const OWN: Readonly<Record<RestartKind, ActivationRestart>> = {
  fresh: 'reset',
  initial: 'rewind',
  rewind: 'rewind',
  finetune: 'keep',
};

/** @throws OptionsError when the text is not understood, or activations are to be rewound to no point */
export function restartOf(text: string, activations?: ActivationRestart): Restart {
  const [, kind, epochs] = /^(fresh|initial|finetune|rewind)(?::(\d+))?$/.exec(text) ?? [];
  if (!kind || (kind === 'rewind') !== (epochs !== undefined) || epochs === '0') {
    throw new OptionsError(
      `prune: restart must be 'fresh', 'initial', 'finetune' or 'rewind:K' with K epochs from 1, got '${text}'`,
    );
  }
  const chosen = activations ?? OWN[kind as RestartKind];
  if (chosen === 'rewind' && (kind === 'fresh' || kind === 'finetune')) {
    throw new OptionsError(
      `prune: activations can be rewound only with restart 'initial' or 'rewind:K', got restart '${text}'; reset or keep them`,
    );
  }
  return { kind: kind as RestartKind, epoch: Number(epochs ?? 0), activations: chosen };
}

/** A network and the channels of it that stay. */
export interface Cut {
  readonly model: layers.LayersModel;
  readonly graph: CouplingGraph;
  readonly alive: Alive;
}

/** The unpruned network at the point that weights go back to. */
export interface Origin extends Cut {
  /** In the order of `model.getWeights()`. */
  readonly weights: readonly Values[];
}

/**
 * The pruned network as its retraining starts.
 *
 * @param present the network as the last step left it, and what stays of it
 * @param origin the unpruned network at the point that is gone back to; needed for `'initial'` and `'rewind'`
 * @param seed of new weights
 */
export function restarted(
  { kind, activations }: Restart,
  present: Cut,
  origin: Origin | undefined,
  seed: number,
): layers.LayersModel {
  const { model, graph, alive } = present;
  const made =
    kind === 'fresh'
      ? reinitialised(model, graph, alive, seed)
      : kind === 'finetune'
        ? removeChannels(model, graph, alive)
        : wentBack(origin!);
  if (activations === OWN[kind]) return made;
  if (activations === 'keep') {
    copySurvivors(model, made, { graph, alive, which: isActivation });
  } else {
    // 'reset': what the layers' own initialisers make of a network of these widths.
    const fresh = reinitialised(model, graph, alive, seed);
    for (const layer of made.layers.filter(isActivation))
      layer.setWeights(fresh.getLayer(layer.name).getWeights());
    fresh.dispose();
  }
  return made;
}

function wentBack({ model, graph, alive, weights }: Origin): layers.LayersModel {
  const tensors = weights.map((values, i) => tf.tensor(values, model.weights[i]!.shape as number[]));
  try {
    return removeChannels(model, graph, alive, tensors);
  } finally {
    tf.dispose(tensors);
  }
}
