/**
 * Trains LeNet with PAU and with ReLU on the full Fashion-MNIST, three seeds each, by the paper's protocol, and prints
 * the README's table. Fetch the data first: `npm run -s padezoo -- data fashion-mnist`.
 *
 *   node scripts/reproduce-lenet.mjs [--seeds 1,2,3] [--activations pau,relu] [--precision fp32|bf16]
 */
import { parseArgs } from 'node:util';
import { datasets, engine, train, zoo } from '../dist/src/index.js';

const EPOCHS = 20;

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    activations: { type: 'string', default: 'pau,relu' },
    precision: { type: 'string' },
  },
});
const SEEDS = options.seeds.split(',').map(Number);
const ACTIVATIONS = options.activations.split(',');

if (options.precision) await engine.use('torch', { precision: options.precision });
await engine.ready();
const data = datasets.fashionMnist({ source: 'full' });
console.error(`${engine.describe()}; ${data.source}`);
console.log(`| activation | ${SEEDS.map(seed => `seed ${seed}`).join(' | ')} | mean | seconds an epoch |`);
console.log(`|---|${SEEDS.map(() => '---').join('|')}|---|---|`);
for (const activation of ACTIVATIONS) {
  const accuracies = [];
  const seconds = [];
  for (const seed of SEEDS) {
    const model = zoo.lenet({ activation, seed });
    const training = train(model, { data, epochs: EPOCHS, seed });
    for await (const event of training)
      if (event.type === 'epoch')
        console.error(`${activation}, seed ${seed}, epoch ${event.epoch}: ${event.testAccuracy}`);
    const result = await training;
    accuracies.push(result.testAccuracy);
    seconds.push(...result.epochs.map(epoch => epoch.seconds));
    model.dispose();
  }
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
  const median = seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)];
  const percent = value => `${(value * 100).toFixed(2)} %`;
  console.log(
    `| ${activation} | ${accuracies.map(percent).join(' | ')} | ${percent(mean)} | ${median.toFixed(1)} |`,
  );
}
