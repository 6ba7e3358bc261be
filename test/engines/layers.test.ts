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
const TOLERANCE = 2e-5; // of the largest element of each result; float32, summed in another order
const STEPS = 3;
const BATCH = 2;

const L = layers.layers;

interface Case {
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

const cases: Case[] = [];

type AnyLayer = { apply(x: unknown): unknown };

/** A model of one layer. */
function add(
  name: string,
  shape: number[],
  make: () => AnyLayer,
  { training = 'cpu' }: { training?: Case['training'] } = {},
): void {
  cases.push({
    name,
    inputs: [shape],
    training,
    apply: x => make().apply(x) as layers.SymbolicTensor,
  });
}

const IMAGE = [6, 7, 2];
const VOLUME = [4, 5, 3, 2];
const SEQUENCE = [5, 3];

// --- dense and activations ---

for (const activation of [
  'elu',
  'gelu',
  'hardSigmoid',
  'linear',
  'mish',
  'relu',
  'relu6',
  'selu',
  'sigmoid',
  'softmax',
  'softplus',
  'softsign',
  'swish',
  'tanh',
] as const)
  add(`dense with ${activation}`, [4], () => L.dense({ units: 3, activation: activation as 'relu' }));
add('dense without bias, with a regularizer', [4], () =>
  L.dense({
    units: 3,
    useBias: false,
    kernelRegularizer: layers.regularizers.l1l2({ l1: 0.01, l2: 0.02 }),
  }),
);
add('dense on a sequence', SEQUENCE, () => L.dense({ units: 4 }));
add('leakyReLU', IMAGE, () => L.leakyReLU({ alpha: 0.2 }));
add('prelu', IMAGE, () => L.prelu({ sharedAxes: [1, 2] }));
add('elu', IMAGE, () => L.elu({}));
add('thresholdedReLU', IMAGE, () => L.thresholdedReLU({ theta: 0.4 }), { training: 'none' });
add('softmax', SEQUENCE, () => L.softmax({ axis: -1 }));

// --- convolutions ---

for (const padding of ['same', 'valid'] as const) {
  add(`conv1d, ${padding}, stride 2`, SEQUENCE, () =>
    L.conv1d({ filters: 4, kernelSize: 2, strides: 2, padding }),
  );
  add(`conv2d, ${padding}, stride 2, fused relu`, IMAGE, () =>
    L.conv2d({ filters: 4, kernelSize: [3, 2], strides: 2, padding, activation: 'relu' }),
  );
  add(`conv2dTranspose, ${padding}, stride 2`, [3, 4, 2], () =>
    L.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, padding }),
  );
  add(`conv3d, ${padding}`, VOLUME, () => L.conv3d({ filters: 3, kernelSize: 2, padding }));
  add(
    `conv3dTranspose, ${padding}, stride 2`,
    [2, 3, 2, 2],
    () => L.conv3dTranspose({ filters: 2, kernelSize: 2, strides: 2, padding }),
    { training: 'none' },
  );
  add(`separableConv2d, ${padding}`, IMAGE, () => L.separableConv2d({ filters: 3, kernelSize: 3, padding }));
  add(`depthwiseConv2d, ${padding}`, IMAGE, () =>
    L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding }),
  );
}
add('upSampling2d, nearest', [3, 2, 2], () => L.upSampling2d({ size: [2, 3] }), { training: 'differences' });
add('upSampling2d, bilinear', [3, 2, 2], () => L.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }), {
  training: 'differences',
});
add('zeroPadding2d', IMAGE, () =>
  L.zeroPadding2d({
    padding: [
      [1, 0],
      [2, 1],
    ],
  }),
);
add('cropping2D', IMAGE, () =>
  L.cropping2D({
    cropping: [
      [1, 2],
      [0, 1],
    ],
  }),
);

// --- pooling ---

for (const padding of ['same', 'valid'] as const) {
  // Where a window reaches over the edge, the cpu backend divides by the elements inside, its gradient by the whole window.
  const training = padding === 'same' ? 'differences' : 'cpu';
  add(`maxPooling1d, ${padding}`, SEQUENCE, () => L.maxPooling1d({ poolSize: 2, strides: 2, padding }));
  add(
    `averagePooling1d, ${padding}`,
    SEQUENCE,
    () => L.averagePooling1d({ poolSize: 2, strides: 2, padding }),
    { training },
  );
  add(`maxPooling2d, ${padding}`, IMAGE, () => L.maxPooling2d({ poolSize: 3, strides: 2, padding }));
  add(`averagePooling2d, ${padding}`, IMAGE, () => L.averagePooling2d({ poolSize: 3, strides: 2, padding }), {
    training,
  });
  add(`maxPooling3d, ${padding}`, VOLUME, () => L.maxPooling3d({ poolSize: 2, strides: 2, padding }));
  add(
    `averagePooling3d, ${padding}`,
    VOLUME,
    () => L.averagePooling3d({ poolSize: 2, strides: 2, padding }),
    { training },
  );
}
add('globalAveragePooling1d', SEQUENCE, () => L.globalAveragePooling1d({}));
add('globalMaxPooling1d', SEQUENCE, () => L.globalMaxPooling1d({}));
add('globalAveragePooling2d', IMAGE, () => L.globalAveragePooling2d({}));
add('globalMaxPooling2d', IMAGE, () => L.globalMaxPooling2d({}));

// --- recurrence ---

/** Not orthogonal, which factorises a matrix that is then replaced. */
const recurrentInitializer = 'glorotNormal';
const RECURRENT = { simpleRNN: L.simpleRNN, gru: L.gru, lstm: L.lstm };
for (const [name, make] of Object.entries(RECURRENT) as [string, typeof L.simpleRNN][]) {
  add(name, SEQUENCE, () => make({ units: 4, recurrentInitializer }));
  add(`${name} giving sequences, backward`, SEQUENCE, () =>
    make({ units: 4, returnSequences: true, goBackwards: true, recurrentInitializer }),
  );
}
add('stacked cells', SEQUENCE, () =>
  L.rnn({
    cell: [
      L.lstmCell({ units: 3, recurrentInitializer }),
      L.gruCell({ units: 2, recurrentInitializer }),
    ] as never,
  }),
);
add('bidirectional lstm', SEQUENCE, () =>
  L.bidirectional({
    layer: L.lstm({ units: 3, returnSequences: true, recurrentInitializer }) as never,
    mergeMode: 'concat',
  }),
);
add('timeDistributed dense', SEQUENCE, () => L.timeDistributed({ layer: L.dense({ units: 2 }) }));
add('convLstm2d', [3, 5, 5, 1], () =>
  L.convLstm2d({ filters: 2, kernelSize: 3, padding: 'same', recurrentInitializer }),
);
cases.push({
  name: 'embedding with a mask, lstm',
  inputs: [[5]],
  vocabulary: 6,
  training: 'cpu',
  apply: x =>
    L.lstm({ units: 3, recurrentInitializer }).apply(
      L.embedding({ inputDim: 6, outputDim: 4, maskZero: true }).apply(x),
    ) as layers.SymbolicTensor,
});

// --- normalisation ---

add('batchNormalization', IMAGE, () => L.batchNormalization({ momentum: 0.9 }));
add(
  'batchNormalization without scale and center', // which tfjs-layers cannot train
  [5],
  () => L.batchNormalization({ scale: false, center: false }),
  { training: 'none' },
);
add('layerNormalization', IMAGE, () => L.layerNormalization({ axis: -1 }));

// --- shapes and merging ---

add('flatten', IMAGE, () => L.flatten());
add('reshape', IMAGE, () => L.reshape({ targetShape: [7, 12] }));
add('permute', IMAGE, () => L.permute({ dims: [3, 1, 2] }));
add('repeatVector', [4], () => L.repeatVector({ n: 3 }));
add('rescaling', IMAGE, () => L.rescaling({ scale: 0.5, offset: -1 }));
add('centerCrop', IMAGE, () => L.centerCrop({ height: 4, width: 3 }), { training: 'none' });

const MERGES = {
  add: L.add,
  average: L.average,
  concatenate: L.concatenate,
  maximum: L.maximum,
  minimum: L.minimum,
  multiply: L.multiply,
};
for (const [name, make] of Object.entries(MERGES) as [string, typeof L.add][])
  cases.push({
    name,
    inputs: [
      [3, 4],
      [3, 4],
    ],
    training: 'cpu',
    apply: (a, b) => make({}).apply([a, b]) as layers.SymbolicTensor,
  });
cases.push({
  name: 'dot, normalised',
  inputs: [[4], [4]],
  training: 'cpu',
  apply: (a, b) => L.dot({ axes: 1, normalize: true }).apply([a, b]) as layers.SymbolicTensor,
});

// --- running them ---

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

const read = (tensor: tf.Tensor) => tensor.dataSync() as Float32Array;

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

// --- what layers do only in training, and whole trainings ---

const RANDOM = {
  dropout: () => L.dropout({ rate: 0.3 }),
  spatialDropout: () => L.dropout({ rate: 0.3, noiseShape: [50, 1, 40] }),
  gaussianDropout: () => L.gaussianDropout({ rate: 0.3 }),
  gaussianNoise: () => L.gaussianNoise({ stddev: 0.2 }),
};
for (const [name, make] of Object.entries(RANDOM))
  torchTest(`${name} keeps the mean in training and does nothing in inference`, t => {
    tf.tidy(() => {
      const x = tf.ones([50, 40, 40]);
      const layer = make();
      const changed = layer.apply(x, { training: true }) as tf.Tensor;
      t.deepEqual((layer.apply(x, { training: false }) as tf.Tensor).dataSync(), x.dataSync());
      t.notDeepEqual(changed.dataSync(), x.dataSync());
      // 80,000 draws with a deviation below 1 (2,000 for the spatial one): 5 deviations of the mean.
      const draws = name === 'spatialDropout' ? 2_000 : 80_000;
      t.true(Math.abs(read(tf.mean(changed))[0]! - 1) < 5 / Math.sqrt(draws));
    });
  });

torchTest('the default initialiser of recurrent layers gives orthogonal weights', t => {
  const layer = L.lstm({ units: 4, inputShape: SEQUENCE });
  const model = layers.sequential({ layers: [layer] });
  const product = tf.tidy(() => {
    const recurrent = layer.getWeights()[1] as tf.Tensor2D;
    return read(tf.matMul(recurrent, recurrent, false, true));
  });
  const identity = tf.tidy(() => read(tf.eye(4)));
  within(t, 'W · Wᵀ', product, identity, { tolerance: 1e-5, scale: 1 });
  model.dispose();
});

torchTest('a stateful lstm goes on where the last batch ended, until it is reset', async t => {
  const run = async (backend: string) => {
    await tf.setBackend(backend);
    const model = layers.sequential({
      layers: [L.lstm({ units: 3, stateful: true, batchInputShape: [BATCH, 4, 2], recurrentInitializer })],
    });
    tf.tidy(() =>
      model.setWeights(model.getWeights().map((w, i) => tf.tensor(noise(w.size, 1, i), w.shape))),
    );
    const predict = () =>
      tf.tidy(() => [
        ...(model.predict(tf.ones([BATCH, 4, 2]), { batchSize: BATCH }) as tf.Tensor).dataSync(),
      ]);
    const answers = [predict(), predict()];
    model.resetStates();
    answers.push(predict());
    model.dispose();
    return answers;
  };
  const expected = await run('cpu');
  const actual = await run('torch');
  within(t, 'states', actual.flat(), expected.flat(), { tolerance: TOLERANCE, scale: 1 });
  t.notDeepEqual(actual[0], actual[1]);
  t.deepEqual(actual[0], actual[2]);
});

const OPTIMIZERS = {
  sgd: () => tf.train.sgd(0.1),
  momentum: () => tf.train.momentum(0.1, 0.9, true),
  adagrad: () => tf.train.adagrad(0.1),
  adadelta: () => tf.train.adadelta(0.5),
  rmsprop: () => tf.train.rmsprop(0.01, 0.9, 0.5),
  adam: () => tf.train.adam(0.02),
  adamax: () => tf.train.adamax(0.02),
};
for (const [name, optimizer] of Object.entries(OPTIMIZERS))
  torchTest(`fit, evaluate and their metrics with ${name}`, async t => {
    const run = async (backend: string) => {
      await tf.setBackend(backend);
      const model = layers.sequential({
        layers: [
          L.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
          L.batchNormalization(),
          L.maxPooling2d({ poolSize: 2 }),
          L.flatten(),
          L.dense({ units: 3, activation: 'softmax' }),
        ],
      });
      tf.tidy(() =>
        model.setWeights(
          model.getWeights().map((w, i) => tf.tensor(noise(w.size, 0.5, i).map(Math.abs), w.shape)),
        ),
      );
      const x = tf.tensor4d(noise(12 * 64, 1, 5), [12, 8, 8, 1]);
      const labels = tf.tensor1d([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], 'int32');
      const y = tf.tidy(() => tf.cast(tf.oneHot(labels, 3), 'float32'));
      model.compile({
        optimizer: optimizer(),
        loss: 'categoricalCrossentropy',
        metrics: ['accuracy', 'mse'],
      });
      const { history } = await model.fit(x, y, {
        epochs: 3,
        batchSize: 5,
        shuffle: false,
        validationSplit: 0.25,
        verbose: 0,
      });
      const scores = model.evaluate(x, y) as tf.Scalar[];
      const numbers = [...Object.values(history).flat(), ...scores.map(score => score.dataSync()[0]!)];
      tf.dispose([x, y, labels, ...scores]);
      model.optimizer.dispose();
      model.dispose();
      return numbers as number[];
    };
    await tf.setBackend('cpu');
    const empty = tf.memory().numTensors;
    const expected = await run('cpu');
    const leftByLayers = tf.memory().numTensors - empty;
    await tf.setBackend('torch');
    const before = tf.memory().numTensors;
    const actual = await run('torch');
    t.is(actual.length, 3 * 6 + 3, 'six series of three epochs, three scores');
    within(t, 'history and scores', actual, expected, { tolerance: 1e-4, scale: Math.max(...expected) });
    t.is(tf.memory().numTensors - before, leftByLayers, 'torch leaves no more tensors than cpu');
  });
