/** Every activation of the catalogue trains LeNet: one epoch of real images with each. */
import test from 'ava';
import { DivergedError, datasets, engine, train, zoo } from '../../src/index.js';
import { hasTorch, torchTest } from '../support/engine.js';
import { ACTIVATIONS, accuracyAfterAnEpoch } from '../support/lenetEpoch.js';

test.before(async () => {
  if (hasTorch) await engine.use('torch', { threads: 1 }); // of batches so small, more threads only wait for each other
});

const data = () => datasets.fashionMnist({ source: 'embedded' });

/** With the seed that leaves most room for builds with other convolutions. */
const accuracyOf = (activation: string) => accuracyAfterAnEpoch(activation, data(), 2);

for (const activation of ACTIVATIONS.filter(name => name !== 'slaf')) {
  torchTest(`after an epoch of 6,000 images LeNet with ${activation} is right on more than 80 %`, async t => {
    const accuracy = await accuracyOf(activation);
    t.true(accuracy > 0.8, `${100 * accuracy} %`);
  });
}

torchTest('so is LeNet with slaf, unless it diverges and training says so', async t => {
  try {
    const accuracy = await accuracyOf('slaf');
    t.true(accuracy > 0.8, `${100 * accuracy} %`);
  } catch (error) {
    t.true(error instanceof DivergedError, String(error));
  }
});

torchTest('SLAF diverges at a rate that is too high for its powers, and training says so', async t => {
  const model = zoo.lenet({ activation: 'slaf', seed: 1 });
  const optimizer = { name: 'sgd', learningRate: 0.1, momentum: 0.9 } as const;
  const error = await t.throwsAsync(
    async () => void (await train(model, { data: data(), epochs: 1, batchSize: 32, optimizer, seed: 1 })),
    { instanceOf: DivergedError, message: /the loss is NaN|the loss is Infinity/ },
  );
  t.true(error.step > 1);
  model.dispose();
});
