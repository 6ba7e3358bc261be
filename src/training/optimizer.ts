/** Applies a recipe's optimizer to a network: parameter groups, clipping, and one update of all variables. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { isActivation } from '../../zoo/summary.js';
import { adamStep, sgdStep, type Updates } from '../ops/optimizerStep.js';
import type { Recipe } from './recipe.js';

interface Parameter {
  readonly variable: tf.Variable;
  readonly rateFactor: number;
  readonly weightDecay: number;
  readonly isActivation: boolean;
}

/** What an optimizer has gathered: plain numbers, so that a run can go on in another process. */
export interface OptimizerState {
  /** Updates made. */
  readonly step: number;
  /** SGD's velocities, or Adam's first and second moments; each list in the order of the variables. */
  readonly moments: readonly (readonly Float32Array[])[];
}

/** Holds the moments; dispose it when training ends. */
export class Optimizer {
  readonly variables: readonly tf.Variable[];
  readonly #parameters: readonly Parameter[];
  readonly #recipe: Recipe;
  /** SGD's velocities, or Adam's first and second moments. */
  readonly #moments: readonly (readonly tf.Variable[])[];
  /** Adam's count of steps. */
  readonly #step = tf.tidy(() => tf.variable(tf.scalar(0, 'int32'), false));

  constructor(model: layers.LayersModel, recipe: Recipe) {
    this.#recipe = recipe;
    this.#parameters = model.layers.flatMap(layer => parametersOf(layer, recipe));
    this.variables = this.#parameters.map(({ variable }) => variable);
    const { optimizer } = recipe;
    const sets = optimizer.name === 'adam' ? 2 : optimizer.momentum > 0 ? 1 : 0;
    this.#moments = Array.from({ length: sets }, () => this.variables.map(zerosLike));
  }

  /**
   * Changes every variable once, or none where `loss` is not finite. `gradients` are in the order of `variables`; all
   * tensors are borrowed.
   */
  apply(gradients: readonly tf.Tensor[], learningRate: tf.Scalar, loss?: tf.Scalar): void {
    const { optimizer } = this.#recipe;
    tf.tidy(() => {
      const updates: Updates = {
        variables: this.variables,
        gradients: this.#clipped(gradients),
        learningRate,
        loss,
        rateFactors: this.#parameters.map(({ rateFactor }) => rateFactor),
        weightDecays: this.#parameters.map(({ weightDecay }) => weightDecay),
      };
      const [first = [], second = []] = this.#moments;
      if (optimizer.name === 'sgd') {
        const { momentum, acceleration } = optimizer;
        sgdStep(updates, { momentum, nesterov: acceleration === 'nesterov', velocities: first });
        return;
      }
      const { beta1, beta2, epsilon, decay } = optimizer;
      adamStep(updates, {
        beta1,
        beta2,
        epsilon,
        step: this.#step,
        decoupled: decay === 'decoupled',
        firstMoments: first,
        secondMoments: second,
      });
    });
  }

  /** First the activations' gradients by their own norm, then all by the norm that is left. */
  #clipped(gradients: readonly tf.Tensor[]): readonly tf.Tensor[] {
    const { clipNorm, activations } = this.#recipe;
    const own = activations.clipNorm
      ? clipped(gradients, activations.clipNorm, index => this.#parameters[index]!.isActivation)
      : gradients;
    return clipNorm ? clipped(own, clipNorm) : own;
  }

  /** A copy of what it has gathered. */
  state(): OptimizerState {
    const copy = (variable: tf.Variable) => Float32Array.from(variable.dataSync());
    return { step: this.#step.dataSync()[0]!, moments: this.#moments.map(set => set.map(copy)) };
  }

  /** Goes on from what another optimizer of the same recipe and network had gathered. */
  restore({ step, moments }: OptimizerState): void {
    tf.tidy(() => {
      this.#step.assign(tf.scalar(step, 'int32'));
      this.#moments.forEach((set, i) => {
        set.forEach((variable, j) => {
          variable.assign(tf.tensor(moments[i]![j]!, variable.shape));
        });
      });
    });
  }

  dispose(): void {
    tf.dispose([...this.#moments.flat(), this.#step]);
  }
}

function parametersOf(layer: layers.layers.Layer, { weightDecay, activations }: Recipe): Parameter[] {
  return layer.trainableWeights.map(weight => {
    const variable = weight.read() as tf.Variable;
    if (isActivation(layer)) {
      const { rateFactor, weightDecay } = activations;
      return { variable, rateFactor, weightDecay, isActivation: true };
    }
    const decay = variable.rank > 1 ? weightDecay : 0;
    return { variable, rateFactor: 1, weightDecay: decay, isActivation: false };
  });
}

function zerosLike(variable: tf.Variable): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zerosLike(variable as tf.Tensor), false));
}

/** The gradients; those in the group scaled down together where their joint norm is above `most`. */
function clipped(
  gradients: readonly tf.Tensor[],
  most: number,
  inGroup: (index: number) => boolean = () => true,
): readonly tf.Tensor[] {
  const group = gradients.filter((_, i) => inGroup(i));
  if (group.length === 0) return gradients;
  const norm = tf.sqrt(tf.addN(group.map(gradient => tf.sum(tf.square(gradient)))));
  const scale = tf.minimum(1, tf.div(most, tf.add(norm, 1e-6)));
  return gradients.map((gradient, i) => (inGroup(i) ? tf.mul(gradient, scale) : gradient));
}
