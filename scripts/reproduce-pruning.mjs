/**
 * Prunes LeNet with PAU and with LReLU on the full Fashion-MNIST from 10 to 60 %, three seeds each, by the paper's
 * schedule (A.4.3), and writes docs/pruning.md and docs/pruning.svg. Fetch the data first:
 * `npm run -s padezoo -- data fashion-mnist`. Killed, it goes on where it was when it is called again.
 *
 *   node scripts/reproduce-pruning.mjs [--seeds 1,2,3] [--activations pau,lrelu] [--steps 10,20,30,40,50,60]
 *     [--epochs 20] [--source full] [--runs out/reproduce-pruning] [--to docs]
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { datasets, engine, provenanceOf, prune, summary, zoo } from '../dist/src/index.js';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    activations: { type: 'string', default: 'pau,lrelu' },
    steps: { type: 'string', default: '10,20,30,40,50,60' },
    epochs: { type: 'string', default: '20' },
    source: { type: 'string', default: 'full' },
    runs: { type: 'string', default: 'out/reproduce-pruning' },
    to: { type: 'string', default: 'docs' },
  },
});
const numbers = text => text.split(',').map(Number);
const [seeds, steps, epochs] = [numbers(options.seeds), numbers(options.steps), Number(options.epochs)];
const activations = options.activations.split(',');

await engine.ready();
const data = datasets.fashionMnist({ source: options.source });
console.error(`${engine.describe()}; ${data.source}`);

/** One network of a run: how many filters are gone, its sizes, and how well it does. */
const results = [];
for (const activation of activations) {
  for (const seed of seeds) {
    const model = zoo.lenet({ activation, seed });
    const run = `${activation}, seed ${seed}`;
    const task = prune(model, {
      steps,
      train: { epochs, seed },
      data,
      to: join(options.runs, `${activation}-${seed}`),
    });
    for await (const event of task) {
      if (event.type === 'train' && event.event.type === 'epoch')
        console.error(`${run}, ${event.percent} %, epoch ${event.event.epoch}: ${event.event.testAccuracy}`);
    }
    const { steps: pruned } = await task;
    const whole = { percent: 0, ...summary(model), metrics: provenanceOf(model).metrics };
    for (const { percent, parameters, macs, metrics } of [whole, ...pruned])
      results.push({ activation, seed, percent, parameters, macs, accuracy: 100 * metrics.testAccuracy });
    for (const step of pruned) step.model.dispose();
    model.dispose();
  }
}

const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = values => {
  const middle = mean(values);
  return Math.sqrt(
    values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / Math.max(1, values.length - 1),
  );
};
const cells = [0, ...steps].flatMap(percent =>
  activations.map(activation => {
    const own = results.filter(each => each.percent === percent && each.activation === activation);
    const accuracies = own.map(({ accuracy }) => accuracy);
    const { parameters, macs } = own[0];
    return {
      percent,
      activation,
      parameters,
      macs,
      accuracies,
      mean: mean(accuracies),
      half: deviation(accuracies),
    };
  }),
);

const count = value => value.toLocaleString('en-US');
const heads = activations.flatMap(name => [
  `${name}: mean ± deviation`,
  `${name}: seeds ${seeds.join(', ')}`,
]);
const rows = [0, ...steps].map(percent => {
  const own = cells.filter(cell => cell.percent === percent);
  const shown = own.flatMap(cell => [
    `${cell.mean.toFixed(2)} ± ${cell.half.toFixed(2)}`,
    cell.accuracies.map(value => value.toFixed(2)).join(', '),
  ]);
  const sizes = own.map(cell => count(cell.parameters)).join(' / ');
  return [percent === 0 ? 'none' : `${percent} %`, sizes, count(own[0].macs), ...shown];
});
const command = ['node scripts/reproduce-pruning.mjs', ...process.argv.slice(2)].join(' ');
const table = [
  ['filters removed', `parameters (${activations.join(' / ')})`, 'MACs', ...heads],
  new Array(3 + heads.length).fill('---'),
  ...rows,
].map(row => `| ${row.join(' | ')} |`);

await mkdir(options.to, { recursive: true });
await writeFile(
  join(options.to, 'pruning.md'),
  `# LeNet pruned on Fashion-MNIST

Test accuracy, %, of LeNet on ${count(data.length.test)} test images after ${epochs} epochs on ${count(data.length.train)} images, by the
paper's schedule (Molina et al., ICLR 2020, A.4.3): of every convolution the filters go whose sum of weights is lowest, the
smaller network starts afresh and is trained again. Adam, rate 0.002, batches of 256; ${engine.describe()}.

${table.join('\n')}

![Test accuracy against the share of filters that is removed](pruning.svg)

Made by \`${command}\`; deviations are between the seeds.
`,
);

const { document } = parseHTML('<!doctype html><html><body></body></html>');
const drawing = Plot.plot({
  document,
  width: 640,
  height: 360,
  marginLeft: 50,
  x: { label: 'filters removed, %', ticks: [0, ...steps] },
  y: { label: 'test accuracy, %', grid: true, nice: true },
  color: { domain: activations, legend: false },
  marks: [
    Plot.line(cells, { x: 'percent', y: 'mean', stroke: 'activation', strokeWidth: 2 }),
    Plot.ruleX(cells, {
      x: 'percent',
      y1: cell => cell.mean - cell.half,
      y2: cell => cell.mean + cell.half,
      stroke: 'activation',
    }),
    Plot.dot(results, { x: 'percent', y: 'accuracy', stroke: 'activation', r: 2.5 }),
    Plot.text(
      cells.filter(({ percent }) => percent === steps.at(-1)),
      { x: 'percent', y: 'mean', text: 'activation', fill: 'activation', dx: 6, textAnchor: 'start' },
    ),
  ],
  marginRight: 60,
});
drawing.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
drawing.setAttribute('role', 'img');
drawing.setAttribute('aria-label', 'Test accuracy of LeNet against the share of filters removed');
await writeFile(join(options.to, 'pruning.svg'), `${drawing.outerHTML}\n`);
console.log(table.join('\n'));
