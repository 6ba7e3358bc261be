/**
 * Trains LeNet on the full MNIST by the protocol of Molina et al. (ICLR 2020, and the authors' experiments/main.py: resized to
 * 32x32, turned by up to 30 degrees, Adam at 0.002 without decay, batches of 64, gradients clipped at norm 5, 100 epochs) and
 * prints the accuracy of every epoch as a table. Fetch the data first: `npm run -s padezoo -- data fetch mnist`.
 *
 *   node scripts/reproduce-mnist.mjs [--activation pau] [--epochs 100] [--precision fp32] [--seed 1]
 */
import { parseArgs } from 'node:util';
import { datasets, engine, train, zoo } from '../dist/src/index.js';

const { values: options } = parseArgs({
  options: {
    activation: { type: 'string', default: 'pau' },
    epochs: { type: 'string', default: '100' },
    precision: { type: 'string', default: 'fp32' },
    seed: { type: 'string', default: '1' },
  },
});
const [epochs, seed] = [options.epochs, options.seed].map(Number);

await engine.use('torch', { precision: options.precision });
const data = datasets.mnist({ source: 'full', transforms: 'paper' });
console.error(`${engine.describe()}; ${data.source}`);
const model = zoo.lenet({ activation: options.activation, seed });
const protocol = { batchSize: 64, optimizer: { name: 'adam', learningRate: 0.002 }, clipNorm: 5 };
console.log(`| epoch | ${options.activation}: test accuracy | training loss | seconds |`);
console.log('|---|---|---|---|');
for await (const event of train(model, { data, epochs, seed, ...protocol })) {
  if (event.type !== 'epoch') continue;
  const { epoch, testAccuracy, trainLoss, seconds } = event;
  console.log(
    `| ${epoch} | ${(100 * testAccuracy).toFixed(2)} % | ${trainLoss.toFixed(4)} | ${seconds.toFixed(1)} |`,
  );
}
