/**
 * Trains VGG8 on the full CIFAR-10 by the paper's protocol (random crop and flip) with AdamW, or SGD with Nesterov's momentum,
 * and a decaying rate, and prints the accuracy of every epoch as a table. Fetch the data first:
 * `npm run -s padezoo -- data fetch cifar10`.
 *
 *   node scripts/reproduce-cifar.mjs [--activation pau] [--epochs 90] [--precision bf16] [--batch-size 64] [--seed 1]
 *     [--optimizer adam] [--learning-rate 0.002 (sgd: 0.05)] [--weight-decay 0.2 (sgd: 0.0005)]
 *     [--label-smoothing 0.1] [--train-images 50000] [--checkpoint FILE]
 *
 * With a checkpoint, every epoch is kept in that file, and the same command goes on after the last one.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import writeFileAtomic from 'write-file-atomic';
import { datasets, engine, train, zoo } from '../dist/src/index.js';
import { decodeState, encodeState } from '../dist/src/training/state.js';

const { values: options } = parseArgs({
  options: {
    activation: { type: 'string', default: 'pau' },
    epochs: { type: 'string', default: '90' },
    precision: { type: 'string', default: 'bf16' },
    'batch-size': { type: 'string', default: '64' },
    optimizer: { type: 'string', default: 'adam' },
    'learning-rate': { type: 'string' },
    'weight-decay': { type: 'string' },
    'label-smoothing': { type: 'string', default: '0.1' },
    seed: { type: 'string', default: '1' },
    checkpoint: { type: 'string' },
    'train-images': { type: 'string', default: '50000' },
  },
});
const OPTIMIZERS = {
  adam: { rate: 0.002, weightDecay: 0.2, options: { decay: 'decoupled' } },
  sgd: { rate: 0.05, weightDecay: 0.0005, options: { momentum: 0.9, acceleration: 'nesterov' } },
};
const { optimizer: name } = options;
if (!Object.hasOwn(OPTIMIZERS, name))
  throw new Error(`--optimizer takes ${Object.keys(OPTIMIZERS).join(' or ')}, got ${name}`);
const usual = OPTIMIZERS[name];
const [epochs, batchSize, learningRate, weightDecay, labelSmoothing, seed, images] = [
  options.epochs,
  options['batch-size'],
  options['learning-rate'] ?? usual.rate,
  options['weight-decay'] ?? usual.weightDecay,
  options['label-smoothing'],
  options.seed,
  options['train-images'],
].map(Number);

await engine.use('torch', { precision: options.precision });
const full = datasets.cifar10({ source: 'full' });
const data = images < full.length.train ? datasets.limit(full, { train: images }) : full;
console.error(`${engine.describe()}; ${full.source}`);
const model = zoo.vgg8({ activation: options.activation, seed });
const { checkpoint } = options;
const kept = checkpoint && existsSync(checkpoint) ? decodeState(readFileSync(checkpoint)) : undefined;
const training = train(model, {
  data,
  epochs,
  batchSize,
  seed,
  optimizer: { name, learningRate, ...usual.options },
  weightDecay,
  labelSmoothing,
  schedule: { name: 'cosine', warmupEpochs: 0.5 },
  clipNorm: 5,
  from: kept,
  checkpoints: checkpoint ? 'every-epoch' : 'none',
});
console.log(`| epoch | ${options.activation}: test accuracy | training loss | rate | seconds |`);
console.log('|---|---|---|---|---|');
for (const done of kept?.epochs ?? []) console.log(row(done));
for await (const event of training) {
  if (event.type === 'epoch') console.log(row(event));
  if (event.type !== 'checkpoint') continue;
  await writeFileAtomic(checkpoint, encodeState(event.state));
}

function row({ epoch, testAccuracy, trainLoss, learningRate: rate, seconds }) {
  return `| ${epoch} | ${(100 * testAccuracy).toFixed(2)} % | ${trainLoss.toFixed(4)} | ${rate.toPrecision(2)} | ${seconds.toFixed(1)} |`;
}
