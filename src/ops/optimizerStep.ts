/** One step of SGD or Adam over all variables at once: a single kernel where the engine has one, composed elsewhere. */
import * as tf from '@tensorflow/tfjs-core';
import { unshare } from './inPlace.js';

/** Parallel lists: the i-th variable, its gradient, and how it is to be changed. All tensors are borrowed. */
export interface Updates {
  readonly variables: readonly tf.Variable[];
  readonly gradients: readonly tf.Tensor[];
  readonly learningRates: readonly number[];
  readonly weightDecays: readonly number[];
}

export interface SgdStep {
  readonly momentum: number;
  readonly nesterov: boolean;
  /** One per variable; empty without momentum. */
  readonly velocities: readonly tf.Variable[];
}

/** v = momentum·v + g; p -= rate·v (PyTorch's SGD; with `nesterov` p -= rate·(g + momentum·v)); decay is added to g. */
export function sgdStep(updates: Updates, { momentum, nesterov, velocities }: SgdStep): void {
  const { variables, gradients, learningRates, weightDecays } = updates;
  if (
    runInPlace(
      'SgdStep',
      { variables, gradients, velocities },
      { learningRates, weightDecays, momentum, nesterov },
    )
  ) {
    return;
  }
  variables.forEach((variable, i) => {
    tf.tidy(() => {
      let step = tf.add(gradients[i]!, tf.mul(variable, weightDecays[i]!));
      const velocity = velocities[i];
      if (velocity) {
        velocity.assign(tf.add(tf.mul(velocity, momentum), step));
        step = nesterov ? tf.add(step, tf.mul(velocity, momentum)) : velocity;
      }
      variable.assign(tf.sub(variable, tf.mul(step, learningRates[i]!)));
    });
  });
}

export interface AdamStep {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** From 1. */
  readonly step: number;
  /** `true`: AdamW's decay (Loshchilov & Hutter 2019); `false`: decay is added to the gradient. */
  readonly decoupled: boolean;
  readonly firstMoments: readonly tf.Variable[];
  readonly secondMoments: readonly tf.Variable[];
}

/** Adam (Kingma & Ba, ICLR 2015, Algorithm 1), with PyTorch's place for epsilon. */
export function adamStep(updates: Updates, options: AdamStep): void {
  const { variables, gradients, learningRates, weightDecays } = updates;
  const { firstMoments, secondMoments, ...numbers } = options;
  const lists = { variables, gradients, firstMoments, secondMoments };
  if (runInPlace('AdamStep', lists, { learningRates, weightDecays, ...numbers })) return;
  const { beta1, beta2, epsilon, step, decoupled } = numbers;
  const correction1 = 1 - beta1 ** step;
  const correction2 = Math.sqrt(1 - beta2 ** step);
  variables.forEach((variable, i) => {
    tf.tidy(() => {
      const rate = learningRates[i]!;
      const decay = weightDecays[i]!;
      const slope = decoupled ? gradients[i]! : tf.add(gradients[i]!, tf.mul(variable, decay));
      const m = firstMoments[i]!;
      const v = secondMoments[i]!;
      m.assign(tf.add(tf.mul(m, beta1), tf.mul(slope, 1 - beta1)));
      v.assign(tf.add(tf.mul(v, beta2), tf.mul(tf.square(slope), 1 - beta2)));
      const direction = tf.div(m, tf.add(tf.div(tf.sqrt(v), correction2), epsilon));
      const kept = decoupled ? tf.mul(variable, 1 - rate * decay) : variable;
      variable.assign(tf.sub(kept, tf.mul(direction, rate / correction1)));
    });
  });
}

/** Runs the engine's own kernel, if it has one; it changes the tensors' memory. */
function runInPlace(
  kernelName: string,
  lists: Readonly<Record<string, readonly tf.Tensor[]>>,
  attributes: Record<string, unknown>,
): boolean {
  const kernel = tf.getKernel(kernelName, tf.getBackend());
  if (!kernel) return false;
  const backend = tf.engine().backend;
  for (const [name, tensors] of Object.entries(lists)) {
    if (name !== 'gradients') for (const variable of tensors) unshare(variable as tf.Variable);
  }
  kernel.kernelFunc({ inputs: lists as never, attrs: attributes as never, backend: backend as never });
  return true;
}
