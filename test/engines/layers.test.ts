import * as layers from '@tensorflow/tfjs-layers';
import { type Case, cases, testCases } from './layerCases.js';

const L = layers.layers;

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

testCases();
