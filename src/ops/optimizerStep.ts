/** One step of SGD or Adam over all variables at once: a single kernel where the engine has one, composed elsewhere. */
import * as tf from '@tensorflow/tfjs-core';
import { unshare } from '../engines/unshare.js';

/** Parallel lists: the i-th variable, its gradient, and how it is to be changed. All tensors are borrowed. */
export interface Updates {
  readonly variables: readonly tf.Variable[];
  readonly gradients: readonly tf.Tensor[];
  /** A tensor, because it may change from step to step, and a recorded step is replayed. */
  readonly learningRate: tf.Scalar;
  /** On the learning rate. */
  readonly rateFactors: readonly number[];
  readonly weightDecays: readonly number[];
  /** Nothing is changed where it is NaN or infinite. */
  readonly loss?: tf.Scalar | undefined;
}

export interface SgdStep {
  readonly momentum: number;
  readonly nesterov: boolean;
  /** One per variable; empty without momentum. */
  readonly velocities: readonly tf.Variable[];
}

/** v = momentum·v + g; p -= rate·v (PyTorch's SGD; with `nesterov` p -= rate·(g + momentum·v)); decay is added to g. */
export function sgdStep(updates: Updates, { momentum, nesterov, velocities }: SgdStep): void {
  const { variables, gradients, learningRate, rateFactors, weightDecays, loss } = updates;
  const lists = { variables, gradients, velocities, ...numbersOf(updates) };
  if (runInPlace('SgdStep', lists, { rateFactors, weightDecays, momentum, nesterov }) || isLost(loss)) return;
  variables.forEach((variable, i) => {
    tf.tidy(() => {
      let step = tf.add(gradients[i]!, tf.mul(variable, weightDecays[i]!));
      const velocity = velocities[i];
      if (velocity) {
        velocity.assign(tf.add(tf.mul(velocity, momentum), step));
        step = nesterov ? tf.add(step, tf.mul(velocity, momentum)) : velocity;
      }
      variable.assign(tf.sub(variable, tf.mul(step, tf.mul(learningRate, rateFactors[i]!))));
    });
  });
}

export interface AdamStep {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Steps taken before, an int32 scalar; this step adds 1. */
  readonly step: tf.Variable;
  /** `true`: AdamW's decay (Loshchilov & Hutter 2019); `false`: decay is added to the gradient. */
  readonly decoupled: boolean;
  readonly firstMoments: readonly tf.Variable[];
  readonly secondMoments: readonly tf.Variable[];
}

/** Adam (Kingma & Ba, ICLR 2015, Algorithm 1), with PyTorch's place for epsilon. */
export function adamStep(updates: Updates, options: AdamStep): void {
  const { variables, gradients, learningRate, rateFactors, weightDecays, loss } = updates;
  const { firstMoments, secondMoments, step, ...numbers } = options;
  const lists = {
    variables,
    gradients,
    firstMoments,
    secondMoments,
    step: [step],
    ...numbersOf(updates),
  };
  if (runInPlace('AdamStep', lists, { rateFactors, weightDecays, ...numbers }) || isLost(loss)) return;
  const { beta1, beta2, epsilon, decoupled } = numbers;
  tf.tidy(() => step.assign(tf.add(step, tf.scalar(1, 'int32'))));
  const count = step.dataSync()[0]!; // in float32 1 - beta2^count would lose four digits
  const rateNow = learningRate.dataSync()[0]!;
  const correction1 = 1 - beta1 ** count;
  const correction2 = Math.sqrt(1 - beta2 ** count);
  variables.forEach((variable, i) => {
    tf.tidy(() => {
      const rate = rateNow * rateFactors[i]!;
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

/** The single numbers of an update, as lists of one or none. */
function numbersOf({ learningRate, loss }: Updates) {
  return { learningRate: [learningRate], loss: loss ? [loss] : [] };
}

function isLost(loss: tf.Scalar | undefined): boolean {
  return loss !== undefined && !Number.isFinite(loss.dataSync()[0]);
}

/** The lists of tensors that a kernel does not change. */
const READ_ONLY: ReadonlySet<string> = new Set(['gradients', 'learningRate', 'loss']);

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
    if (!READ_ONLY.has(name)) for (const variable of tensors) unshare(variable as tf.Variable);
  }
  kernel.kernelFunc({ inputs: lists as never, attrs: attributes as never, backend: backend as never });
  return true;
}
