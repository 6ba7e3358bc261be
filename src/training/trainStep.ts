/** One training step of a network: forward, backward and update, replayed in one native call where that can be done. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { CompiledStep, type StepCompilation } from '../engines/compiledStep.js';
import { softmaxCrossEntropy } from '../ops/softmaxCrossEntropy.js';
import { countCorrect } from './evaluate.js';
import { applyTraining, releaseTapeGoingBack } from './frugalPass.js';
import { Optimizer } from './optimizer.js';
import type { Recipe } from './recipe.js';

/** Holds the optimizer's moments and the compiled step; dispose it when training ends. */
export class TrainStep {
  readonly optimizer: Optimizer;
  readonly compiled: CompiledStep;

  /** @param model from `[n, height, width, channels]` to logits `[n, classes]`; borrowed, trained in place */
  constructor(model: LayersModel, recipe: Recipe, compile?: StepCompilation) {
    this.optimizer = new Optimizer(model, recipe);
    this.compiled = new CompiledStep(inputs => {
      const [images, labels, learningRate] = inputs as [tf.Tensor4D, tf.Tensor1D, tf.Scalar];
      return step(model, this.optimizer, images, labels, learningRate, recipe);
    }, compile);
  }

  /**
   * Changes the network once, or not at all where the loss is not finite.
   *
   * @param images `[n, height, width, channels]` float32; borrowed, as are the labels
   * @param labels `[n]` int32 class indices
   * @returns the mean loss in nats, and how many images were classified rightly before the update
   */
  run(images: tf.Tensor4D, labels: tf.Tensor1D, learningRate: number): { loss: number; correct: number } {
    return tf.tidy(() => {
      const [loss, correct] = this.compiled.run([images, labels, tf.scalar(learningRate)]);
      return { loss: loss!.dataSync()[0]!, correct: correct!.dataSync()[0]! };
    });
  }

  dispose(): void {
    this.compiled.dispose();
    this.optimizer.dispose();
  }
}

/** -> [mean loss, correct answers] */
function step(
  model: LayersModel,
  optimizer: Optimizer,
  images: tf.Tensor4D,
  labels: tf.Tensor1D,
  learningRate: tf.Scalar,
  { labelSmoothing }: Recipe,
): tf.Tensor[] {
  let correct: tf.Tensor | undefined;
  const { value: loss, grads } = tf.variableGrads(() => {
    const logits = applyTraining(model, images) as tf.Tensor2D;
    correct = tf.keep(countCorrect(logits, labels)); // the gradient's tidy would take it along
    const loss = softmaxCrossEntropy(logits, labels, { labelSmoothing });
    releaseTapeGoingBack();
    return loss;
  }, [...optimizer.variables]);
  const gradients = optimizer.variables.map(({ name }) => grads[name]!);
  optimizer.apply(gradients, learningRate, loss);
  const result = [loss, correct!.clone()];
  correct!.dispose();
  return result;
}
