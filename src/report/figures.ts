/** The report's figures as SVG; their colours are the page's CSS variables, so they follow light and dark. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { count, percent, stepName } from './format.js';
import { escapeHtml, Html } from './html.js';
import type { ActivationRecord, EpochRecord, StepRecord } from './record.js';

const WIDTH = 420; // pixels; a page scales figures to their column
const HEIGHT = 260;
const SMALL_WIDTH = 280;
const MARGIN = { top: 24, bottom: 34 };
/** Told apart by dashes as well: colour is never the only cue. */
const SERIES = [
  'var(--series-1)',
  'var(--series-2)',
  'var(--series-3)',
  'var(--series-4)',
  'var(--series-5)',
  'var(--series-6)',
];
const STYLE = {
  background: 'none',
  color: 'var(--text)',
  fontSize: '13px',
  fontFamily: 'inherit',
  overflow: 'visible',
};

const colour = (index: number) => SERIES[index % SERIES.length]!;

function svg(label: string, options: Plot.PlotOptions): Html {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const figure = Plot.plot({
    document: document as unknown as Document,
    width: WIDTH,
    height: HEIGHT,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    style: STYLE,
    ...options,
  });
  figure.setAttribute('role', 'img');
  figure.setAttribute('aria-label', escapeHtml(label));
  for (const style of figure.querySelectorAll('style')) style.remove(); // the page has its own
  return new Html(figure.outerHTML);
}

interface CurvePoint {
  readonly epoch: number;
  readonly value: number;
  readonly step: number;
}

type Metric = (epoch: EpochRecord) => number;

/** A metric per epoch: test solid, training dotted, one colour a step, each line named at its end. */
function curves(
  steps: readonly StepRecord[],
  label: string,
  test: Metric,
  train: Metric,
  axis: Plot.ScaleOptions,
): Html {
  const points = (metric: Metric): CurvePoint[] =>
    steps.flatMap((record, step) =>
      record.epochs.map(epoch => ({ epoch: epoch.epoch, value: metric(epoch), step })).filter(finite),
    );
  const lines = (data: CurvePoint[], options: Plot.LineOptions) =>
    steps.map((_, step) =>
      Plot.line(
        data.filter(point => point.step === step),
        { x: 'epoch', y: 'value', stroke: colour(step), ...options },
      ),
    );
  const tested = points(test);
  const values = [...tested, ...points(train)].map(({ value }) => value);
  const [low, high] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [0, 1];
  const domain: [number, number] = high > low ? [low, high] : [low - 1, high + 1];
  const ends = spread(
    steps.flatMap((_, step) => tested.filter(point => point.step === step).slice(-1)),
    (HEIGHT - MARGIN.top - MARGIN.bottom) / (domain[1] - domain[0]),
  );
  return svg(label, {
    marginRight: 92,
    marginLeft: 44,
    x: {
      label: 'epoch',
      ticks: wholeTicks(Math.max(1, ...tested.map(point => point.epoch))),
      tickFormat: 'd',
    },
    y: { grid: true, ticks: 5, domain, ...axis },
    marks: [
      ...lines(points(train), { strokeDasharray: '2 3', strokeWidth: 1.2, strokeOpacity: 0.8 }),
      ...lines(tested, { strokeWidth: 2 }),
      ...steps.map((_, step) =>
        Plot.dot(tested.filter(point => point.step === step).slice(-1), {
          x: 'epoch',
          y: 'value',
          fill: colour(step),
          r: 3,
        }),
      ),
      ...ends.map(({ point, nudge }) =>
        Plot.text([point], {
          x: 'epoch',
          y: 'value',
          text: () => stepName(steps[point.step]!.percent),
          fill: colour(point.step),
          textAnchor: 'start',
          dx: 8,
          dy: nudge,
        }),
      ),
    ],
  });
}

const finite = ({ value }: CurvePoint) => Number.isFinite(value);

function wholeTicks(last: number): number[] {
  const every = Math.max(1, Math.ceil(last / 5));
  const ticks = Array.from({ length: Math.floor(last / every) }, (_, i) => (i + 1) * every);
  return ticks[0] === 1 ? ticks : [1, ...ticks];
}

/** Labels of lines that end close together, moved apart by so many pixels down. */
function spread(
  points: readonly CurvePoint[],
  pixelsPerUnit: number,
): { point: CurvePoint; nudge: number }[] {
  const LINE_HEIGHT = 14;
  const sorted = [...points].sort((a, b) => b.value - a.value);
  const wanted = sorted.map(({ value }) => -value * pixelsPerUnit);
  const placed: number[] = [];
  for (const y of wanted) placed.push(Math.max(y, (placed.at(-1) ?? Number.NEGATIVE_INFINITY) + LINE_HEIGHT));
  // Moving all up by half of what the last one was pushed down keeps the labels beside their lines.
  const shift = placed.length > 0 ? (placed.at(-1)! - wanted.at(-1)!) / 2 : 0;
  return sorted.map((point, i) => ({ point, nudge: placed[i]! - wanted[i]! - shift }));
}

export function accuracyCurves(steps: readonly StepRecord[]): Html {
  return curves(
    steps,
    `Accuracy per epoch: ${steps.map(step => `${stepName(step.percent)} ends at ${percent(step.testAccuracy)}`).join(', ')}`,
    epoch => epoch.testAccuracy * 100,
    epoch => epoch.trainAccuracy * 100,
    { label: 'accuracy, %' },
  );
}

export function lossCurves(steps: readonly StepRecord[]): Html {
  return curves(
    steps,
    'Cross-entropy per epoch, test and training',
    epoch => epoch.testLoss,
    epoch => epoch.trainLoss,
    { label: 'cross-entropy, nats' },
  );
}

/** A bar per step, with its number and its share of the unpruned network. */
export function sizeBars(
  steps: readonly StepRecord[],
  label: string,
  size: (step: StepRecord) => number,
): Html {
  const whole = size(steps[0]!) || 1;
  const rows = steps.map((step, index) => ({ name: stepName(step.percent), value: size(step), index }));
  return svg(`${label} per step: ${rows.map(row => `${row.name} ${count(row.value)}`).join(', ')}`, {
    height: 16 + 36 * rows.length,
    marginTop: 4,
    marginBottom: 8,
    marginLeft: 88,
    marginRight: 116,
    x: { axis: null, domain: [0, Math.max(...rows.map(row => row.value), 1)] },
    y: { label: null, domain: rows.map(row => row.name), tickSize: 0 },
    marks: [
      ...rows.map(row =>
        Plot.barX([row], { x: 'value', y: 'name', fill: colour(row.index), insetTop: 4, insetBottom: 4 }),
      ),
      Plot.text(rows, {
        x: 'value',
        y: 'name',
        text: row => `${count(row.value)} (${Math.round((row.value / whole) * 100)} %)`,
        fill: 'var(--text)',
        textAnchor: 'start',
        dx: 6,
      }),
    ],
  });
}

export function accuracyAgainstSize(steps: readonly StepRecord[]): Html {
  const points = steps
    .map((step, index) => ({
      x: step.parameters,
      y: step.testAccuracy * 100,
      name: stepName(step.percent),
      index,
    }))
    .filter(point => Number.isFinite(point.y));
  return svg(
    `Test accuracy against parameters: ${points.map(p => `${p.name} ${p.y.toFixed(1)} % at ${count(p.x)}`).join(', ')}`,
    {
      marginLeft: 46,
      marginRight: 30,
      insetTop: 16,
      insetLeft: 40,
      insetRight: 40,
      x: {
        label: 'parameters',
        ticks: 4,
        tickFormat: (value: number) => (value >= 1000 ? `${value / 1000}k` : `${value}`),
      },
      y: { label: 'test accuracy, %', grid: true, ticks: 5 },
      marks: [
        Plot.line(points, { x: 'x', y: 'y', stroke: 'var(--muted)', strokeDasharray: '3 3' }),
        ...points.map(point => Plot.dot([point], { x: 'x', y: 'y', fill: colour(point.index), r: 5 })),
        Plot.text(points, { x: 'x', y: 'y', text: 'name', fill: 'var(--text)', dy: -12 }),
      ],
    },
  );
}

/** The learned curve over the histogram of its inputs; what it started as is dashed, noise is a band. */
export function activationFigure({ layer, kind, learned, initial, band, inputs }: ActivationRecord): Html {
  const curve = points(learned);
  const start = points(initial);
  const values = [...curve, ...start].map(({ y }) => y);
  const low = Math.min(0, ...values);
  const high = Math.max(1e-6, ...values);
  const peak = Math.max(1, ...inputs.counts);
  const width = (inputs.max - inputs.min) / Math.max(1, inputs.counts.length);
  const bars = inputs.counts.map((amount, i) => ({
    x1: inputs.min + i * width,
    x2: inputs.min + (i + 1) * width,
    y2: low + ((high - low) * 0.9 * amount) / peak,
  }));
  const ribbon = (band ?? [])
    .map((half, i) => ({ ...curve[i]!, half }))
    .filter(({ half, y }) => Number.isFinite(half + y));
  return svg(
    `Activation ${layer} (${kind}): the learned curve over inputs from ${inputs.min.toFixed(2)} to ${inputs.max.toFixed(2)}`,
    {
      width: SMALL_WIDTH,
      height: 200,
      marginLeft: 36,
      marginBottom: 30,
      marginTop: 12,
      x: { label: null, ticks: 5, domain: [inputs.min, inputs.max] },
      y: { label: null, ticks: 4, domain: [low, high], nice: true },
      marks: [
        Plot.rect(bars, { x1: 'x1', x2: 'x2', y1: low, y2: 'y2', fill: 'var(--histogram)' }),
        Plot.ruleY([0], { stroke: 'var(--line)' }),
        Plot.ruleX(inputs.min < 0 && inputs.max > 0 ? [0] : [], { stroke: 'var(--line)' }),
        Plot.areaY(ribbon, {
          x: 'x',
          y1: d => d.y - d.half,
          y2: d => d.y + d.half,
          fill: 'var(--series-1)',
          fillOpacity: 0.25,
        }),
        Plot.line(start, {
          x: 'x',
          y: 'y',
          stroke: 'var(--muted)',
          strokeDasharray: '4 3',
          strokeWidth: 1.5,
        }),
        Plot.line(curve, { x: 'x', y: 'y', stroke: 'var(--series-1)', strokeWidth: 2.2 }),
      ],
    },
  );
}

function points(samples: readonly (readonly [number, number])[]): { x: number; y: number }[] {
  return samples.map(([x, y]) => ({ x, y })).filter(({ y }) => Number.isFinite(y));
}
