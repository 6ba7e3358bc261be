/** The card of a checkpoint, `README.md`: what it is, how good and how large, how to load it; made from its manifest. */
import { frontMatter } from './frontMatter.js';
import { ACCURACY_FIGURE, type Manifest } from './manifest.js';
import { snippets } from './snippets.js';

export type CardFacts = Omit<Manifest, 'files'>;

/**
 * @param manifest all but its list of files, which has this card in it
 * @param paths of the bundle's files
 */
export function card(manifest: CardFacts, paths: readonly string[]): string {
  const { architecture, pruning } = manifest;
  const sections = [
    `# ${plain(architecture.name)}`,
    `A network made with padezoo${pruning.length > 0 ? ', its filters pruned' : ''}. This page is made from \`padezoo.json\`.`,
    table(['', ''], factsOf(manifest)),
    paths.includes('demo/index.html')
      ? '`demo/index.html` runs it in a browser: serve this folder by any static server.'
      : '',
    figuresOf(paths),
    ladderOf(manifest, paths),
    parityOf(manifest),
    variantsOf(manifest),
    rangesOf(manifest),
    snippets(manifest, paths),
    '## Check\n\n`sha256sum -c SHA256SUMS`, or `npx padezoo verify .`, which runs every format again as well.',
  ];
  return `${frontMatter(manifest)}${sections.filter(Boolean).join('\n\n')}\n`;
}

function factsOf(manifest: CardFacts): [string, string][] {
  const { architecture, activation, metrics, pruning, dataset, parent, seed, versions } = manifest;
  const rows: [string, string | undefined][] = [
    ['Architecture', architecture.name],
    ['Activation', activationText(activation)],
    ['Input', `${architecture.inputShape.join(' x ')}${dataset ? normalisation(dataset) : ''}`],
    [
      'Classes',
      architecture.classes.length > 0
        ? `${architecture.classes.length}: ${architecture.classes.join(', ')}`
        : 'not named',
    ],
    ['Data set', dataset ? dataSetText(dataset) : 'none recorded'],
    [
      'Test accuracy',
      `${measured(metrics.testAccuracy)}${parent?.testAccuracy === undefined ? '' : `; unpruned ${percentage(parent.testAccuracy)}`}`,
    ],
    [
      'Parameters',
      `${grouped(metrics.parameters)}, of which ${grouped(metrics.activationParameters)} in activations${beside(metrics.parameters, parent?.parameters)}`,
    ],
    ['Multiply-accumulates', `${grouped(metrics.macs)} for one input${beside(metrics.macs, parent?.macs)}`],
    [
      'Pruned',
      pruning.length === 0
        ? 'no'
        : pruning
            .map(step => `${step.percent} % of the filters (by ${step.criterion}, restarted ${step.restart})`)
            .join(', then '),
    ],
    ['Seed', seed === undefined ? 'not recorded' : String(seed)],
    ['Licence', manifest.licence ?? 'not stated'],
    ['Made', `${manifest.created} by padezoo ${versions.padezoo}, tfjs ${versions.tfjs}, ${versions.engine}`],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}

/** What is left of the unpruned network. */
function beside(now: number, before: number | undefined): string {
  return before ? `; unpruned ${grouped(before)} (${percentage(now / before)} left)` : '';
}

/** `pau (order 5, 4; init lrelu:0.01)` */
function activationText(activation: Manifest['activation']): string {
  if (typeof activation !== 'object' || activation === null || Array.isArray(activation))
    return activation === null ? 'unknown' : String(activation);
  const { name, ...options } = activation;
  const told = Object.entries(options).map(([key, value]) => `${key} ${simple(value)}`);
  return `${simple(name ?? 'unknown')}${told.length > 0 ? ` (${told.join('; ')})` : ''}`;
}

const simple = (value: unknown): string =>
  Array.isArray(value) ? value.join(', ') : typeof value === 'string' ? value : JSON.stringify(value);

/** Accuracy on a part of the images is not accuracy on all. */
function dataSetText({ name, options }: NonNullable<Manifest['dataset']>): string {
  return options.source === 'embedded' ? `${name}, the part of it that comes with padezoo` : name;
}

function figuresOf(paths: readonly string[]): string {
  const figures = paths.filter(path => /^figures\/.*\.svg$/.test(path) && path !== ACCURACY_FIGURE);
  if (figures.length === 0) return '';
  const images = figures.map(path => `![${path.slice('figures/'.length, -'.svg'.length)}](${path})`);
  return `## Learned activations\n\n${images.join(' ')}`;
}

function ladderOf({ ladder }: CardFacts, paths: readonly string[]): string {
  if (!ladder) return '';
  const rows = ladder.steps.map(step => [
    `${step.percent === 0 ? 'none' : `${step.percent} %`}${step.published ? ' (this one)' : ''}`,
    grouped(step.parameters),
    grouped(step.macs),
    measured(step.testAccuracy),
  ]);
  const figure = paths.includes(ACCURACY_FIGURE)
    ? `\n\n![accuracy](${ACCURACY_FIGURE})\n\nTest accuracy in percent, with its 95 % interval for so many test images, against parameters.`
    : '';
  return `## Steps of the pruning\n\nPublished is ${ladder.rule}.\n\n${table(['filters removed', 'parameters', 'MACs', 'test accuracy'], rows)}${figure}`;
}

function parityOf({ parity, folding }: CardFacts): string {
  if (!parity) return '';
  const { inputs, formats, tolerance } = parity;
  const rows = formats.map(record => [
    record.format,
    record.runtime,
    record.maxRelativeError.toExponential(1),
    `${percentage(record.topOneAgreement)}${record.ties > 0 ? ` (${record.ties} ties)` : ''}`,
  ]);
  const folded = folding
    ? `\n\n${folding.layers} batch normalisations are folded into the convolutions before them (not in layers/), which alone changes logits by ${folding.maxRelativeError.toExponential(1)}.`
    : '';
  return `## Proven equal

Every format was run on ${inputs.real} images (${inputs.source}) and ${inputs.hard} hard ones before it was published; an error is relative to an image's largest logit, at most ${tolerance} is allowed.

${table(['format', 'run by', 'largest error', 'same class'], rows)}${folded}`;
}

function variantsOf({ variants = [] }: CardFacts): string {
  if (variants.length === 0) return '';
  const rows = variants.map(variant => [
    variant.folder,
    variant.storage,
    grouped(variant.bytes),
    variant.testAccuracy === undefined
      ? 'not measured'
      : `${percentage(variant.testAccuracy)} (float32: ${percentage(variant.testAccuracyFloat32!)})`,
    grouped(variant.images),
    percentage(variant.topOneAgreement),
  ]);
  return `## Smaller copies\n\n${table(['folder', 'weights', 'bytes', 'accuracy', 'on images', 'same class as float32'], rows)}`;
}

function rangesOf({ ranges = [], trainingRanges, parity }: CardFacts): string {
  if (ranges.length === 0) return '';
  const rows = ranges.map(({ layer, min, max }) => [layer, min.toPrecision(4), max.toPrecision(4)]);
  const widest = ranges.reduce((most, { min, max }) => Math.max(most, Math.abs(min), Math.abs(max)), 0);
  // x⁵ of a Padé activation passes binary16's 65504 at 9.2.
  const half = widest > 9 ? 'Half-precision WebGL overflows in a fifth power from about 9 on. ' : '';
  const where = trainingRanges
    ? 'at the end of training and on the images of the proof'
    : 'on the images of the proof (training was not observed)';
  const extremes = parity?.inputs.extremes;
  const reached = extremes
    ? `The proof's images drive ${extremes.reached} of ${extremes.recorded} activations to both ends of what training saw.`
    : '';
  return `<details><summary>Inputs that the activations saw, up to ${widest.toPrecision(3)}, ${where}</summary>\n\n${table(['layer', 'smallest', 'largest'], rows)}\n\n${half}${reached}\n</details>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(plain).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function normalisation(dataset: NonNullable<Manifest['dataset']>): string {
  return dataset.mean.length === 0
    ? ''
    : `, mean ${dataset.mean.join(', ')}, deviation ${dataset.std.join(', ')}`;
}

const grouped = (n: number): string => n.toLocaleString('en-US');
const measured = (fraction: number | undefined): string =>
  fraction === undefined ? 'not measured' : percentage(fraction);
const percentage = (fraction: number): string => `${(100 * fraction).toFixed(2)} %`;

/** A name must not end the table's cell, nor start markup. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\|`<>*_[\]]/g, c => `\\${c}`);
