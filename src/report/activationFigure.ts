/** One activation: what it learned, what it started as, and the inputs that it sees. */
import * as Plot from '@observablehq/plot';
import { significant } from './format.js';
import type { Html } from './html.js';
import type { ActivationRecord, Histogram } from './record.js';
import { svg } from './svg.js';

/** Pixels. */
const WIDTH = 290;
const HEIGHT = 190;
/** Of the figure's height, for the histogram's highest bin. */
const HISTOGRAM_SHARE = 0.85;

interface Point {
  readonly x: number;
  readonly y: number;
}

export function activationFigure({ layer, kind, learned, initial, band, inputs }: ActivationRecord): Html {
  const curve = learned.map(([x, y], i) => ({ x, y, half: band?.[i] ?? 0 })).filter(finite);
  const start = initial.map(([x, y]) => ({ x, y })).filter(finite);
  const ribbon = band ? curve.filter(({ half }) => Number.isFinite(half)) : [];
  const x = range(
    Number.isFinite(inputs.max - inputs.min) && inputs.max > inputs.min
      ? [inputs.min, inputs.max]
      : curve.map(point => point.x),
  );
  const y = range([
    0,
    ...[...curve, ...start].map(point => point.y),
    ...ribbon.flatMap(point => [point.y - point.half, point.y + point.half]),
  ]);
  const air = (y[1] - y[0]) * 0.04;
  const floor = y[0] - air;
  const ceiling = y[1] + air;
  const histogram = outline(inputs).map(point => ({
    x: point.x,
    y: floor + point.y * HISTOGRAM_SHARE * (ceiling - floor),
  }));
  const parts = [
    `${layer}, ${kind}: the learned curve`,
    start.length > 0 && ', what it started as',
    ribbon.length > 0 && ', the band that its noise makes',
    ` and the distribution of its inputs, from ${significant(x[0], 3)} to ${significant(x[1], 3)}`,
  ];
  return svg(parts.filter(Boolean).join(''), {
    width: WIDTH,
    height: HEIGHT,
    marginLeft: 38,
    marginRight: 10,
    marginBottom: 26,
    marginTop: 8,
    x: { label: null, ticks: 5, domain: x, tickSize: 0, tickPadding: 6 },
    y: { label: null, ticks: 4, domain: [floor, ceiling], tickSize: 0, tickPadding: 6 },
    marks: [
      Plot.areaY(histogram, { x: 'x', y1: floor, y2: 'y', fill: 'var(--histogram)' }),
      Plot.ruleY([0], { stroke: 'var(--line)' }),
      Plot.ruleX(x[0] < 0 && x[1] > 0 ? [0] : [], { stroke: 'var(--line)' }),
      Plot.areaY(ribbon, {
        x: 'x',
        y1: point => point.y - point.half,
        y2: point => point.y + point.half,
        fill: 'var(--accent)',
        fillOpacity: 0.3,
      }),
      Plot.line(start, { x: 'x', y: 'y', stroke: 'var(--text)', strokeDasharray: '4 3', strokeWidth: 1.3 }),
      Plot.line(curve, { x: 'x', y: 'y', stroke: 'var(--accent)', strokeWidth: 2.2 }),
    ],
  });
}

const finite = ({ x, y }: Point) => Number.isFinite(x + y);

function range(values: readonly number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (low > high) return [-1, 1];
  return high > low ? [low, high] : [low - 1, high + 1];
}

/** The steps of a histogram, `y` a fraction of its highest bin. */
function outline({ min, max, counts }: Histogram): Point[] {
  const width = (max - min) / counts.length;
  const peak = counts.reduce((a, b) => Math.max(a, b), 1);
  return counts
    .flatMap((amount, i) => [
      { x: min + i * width, y: amount / peak },
      { x: min + (i + 1) * width, y: amount / peak },
    ])
    .filter(finite);
}
