/** The figures of a bundle: learned activations, and accuracy against parameters, as SVG and as PNG. */
import { activationFigure } from '../report/activationFigure.js';
import { accuracyAgainstSize } from '../report/figures.js';
import type { ActivationRecord, RunRecord } from '../report/record.js';
import { STYLE } from '../report/style.js';
import { ACCURACY_FIGURE, type Bytes, type Rung } from './manifest.js';

/** Most activations that are drawn: DenseNet201 has 200. */
const MAX_ACTIVATIONS = 12;
/** Pixels of the PNG for one of the SVG. */
const DENSITY = 2;

export interface FigureFacts {
  readonly activations: readonly ActivationRecord[];
  readonly ladder: readonly Rung[];
  /** Images that accuracies were measured on. */
  readonly testImages: number;
}

/** @returns files by path, `figures/act1.svg` and so on */
export async function figureFiles(facts: FigureFacts): Promise<Map<string, Bytes>> {
  const figures = new Map<string, string>();
  for (const record of evenly(facts.activations, MAX_ACTIVATIONS)) {
    figures.set(`figures/${record.layer.replaceAll(/[^\w.-]/g, '-')}.svg`, activationFigure(record).text);
  }
  const measured = facts.ladder.filter(({ testAccuracy }) => testAccuracy !== undefined);
  if (measured.length > 1) {
    const record = {
      steps: measured,
      best: measured.findIndex(rung => rung.published),
      dataset: { test: facts.testImages },
    };
    figures.set(
      ACCURACY_FIGURE,
      accuracyAgainstSize(record as unknown as RunRecord, 'parameters', step => step.parameters).text,
    );
  }
  const files = new Map<string, Bytes>();
  if (figures.size === 0) return files;
  const { default: sharp } = await import('sharp');
  for (const [path, figure] of figures) {
    const text = standalone(figure);
    files.set(path, new TextEncoder().encode(text));
    const png = await sharp(Buffer.from(text), { density: 72 * DENSITY })
      .png()
      .toBuffer();
    files.set(path.replace(/svg$/, 'png'), new Uint8Array(png));
  }
  return files;
}

/** The first, the last, and those between at equal distances. */
function evenly<Item>(items: readonly Item[], most: number): Item[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]!);
}

/** The report's colours for light pages, by name. */
const COLOURS = new Map(
  [...STYLE.slice(0, STYLE.indexOf('}')).matchAll(/(--[\w-]+): ([^;]+);/g)].map(([, name, value]) => [
    name!,
    value!,
  ]),
);

/** A figure that needs no page: colours in place of the page's variables, and a background. */
function standalone(figure: string): string {
  const coloured = figure.replaceAll(/var\((--[\w-]+)\)/g, (_, name: string) => COLOURS.get(name) ?? 'black');
  const namespaced = coloured.includes('xmlns=')
    ? coloured
    : coloured.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"');
  const background = `<rect width="100%" height="100%" fill="${COLOURS.get('--panel')}"/>`;
  return namespaced
    .replace('>', `>${background}`)
    .replaceAll('font-family="inherit"', 'font-family="system-ui, sans-serif"');
}
