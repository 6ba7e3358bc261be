/** The card of a checkpoint, `README.md`: what it is, how good and how large, how to load it; made from its manifest. */
import type { Manifest } from './manifest.js';

/** @param manifest all but its list of files, which has this card in it */
export function card(manifest: Omit<Manifest, 'files'>): string {
  const { architecture, metrics, pruning, dataset } = manifest;
  const rows: [string, string][] = [
    ['Architecture', architecture.name],
    [
      'Activation',
      typeof manifest.activation === 'string' ? manifest.activation : JSON.stringify(manifest.activation),
    ],
    ['Input', `${architecture.inputShape.join(' x ')}${dataset ? normalisation(dataset) : ''}`],
    [
      'Classes',
      architecture.classes.length > 0
        ? `${architecture.classes.length}: ${architecture.classes.join(', ')}`
        : 'not named',
    ],
    ['Data set', dataset?.name ?? 'none recorded'],
    [
      'Test accuracy',
      metrics.testAccuracy === undefined ? 'not measured' : `${(100 * metrics.testAccuracy).toFixed(2)} %`,
    ],
    [
      'Parameters',
      `${grouped(metrics.parameters)}, of which ${grouped(metrics.activationParameters)} in activations`,
    ],
    ['Multiply-accumulates', `${grouped(metrics.macs)} for one input`],
    [
      'Pruned',
      pruning.length === 0
        ? 'no'
        : pruning.map(step => `${step.percent} % (${step.criterion}, ${step.restart})`).join(', then '),
    ],
    ['Seed', manifest.seed === undefined ? 'not recorded' : String(manifest.seed)],
    [
      'Made',
      `${manifest.created} by padezoo ${manifest.versions.padezoo}, tfjs ${manifest.versions.tfjs}, ${manifest.versions.engine}`,
    ],
  ];
  return `# ${plain(architecture.name)}

A network made with padezoo${pruning.length > 0 ? ', its filters pruned' : ''}. This page is made from \`padezoo.json\`.

| | |
|---|---|
${rows.map(([what, value]) => `| ${what} | ${plain(value)} |`).join('\n')}

## Load

\`\`\`ts
import { load } from 'padezoo';

const model = await load('.'); // this folder, or its .tar.gz; every digest is checked first
\`\`\`

## Check

\`sha256sum -c SHA256SUMS\`, or \`npx padezoo verify .\`
`;
}

function normalisation(dataset: NonNullable<Manifest['dataset']>): string {
  return dataset.mean.length === 0
    ? ''
    : `, mean ${dataset.mean.join(', ')}, deviation ${dataset.std.join(', ')}`;
}

const grouped = (n: number): string => n.toLocaleString('en-US');

/** A name must not end the table's cell, nor start markup. */
const plain = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\|`<>*_[\]]/g, c => `\\${c}`);
