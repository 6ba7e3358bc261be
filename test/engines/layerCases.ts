/** Cases for layers: small models, and what tfjs's cpu backend makes of them in inference, training, saving and loading. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { ExecutionContext } from 'ava';
import { largest, within } from '../support/closeness.js';
import { torchTest } from '../support/engine.js';
import { noise } from '../support/fixture.js';

/**
 * Every layer of tfjs-layers that has kernels to run, in a small model of its own: what it predicts, what three steps
 * of training make of its loss and weights, saving and loading. The reference is the same model on tfjs's cpu backend.
 */
export const TOLERANCE = 2e-5; // of the largest element of each result; float32, summed in another order
const STEPS = 3;
export const BATCH = 2;

const L = layers.layers;

export interface Case {
  readonly name: string;
  /** one input each, without the batch */
  readonly inputs: readonly number[][];
  /** whole numbers below it, for an embedding; default: real ones */
  readonly vocabulary?: number;
  /**
   * What training is compared with: the cpu backend's; differences of the cpu backend's loss, where its own gradient is
   * wrong; or nothing, where tfjs has no gradient.
   */
  readonly training: 'cpu' | 'differences' | 'none';
  /** from the inputs to the output */
  apply(...inputs: layers.SymbolicTensor[]): layers.SymbolicTensor;
}

/** A test file adds its models, then calls `testCases`. */
export const cases: Case[] = [];

function inputsOf({ inputs, vocabulary }: Case): tf.Tensor[] {
  return inputs.map((shape, i) => {
    const values = noise(BATCH * tf.util.sizeFromShape(shape), 1, 10 + i);
    const numbers = vocabulary ? values.map(value => Math.floor(((value + 1) / 2) * vocabulary)) : values;
    return tf.tensor(numbers, [BATCH, ...shape]);
  });
}

/** The case's layer before a dense layer, so that it has a gradient by its input as well as by its weights. */
function modelOf({ inputs, vocabulary, apply }: Case): layers.LayersModel {
  const symbols = inputs.map(shape => layers.input({ shape }));
  const features = symbols.map((symbol, i) => {
    const units = inputs[i]!.at(-1)!;
    return vocabulary
      ? symbol
      : (L.dense({ units, name: `before${i}` }).apply(symbol) as layers.SymbolicTensor);
  });
  const model = layers.model({ inputs: symbols, outputs: apply(...features) });
  tf.tidy(() =>
    model.setWeights(
      model.getWeights().map((weight, i) => {
        const values = noise(weight.size, 0.5, i);
        // A running variance is positive.
        const isVariance = model.weights[i]!.originalName.includes('moving_variance');
        return tf.tensor(isVariance ? values.map(Math.abs) : values, weight.shape);
      }),
    ),
  );
  return model;
}

/** The weights of the first dense layer: the last to get a gradient. */
const FIRST_WEIGHT = 0;
const LEARNING_RATE = 0.1;

interface Outcome {
  readonly predicted: Float32Array;
  readonly losses: number[];
  /** before training, after its first step, and after its last */
  readonly weights: readonly Float32Array[][];
}

export const read = (tensor: tf.Tensor) => tensor.dataSync() as Float32Array;

function targetsOf(model: layers.LayersModel): tf.Tensor {
  const shape = [BATCH, ...model.outputShape.slice(1)] as number[];
  return tf.tensor(noise(tf.util.sizeFromShape(shape), 1, 20), shape);
}

type Visit = (model: layers.LayersModel, x: tf.Tensor[]) => void | Promise<void>;

async function outcome(each: Case, steps: number, visit?: Visit): Promise<Outcome> {
  const x = inputsOf(each);
  const model = modelOf(each);
  const predicted = tf.tidy(() => read(model.predict(x) as tf.Tensor));
  const y = targetsOf(model);
  const optimizer = tf.train.momentum(LEARNING_RATE, 0.9);
  const losses: number[] = [];
  const weights = [model.getWeights().map(read)];
  model.compile({ optimizer, loss: 'meanSquaredError' });
  for (let step = 0; step < steps; step++) {
    losses.push((await model.trainOnBatch(x, y)) as number);
    weights.push(model.getWeights().map(read));
  }
  await visit?.(model, x);
  model.dispose();
  optimizer.dispose();
  tf.dispose([...x, y]);
  return { predicted, losses, weights };
}

/** The gradient of the loss by the first weight; exact, because it is asked for where the loss is quadratic. */
function differences(each: Case): number[] {
  return tf.tidy(() => {
    const x = inputsOf(each);
    const model = modelOf(each);
    const y = targetsOf(model);
    const weights = model.getWeights();
    const values = read(weights[FIRST_WEIGHT]!).slice();
    const lossWith = (index: number, change: number) => {
      const changed = values.slice();
      changed[index]! += change;
      const replaced = weights.with(FIRST_WEIGHT, tf.tensor(changed, weights[FIRST_WEIGHT]!.shape));
      model.setWeights(replaced);
      return read(tf.mean(tf.squaredDifference(model.predict(x) as tf.Tensor, y)))[0]!;
    };
    const gradient = [...values.keys()].map(index => (lossWith(index, 1) - lossWith(index, -1)) / 2);
    model.dispose();
    return gradient;
  });
}

function compare(t: ExecutionContext, actual: Outcome, expected: Outcome): void {
  near(t, 'prediction', actual.predicted, expected.predicted);
  near(t, 'losses', actual.losses, expected.losses);
  actual.weights.forEach((weights, step) => {
    weights.forEach((weight, i) => {
      near(t, `weight ${i} after step ${step}`, weight, expected.weights[step]![i]!);
    });
  });
}

function near(
  t: ExecutionContext,
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): void {
  within(t, what, actual, expected, { tolerance: TOLERANCE, scale: Math.max(largest(expected), 1e-3) });
}

/** Declares the tests of all cases. */
export function testCases(): void {
  for (const each of cases) {
    torchTest(`${each.name}: predicts, trains, is saved and loaded`, async t => {
      const steps = each.training === 'none' ? 0 : STEPS;
      await tf.setBackend('cpu');
      const empty = tf.memory().numTensors;
      const expected = await outcome(each, each.training === 'cpu' ? STEPS : 0);
      const slope = each.training === 'differences' ? differences(each) : undefined;
      const leftByLayers = tf.memory().numTensors - empty;
      await tf.setBackend('torch');
      const before = tf.memory().numTensors;
      const actual = await outcome(each, steps, async (model, x) => {
        let saved: tf.io.ModelArtifacts | undefined;
        await model.save(
          tf.io.withSaveHandler(async artifacts => {
            saved = artifacts;
            return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
          }),
        );
        const loaded = await layers.loadLayersModel(tf.io.fromMemory(saved!));
        const predictions = [loaded, model].map(each => tf.tidy(() => read(each.predict(x) as tf.Tensor)));
        t.deepEqual(predictions[0], predictions[1], 'the loaded model predicts the same bits');
        loaded.dispose();
      });
      if (slope) {
        const [start, next] = [actual.weights[0]![FIRST_WEIGHT]!, actual.weights[1]![FIRST_WEIGHT]!];
        near(t, 'prediction', actual.predicted, expected.predicted);
        near(
          t,
          'gradient',
          start.map((weight, i) => (weight - next[i]!) / LEARNING_RATE),
          slope,
        );
      } else compare(t, actual, expected);
      t.is(tf.memory().numTensors - before, leftByLayers, 'torch leaves no more tensors than cpu');
    });
  }
}
