/** Batch normalisation, residual sums and Padé activations as one operator: when, and with which results. */
import test, { type ExecutionContext } from 'ava';
import { fused } from '../../src/engines/torch/fusion.js';
import { type OperatorCall, Place } from '../../src/engines/torch/operatorCall.js';
import { engine, pau, tf, zoo } from '../../src/index.js';
import { Recipe } from '../../src/training/recipe.js';
import { TrainStep } from '../../src/training/trainStep.js';
import { torchTest } from '../support/engine.js';

const FLOAT32 = 6;
const BFLOAT16 = 15;
const FLOAT64 = 7;
const IMAGE = [2, 4, 4, 3];
const image = (id: number) => new Place(id, { shape: IMAGE, dtype: 'float32' });
const vector = (id: number) => new Place(id, { shape: [3], dtype: 'float32' });
const call = (name: string, args: readonly unknown[], ...results: number[]): OperatorCall => ({
  name,
  args,
  results,
});

/** x, gamma, beta, both running statistics, coefficients, the residual, dy. */
const [X, GAMMA, BETA, MEAN, VARIANCE, A, B, R, DY] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
/** What the calls give. */
const [Z, AVERAGE, INVERSE, SUM, Y, DZ, DA, DB, SAME, ALIKE, DX, DGAMMA, DBETA] = [
  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
] as const;
const norm = [vector(GAMMA), vector(BETA), vector(MEAN), vector(VARIANCE), 0.1, 1e-5];
const activation = [vector(A), vector(B), 'absolute-sum', 1];
const statistics = [vector(AVERAGE), vector(INVERSE)];

/** A residual block's end and its gradients, as a step of tfjs is recorded: the gradient passes a reshape and a cast. */
const BLOCK = [
  call('padezoo::batch_norm', [image(X), ...norm], Z, AVERAGE, INVERSE),
  call('add.Tensor', [image(Z), image(R)], SUM),
  call('pade::forward', [image(SUM), ...activation, null, 0], Y),
  call('pade::backward', [image(DY), image(SUM), ...activation, null, 0], DZ, DA, DB),
  call('reshape', [image(DZ), IMAGE], SAME),
  call('to.dtype', [image(SAME), FLOAT32], ALIKE),
  call(
    'padezoo::batch_norm_backward',
    [image(ALIKE), image(X), vector(GAMMA), ...statistics],
    DX,
    DGAMMA,
    DBETA,
  ),
];
/** The same without a sum. */
const PAIR = [
  BLOCK[0]!,
  call('pade::forward', [image(Z), ...activation, null, 0], Y),
  call('pade::backward', [image(DY), image(Z), ...activation, null, 0], DZ, DA, DB),
  call('padezoo::batch_norm_backward', [image(DZ), ...BLOCK[6]!.args.slice(1)], DX, DGAMMA, DBETA),
];
/** What reads the gradient by the residual. */
const shortcut = call('add.Tensor', [image(DZ), image(R)], 30);
const all = new Set([Y, DX, DGAMMA, DBETA, DA, DB]);

const replaced = (calls: readonly OperatorCall[], at: number, changed: OperatorCall) =>
  calls.map((each, i) => (i === at ? changed : each));

/** What the block becomes. */
const residualBlock = (residual: Place, ...gradients: (Place | null)[]) => [
  call(
    'padezoo::batch_norm_add_pade',
    [image(X), ...norm, residual, ...activation],
    ...[Y, AVERAGE, INVERSE],
  ),
  call(
    'padezoo::batch_norm_add_pade_backward',
    [...gradients, image(X), vector(GAMMA), vector(BETA), ...statistics, residual, ...activation],
    ...[DX, DGAMMA, DBETA, DZ, DA, DB],
  ),
];

test('batch normalisation and the Padé behind it become one operator each way', t => {
  t.deepEqual(fused(PAIR, all), [
    call('padezoo::batch_norm_pade', [image(X), ...norm, ...activation], Y, AVERAGE, INVERSE),
    call(
      'padezoo::batch_norm_pade_backward',
      [image(DY), image(X), vector(GAMMA), vector(BETA), ...statistics, ...activation],
      ...[DX, DGAMMA, DBETA, DA, DB],
    ),
  ]);
});

test('so do they with a residual added in between, whose gradient others may read', t => {
  t.deepEqual(fused([...BLOCK, shortcut], all), [...residualBlock(image(R), image(DY), null), shortcut]);
  const turned = replaced(BLOCK, 1, call('add.Tensor', [image(R), image(Z)], SUM));
  t.deepEqual(fused(turned, all), residualBlock(image(R), image(DY), null));
  t.deepEqual(
    fused(BLOCK, new Set([...all, DZ])),
    residualBlock(image(R), image(DY), null),
    'it may be kept',
  );
});

test('the two terms of the gradient that reaches a residual block are added there', t => {
  const sum = call('add.Tensor', [image(50), image(51)], DY);
  t.deepEqual(fused([sum, ...BLOCK], all), residualBlock(image(R), image(50), image(51)));
  const kept = residualBlock(image(R), image(DY), null);
  t.deepEqual(fused([sum, ...BLOCK], new Set([...all, DY])), [sum, ...kept], 'their sum is kept');
  const reader = call('relu', [image(DY)], 30);
  t.deepEqual(fused([sum, ...BLOCK, reader], all), [sum, ...kept, reader], 'their sum is read');
  const broadcast = call('add.Tensor', [image(50), vector(51)], DY);
  t.deepEqual(fused([broadcast, ...BLOCK], all), [broadcast, ...kept], 'another shape');
  t.deepEqual(fused([sum, ...PAIR], all), [sum, ...fused(PAIR, all)], 'there is no residual');
});

test('a cast of bfloat16 to float32 and back, which the gradient of a clone is, falls away', t => {
  const bfloat16 = (id: number) => new Place(id, { shape: IMAGE, dtype: 'bfloat16' });
  const wider = call('to.dtype', [bfloat16(50), FLOAT32], 51);
  const back = call('to.dtype', [image(51), BFLOAT16], 52);
  const reader = call('relu', [bfloat16(52)], 53);
  t.deepEqual(fused([wider, back, reader], all), [call('relu', [bfloat16(50)], 53)]);
  const other = call('relu', [image(51)], 54);
  t.deepEqual(fused([wider, back, reader, other], all), [wider, call('relu', [bfloat16(50)], 53), other]);
  t.deepEqual(fused([wider, back, reader], new Set([52])), [wider, back, reader], 'it is kept');
  const narrowed = call('to.dtype', [image(50), BFLOAT16], 51);
  const again = call('to.dtype', [bfloat16(51), FLOAT32], 52);
  t.deepEqual(fused([narrowed, again], new Set([52])), [narrowed, again], 'the other way round it rounds');
});

test('of two normalised terms one is taken', t => {
  const [x, mean, inverse] = [9, 40, 41];
  const other = [vector(31), vector(32), vector(33), vector(34), 0.1, 1e-5];
  const first = call('padezoo::batch_norm', [image(x), ...other], R, mean, inverse);
  const back = [image(DZ), image(x), vector(31), vector(mean), vector(inverse)];
  const last = call('padezoo::batch_norm_backward', back, 42, 43, 44);
  t.deepEqual(fused([first, ...BLOCK, last], all), [
    BLOCK[0]!,
    call('padezoo::batch_norm_add_pade', [image(x), ...other, image(Z), ...activation], Y, mean, inverse),
    call(
      'padezoo::batch_norm_add_pade_backward',
      [image(DY), null, image(x), ...other.slice(0, 2), ...back.slice(3), image(Z), ...activation],
      ...[42, 43, 44, DZ, DA, DB],
    ),
    ...BLOCK.slice(4),
  ]);
});

/** The block with other arguments behind x, both ways. */
const withActivation = (args: readonly unknown[]) =>
  replaced(
    replaced(BLOCK, 2, call('pade::forward', [image(SUM), ...args], Y)),
    3,
    call('pade::backward', [image(DY), image(SUM), ...args], DZ, DA, DB),
  );

const small = new Place(R, { shape: [3], dtype: 'float32' });
const narrow = new Place(R, { shape: IMAGE, dtype: 'bfloat16' });
const NOT_FUSED: Record<string, readonly [readonly OperatorCall[], ...kept: number[]]> = {
  'a residual of another shape': [replaced(BLOCK, 1, call('add.Tensor', [image(Z), small], SUM))],
  'a residual of another dtype': [replaced(BLOCK, 1, call('add.Tensor', [image(Z), narrow], SUM))],
  'a residual with a factor': [replaced(BLOCK, 1, call('add.Tensor', [image(Z), image(R), 2], SUM))],
  'the normalised values twice': [replaced(BLOCK, 1, call('add.Tensor', [image(Z), image(Z)], SUM))],
  'a sum that is kept': [BLOCK, SUM],
  'a sum that somebody else reads': [[...BLOCK, call('relu', [image(SUM)], 30)]],
  'normalised values that are kept': [BLOCK, Z],
  'a gradient that changes its dtype': [replaced(BLOCK, 5, call('to.dtype', [image(SAME), FLOAT64], ALIKE))],
  'a gradient that changes its shape': [replaced(BLOCK, 4, call('reshape', [image(DZ), [2, 16, 3]], SAME))],
  'a gradient that is read on its way': [[...BLOCK, call('relu', [image(SAME)], 30)]],
  'statistics that are kept': [BLOCK, AVERAGE],
  noise: [withActivation([...activation, vector(9), 0.1])],
  'a key': [withActivation([...activation, vector(9), 0])],
  'a set of coefficients for each channel': [
    withActivation([new Place(A, { shape: [3, 6], dtype: 'float32' }), ...activation.slice(1), null, 0]),
  ],
  'a number in place of a residual': [replaced(BLOCK, 1, call('add.Tensor', [image(Z), 2], SUM))],
  'a mean that another operator reads': [[...BLOCK, call('relu', [vector(AVERAGE)], 30)]],
  'a deviation that another operator reads': [[...BLOCK, call('relu', [vector(INVERSE)], 30)]],
  'without a sum, a gradient that is kept': [PAIR, DZ],
  'a running variance that is read in between, in a list': [
    [...BLOCK.slice(0, 2), call('stack', [[vector(9), vector(VARIANCE)]], 30), ...BLOCK.slice(2)],
  ],
  'an offset that is changed before the gradient': [
    [...BLOCK.slice(0, 3), call('padezoo::sgd_', [[vector(9), vector(BETA)], [], 1]), ...BLOCK.slice(3)],
  ],
  'a coefficient that is changed before the gradient': [
    [...BLOCK.slice(0, 6), call('add_.Tensor', [vector(A), vector(9)], 30), ...BLOCK.slice(6)],
  ],
  'other coefficients backward': [
    replaced(
      BLOCK,
      3,
      call(
        'pade::backward',
        [image(DY), image(SUM), vector(B), vector(A), 'absolute-sum', 1, null, 0],
        DZ,
        DA,
        DB,
      ),
    ),
  ],
  'running statistics that are read in between': [
    [BLOCK[0]!, call('mul.Scalar', [vector(MEAN), 2], 30), ...BLOCK.slice(1)],
  ],
  'without a sum, a gradient that somebody else reads': [[...PAIR, shortcut]],
};

for (const [what, [calls, ...kept]] of Object.entries(NOT_FUSED))
  test(`left as it is: ${what}`, t => {
    t.deepEqual(fused(calls, new Set([...all, ...kept])), calls);
  });

/** Losses and weights of some steps. */
function trained(t: ExecutionContext, replay: 'auto' | 'never'): number[] {
  const model = zoo.resnet18({ activation: pau(), seed: 2, width: 0.25 });
  const step = new TrainStep(model, Recipe.parse({ optimizer: 'adam', epochs: 1 }), replay);
  const labels = tf.tensor1d([1, 2, 3], 'int32');
  const numbers: number[] = [];
  for (let i = 0; i < 4; i++) {
    const images = tf.randomNormal<tf.Rank.R4>([3, 32, 32, 3], 0, 1, 'float32', i + 1);
    numbers.push(step.run(images, labels, 1e-3).loss);
    images.dispose();
  }
  t.is(step.compiled.mode, replay === 'auto' ? 'replaying' : 'eager');
  for (const weight of model.getWeights()) for (const value of weight.dataSync()) numbers.push(value);
  tf.dispose([labels, ...model.weights.map(weight => weight.read())]);
  return numbers;
}

for (const precision of ['fp32', 'bf16'] as const)
  torchTest(
    `a residual network's steps have the same bits as one operator after the other (${precision})`,
    async t => {
      await engine.use('torch', { precision });
      t.deepEqual(trained(t, 'auto'), trained(t, 'never'));
      await engine.use('torch', { precision: 'fp32' });
    },
  );
