/**
 * What the ranking of filters is worth where weights are kept, and how far rankings agree where they are not: LeNet with PAU
 * on the full Fashion-MNIST, cut and fine-tuned by each criterion, and the overlap of what 'sum' and 'l1' keep of a fresh
 * ResNet101. Writes docs/criteria.md. Fetch the data first: `npm run -s padezoo -- data fashion-mnist`.
 *
 *   node scripts/compare-criteria.mjs [--seeds 1,2,3] [--percent 30,50] [--epochs 10] [--tune 2] [--source full] [--to docs]
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { datasets, engine, evaluate, prune, train, zoo } from '../dist/src/index.js';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    percent: { type: 'string', default: '30,50' },
    epochs: { type: 'string', default: '10' },
    tune: { type: 'string', default: '2' },
    source: { type: 'string', default: 'full' },
    to: { type: 'string', default: 'docs' },
  },
});
const [seeds, percentages] = [options.seeds, options.percent].map(text => text.split(',').map(Number));
const [epochs, tune] = [Number(options.epochs), Number(options.tune)];
/** The row of networks that keep no weights. */
const FRESH = 'fresh';
const CRITERIA = ['sum', 'l1', 'l2', 'fpgm', 'taylor', 'random'];

await engine.ready();
const data = datasets.fashionMnist({ source: options.source });
console.error(`${engine.describe()}; ${data.source}`);

/** The steps of a pruning, each of which the caller disposes. */
const cut = async (model, criterion, percent, how) =>
  (await prune(model, { steps: [percent], criterion, data, ...how })).steps[0];

/** Per criterion and percentage, over the seeds: test accuracy, %, straight after the cut and after fine-tuning. */
const found = new Map();
const note = (criterion, percent, key, accuracy) => {
  const entry = `${criterion} ${percent} ${key}`;
  found.set(entry, [...(found.get(entry) ?? []), 100 * accuracy]);
};
const whole = [];
for (const seed of seeds) {
  const model = zoo.lenet({ activation: 'pau', seed });
  const { testAccuracy } = await train(model, { data, epochs, seed });
  whole.push(100 * testAccuracy);
  for (const percent of percentages) {
    const retrained = async (criterion, restart) => {
      const step = await cut(model, criterion, percent, { restart, train: { epochs: tune, seed } });
      note(restart === 'fresh' ? FRESH : criterion, percent, 'trained', step.metrics.testAccuracy);
      step.model.dispose();
    };
    for (const criterion of CRITERIA) {
      const step = await cut(model, criterion, percent, { restart: 'finetune', train: false });
      note(criterion, percent, 'cut', (await evaluate(step.model, data)).testAccuracy);
      step.model.dispose();
      await retrained(criterion, 'finetune');
    }
    await retrained('sum', 'fresh'); // of one seed every criterion gives the same network: only the widths survive
    console.error(`seed ${seed}, ${percent} % done`);
  }
  model.dispose();
}

/** The share of the filters that one criterion removes which the other removes too, over all convolutions. */
async function overlap(network, percent) {
  const model = zoo.create(network, { activation: 'relu', seed: 1 });
  const gone = [];
  for (const criterion of ['sum', 'l1']) {
    const step = await cut(model, criterion, percent, { restart: 'finetune', train: false });
    gone.push(
      Object.entries(step.kept).flatMap(([layer, kept]) => {
        const left = new Set(kept);
        const width = model.getLayer(layer).weights[0].shape.at(-1);
        return Array.from({ length: width }, (_, i) => i)
          .filter(i => !left.has(i))
          .map(i => `${layer} ${i}`);
      }),
    );
    step.model.dispose();
  }
  model.dispose();
  const first = new Set(gone[0]);
  return gone[1].filter(name => first.has(name)).length / gone[1].length;
}

const mean = values => values.reduce((total, value) => total + value, 0) / values.length;
const deviation = values =>
  Math.sqrt(
    values.reduce((total, value) => total + (value - mean(values)) ** 2, 0) / Math.max(1, values.length - 1),
  );
const cell = values => (values ? `${mean(values).toFixed(1)} ± ${deviation(values).toFixed(1)}` : '');
const table = percentages.flatMap(percent =>
  [...CRITERIA, FRESH].map(criterion => {
    const cells = ['cut', 'trained'].map(key => cell(found.get(`${criterion} ${percent} ${key}`)));
    const name = criterion === FRESH ? "any, restart `'fresh'`" : `\`'${criterion}'\``;
    return `| ${percent} % | ${name} | ${cells.join(' | ')} |`;
  }),
);
const overlaps = [];
for (const percent of percentages)
  overlaps.push(`${(100 * (await overlap('resnet101', percent))).toFixed(1)} % at ${percent} %`);
const command = ['node scripts/compare-criteria.mjs', ...process.argv.slice(2)].join(' ');

await mkdir(options.to, { recursive: true });
await writeFile(
  join(options.to, 'criteria.md'),
  `# Which filters go: the criteria compared

The paper removes the filters whose signed sum of weights is lowest (\`criterion: 'sum'\`, the default). With \`restart: 'fresh'\`,
the paper's, only the widths survive, and which filters went hardly matters. Where their weights are kept (\`'finetune'\`,
\`'initial'\`, \`'rewind:K'\`) it does: **use \`'l1'\` there**. A filter of large negative weights has the lowest sum and may be the
layer's most important one.

Test accuracy, %, of LeNet with PAU on Fashion-MNIST (${data.length.train} images; unpruned ${cell(whole)} after ${epochs} epochs): straight after the
cut, and after ${tune} epochs of fine-tuning; the last row is the paper's fresh start with as many epochs. Means ± deviations of seeds ${seeds.join(', ')}; ${engine.describe()}.

| removed | criterion | cut | retrained |
|---|---|---|---|
${table.join('\n')}

On a fresh ResNet101 the filters that \`'sum'\` and \`'l1'\` remove have ${overlaps.join(', ')} in common; chance would give the share that is removed.

Made by \`${command}\`.
`,
);
console.log(table.join('\n'));
