/** What model hubs read: the card's front matter, and `config.json`. */
import type { CardFacts } from './card.js';
import type { Bytes } from './manifest.js';

export const CONFIG_FILE = 'config.json';

/** YAML between two lines of dashes, as the Hugging Face hub's model cards have it; texts are JSON, which is YAML. */
export function frontMatter({
  architecture,
  licence,
  dataset,
  metrics,
  pruning,
  seed,
  parity,
}: CardFacts): string {
  const text = JSON.stringify;
  const tags = [
    'padezoo',
    'tensorflow.js',
    'rational-activation',
    'image-classification',
    ...(pruning.length > 0 ? ['pruned'] : []),
  ];
  if (parity?.formats.some(({ format }) => format === 'onnx')) tags.push('onnx');
  const lines = [
    ...(licence ? [`license: ${text(licence.toLowerCase())}`] : []),
    'library_name: padezoo',
    'pipeline_tag: image-classification',
    'tags:',
    ...tags.map(tag => `- ${tag}`),
    ...(dataset ? ['datasets:', `- ${text(dataset.name)}`] : []),
    'metrics:',
    '- accuracy',
  ];
  if (dataset && metrics.testAccuracy !== undefined) {
    lines.push(
      'model-index:',
      `- name: ${text(architecture.name)}`,
      '  results:',
      '  - task:',
      '      type: image-classification',
      '    dataset:',
      `      type: ${text(dataset.name)}`,
      `      name: ${text(dataset.name)}`,
      '      split: test',
      '    metrics:',
      '    - type: accuracy',
      `      value: ${metrics.testAccuracy}`,
      `      name: ${text(`test accuracy${seed === undefined ? '' : `, seed ${seed}`}`)}`,
    );
  }
  return `---\n${lines.join('\n')}\n---\n`;
}

/** A small file that hubs count downloads by and other tools look for. */
export function configFile({ architecture, activation, dataset, metrics }: CardFacts): Bytes {
  const config = {
    model_type: 'padezoo',
    architectures: [architecture.name],
    activation,
    num_labels: architecture.classes.length,
    id2label: Object.fromEntries(architecture.classes.map((name, i) => [i, name])),
    image_size: architecture.inputShape,
    ...(dataset && { image_mean: dataset.mean, image_std: dataset.std }),
    parameters: metrics.parameters,
    manifest: 'padezoo.json',
  };
  return new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`);
}
