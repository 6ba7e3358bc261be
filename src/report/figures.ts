/** The figures of a run as a whole: accuracy and loss while it trained, and what every step weighs. */
import * as Plot from '@observablehq/plot';
import { declutter } from './declutter.js';
import { compact, count, decimal, percent, shortStepName, stepName } from './format.js';
import type { Html } from './html.js';
import { accuracyInterval } from './interval.js';
import type { EpochRecord, RunRecord, StepRecord } from './record.js';
import { colour, svg, symbol } from './svg.js';

/** Pixels; about the width of a column, so that text keeps its size. */
const WIDTH = 380;
const HEIGHT = 270;
const LABEL_HEIGHT = 15;
/** Up to so many steps all of them are named in the figures; beyond, the unpruned, the best and the last. */
const NAMED_STEPS = 6;
/** Colours of the style sheet. */
const [INK, ACCENT, OTHERS] = [0, 1, 2];

type Metric = (epoch: EpochRecord) => number;

interface CurvePoint {
  readonly epoch: number;
  readonly value: number;
}

/** What a step looks like in every figure. */
interface Look {
  readonly index: number;
  readonly step: StepRecord;
  readonly named: boolean;
  readonly colour: string;
  readonly weight: 'bold' | 'normal';
}

/** The unpruned network is drawn in ink, the published one in the accent, the others in what is left. */
function looks({ steps, best }: RunRecord): Look[] {
  const all = steps.length <= NAMED_STEPS;
  const others = steps.map((_, index) => index).filter(index => index > 0 && index !== best);
  const hue = (index: number) =>
    index === 0 ? INK : index === best ? ACCENT : (best ? OTHERS : ACCENT) + others.indexOf(index);
  return steps.map((step, index) => {
    const last = index === steps.length - 1;
    const named = all || index === 0 || index === best || last;
    const series = !all && last && index !== best ? OTHERS : hue(index);
    return {
      index,
      step,
      named,
      colour: named ? colour(series) : 'var(--faint)',
      weight: index === best ? 'bold' : 'normal',
    };
  });
}

/** A metric per epoch: test solid, training dotted, one colour and symbol a step, each line named at its end. */
function curves(record: RunRecord, label: string, test: Metric, train: Metric): Html {
  const margin = { top: 10, right: 98, bottom: 40, left: 36 };
  const lines = looks(record).map(look => ({
    ...look,
    test: curve(look.step, test),
    train: curve(look.step, train),
  }));
  const all = lines.flatMap(line => [...line.test, ...line.train]);
  const x = extent(
    all.map(point => point.epoch),
    0,
  );
  const y = extent(
    all.map(point => point.value),
    0.03,
  );
  const pixelX = (x[1] - x[0]) / (WIDTH - margin.left - margin.right);
  const pixelY = (y[1] - y[0]) / (HEIGHT - margin.top - margin.bottom);
  const ends = lines
    .filter(line => line.named && line.test.length > 0)
    .map(line => ({ ...line, end: line.test.at(-1)! }))
    .sort((a, b) => a.end.value - b.end.value);
  const places = declutter(
    ends.map(({ end }) => end.value),
    LABEL_HEIGHT * pixelY,
  );
  return svg(label, {
    width: WIDTH,
    height: HEIGHT,
    marginTop: margin.top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    x: { ...AXIS, label: 'epoch', domain: x, ticks: wholeTicks(x[1]), tickFormat: 'd' },
    y: { ...AXIS, label: null, domain: y, grid: true, ticks: 5 },
    marks: [
      ...lines.map(line =>
        Plot.line(line.train, { ...AT, stroke: line.colour, strokeDasharray: '1.5 3', strokeWidth: 1.5 }),
      ),
      ...lines.map(line => Plot.line(line.test, { ...AT, stroke: line.colour, strokeWidth: 1.8 })),
      ...lines
        .filter(line => line.train.length === 1)
        .map(line => Plot.dot(line.train, { ...AT, stroke: line.colour, symbol: symbol(line.index), r: 4 })),
      ...ends.flatMap((line, i) => [
        Plot.link([line.end], {
          x1: line.end.epoch,
          x2: x[1] + 14 * pixelX,
          y1: line.end.value,
          y2: places[i]!,
          stroke: line.colour,
          strokeWidth: 0.8,
        }),
        Plot.dot([line.end], { ...AT, fill: line.colour, symbol: symbol(line.index), r: 3.5 }),
        Plot.text([line.step], {
          x: x[1] + 17 * pixelX,
          y: places[i]!,
          text: [stepName(line.step.percent)],
          fill: line.colour,
          fontWeight: line.weight,
          textAnchor: 'start',
        }),
      ]),
    ],
  });
}

const AT = { x: 'epoch', y: 'value' };
const AXIS = { labelAnchor: 'center', labelArrow: 'none', tickSize: 0, tickPadding: 6 } as const;

function curve({ epochs }: StepRecord, metric: Metric): CurvePoint[] {
  return epochs
    .map(record => ({ epoch: record.epoch, value: metric(record) }))
    .filter(({ epoch, value }) => Number.isFinite(epoch + value));
}

/** From the least to the greatest, with a share of air at both ends; never empty. */
function extent(values: readonly number[], air: number): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (low > high) return [0, 1];
  const pad = high > low ? (high - low) * air : 0.5;
  return [low - pad, high + pad];
}

function wholeTicks(last: number): number[] {
  const every = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500].find(step => last / step <= 6) ?? last / 5;
  return Array.from({ length: Math.floor(last / every) }, (_, i) => (i + 1) * every);
}

export function accuracyCurves(record: RunRecord): Html {
  const ends = record.steps.map(step => `${stepName(step.percent)} ends at ${percent(step.testAccuracy)}`);
  return curves(
    record,
    `Accuracy per epoch on test and training images: ${ends.join(', ')}`,
    epoch => epoch.testAccuracy * 100,
    epoch => epoch.trainAccuracy * 100,
  );
}

export function lossCurves(record: RunRecord): Html {
  const ends = record.steps.map(step => `${stepName(step.percent)} ends at ${decimal(step.testLoss)}`);
  return curves(
    record,
    `Cross-entropy per epoch on test and training images: ${ends.join(', ')}`,
    epoch => epoch.testLoss,
    epoch => epoch.trainLoss,
  );
}

/** A bar per step, with its number and its share of the unpruned network. */
export function sizeBars(record: RunRecord, what: string, size: (step: StepRecord) => number): Html {
  const rows = looks(record).map(look => ({
    ...look,
    name: stepName(look.step.percent),
    value: size(look.step),
  }));
  const whole = rows[0]!.value;
  const number = ({ value, index }: { value: number; index: number }) =>
    index === 0 ? count(value) : `${count(value)} (${percent(value / whole)})`;
  const longest = Math.max(...rows.map(row => number(row).length));
  const most = Math.max(1, ...rows.map(row => row.value));
  return svg(`${what} per step: ${rows.map(row => `${row.name} ${count(row.value)}`).join(', ')}`, {
    width: WIDTH,
    height: 30 * rows.length + 4,
    marginTop: 2,
    marginBottom: 2,
    marginLeft: 92,
    marginRight: 12 + 7 * longest,
    x: { axis: null, domain: [0, most] },
    y: { axis: null, domain: rows.map(row => row.index), padding: 0.32 },
    marks: rows.flatMap(row => [
      Plot.text([row], {
        x: 0,
        y: 'index',
        text: 'name',
        fill: 'var(--text)',
        fontWeight: row.weight,
        textAnchor: 'end',
        dx: -8,
      }),
      Plot.barX([row], { x: 'value', y: 'index', fill: row.colour }),
      Plot.text([row], {
        x: 'value',
        y: 'index',
        text: [number(row)],
        fill: 'var(--text)',
        fontWeight: row.weight,
        textAnchor: 'start',
        dx: 6,
      }),
    ]),
  });
}

/** Test accuracy against a size, with the interval that so few test images leave open. */
export function accuracyAgainstSize(
  record: RunRecord,
  what: string,
  size: (step: StepRecord) => number,
): Html {
  const networks = looks(record)
    .map(look => {
      const { testAccuracy, percent: pruned } = look.step;
      const [low, high] = accuracyInterval(testAccuracy, record.dataset.test);
      const value = testAccuracy * 100;
      return {
        ...look,
        name: shortStepName(pruned),
        size: size(look.step),
        value,
        low: low * 100,
        high: high * 100,
      };
    })
    .filter(network => Number.isFinite(network.value + network.size));
  const spoken = networks.map(({ name, value, size }) => `${name} ${value.toFixed(1)} % at ${count(size)}`);
  const at = { x: 'size', y: 'value' };
  return svg(`Test accuracy against ${what}: ${spoken.join(', ')}`, {
    width: WIDTH,
    height: HEIGHT,
    marginTop: 14,
    marginRight: 12,
    marginBottom: 40,
    marginLeft: 36,
    x: {
      ...AXIS,
      label: what,
      domain: extent(
        networks.map(network => network.size),
        0.14,
      ),
      ticks: 4,
      tickFormat: compact,
    },
    y: {
      ...AXIS,
      label: null,
      domain: extent(
        networks.flatMap(({ low, high }) => [low, high]),
        0.1,
      ),
      grid: true,
      ticks: 5,
    },
    marks: [
      Plot.line(networks, { ...at, stroke: 'var(--faint)', strokeDasharray: '4 3' }),
      ...networks.flatMap(network => [
        Plot.ruleX([network], {
          x: 'size',
          y1: 'low',
          y2: 'high',
          stroke: network.colour,
          strokeWidth: 1.2,
        }),
        Plot.dot([network], { ...at, fill: network.colour, symbol: symbol(network.index), r: 5 }),
      ]),
      ...networks
        .filter(({ named }) => named)
        .map(network =>
          Plot.text([network], {
            x: 'size',
            y: 'high',
            text: 'name',
            fill: network.colour,
            fontWeight: network.weight,
            stroke: 'var(--panel)',
            strokeWidth: 4,
            dy: -9,
          }),
        ),
    ],
  });
}
