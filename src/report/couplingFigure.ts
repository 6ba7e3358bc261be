/** The coupling of a network's convolutions: who loses filters together, and who reads what they make. */
import * as Plot from '@observablehq/plot';
import type { Explanation } from '../../pruning/explain.js';
import { count } from './format.js';
import type { Html } from './html.js';
import { svg } from './svg.js';

/** Pixels. */
const ROW = 17;
const WIDTH = 780;
/** Up to so many rows have their names; a deeper network's would lie on each other at this height. */
const MOST_ROWS = 40;
const COMPACT_ROW = 6;

interface Arc {
  readonly from: number;
  readonly to: number;
}

/** A row for every convolution and reader, from input to output; on the left what is tied, on the right who reads. */
export function couplingFigure({ groups }: Explanation): Html {
  const names = [...new Set(inOrder(groups))];
  const place = new Map(names.map((name, i) => [name, i]));
  const tied = groups.flatMap(({ convolutions }) =>
    convolutions
      .slice(1)
      .map((name, i): Arc => ({ from: place.get(convolutions[i]!)!, to: place.get(name)! })),
  );
  const read = groups.flatMap(({ convolutions, readBy }) =>
    readBy.map((name): Arc => ({ from: place.get(convolutions.at(-1)!)!, to: place.get(name)! })),
  );
  const row = names.length <= MOST_ROWS ? ROW : COMPACT_ROW;
  const widths = new Map(
    groups.flatMap(({ convolutions, width }) => convolutions.map(name => [name, width])),
  );
  const rows = names.map((name, i) => ({ i, text: label(name, widths.get(name)) }));
  const convolutions = groups.reduce((sum, group) => sum + group.convolutions.length, 0);
  const arcs = (list: readonly Arc[], side: 'left' | 'right', colour: string) =>
    Plot.arrow(list, {
      x1: side === 'left' ? 0.46 : 0.54,
      x2: side === 'left' ? 0.46 : 0.54,
      y1: 'from',
      y2: 'to',
      bend: side === 'left' ? -60 : 60,
      headLength: side === 'left' ? 0 : 5,
      stroke: colour,
      strokeWidth: 1.2,
      strokeOpacity: 0.75,
    });
  return svg(
    `${count(convolutions)} convolutions in ${count(groups.length)} groups; left, those that lose the same channels, right, who reads them`,
    {
      width: WIDTH,
      height: row * names.length + 16,
      marginTop: 8,
      marginBottom: 8,
      marginLeft: 8,
      marginRight: 8,
      x: { axis: null, domain: [0, 1] },
      y: { axis: null, domain: [names.length - 0.5, -0.5] },
      marks: [
        arcs(tied, 'left', 'var(--accent)'),
        arcs(read, 'right', 'var(--faint)'),
        row === ROW
          ? Plot.text(rows, { x: 0.5, y: 'i', text: 'text', fill: 'var(--text)' })
          : Plot.dot(rows, { x: 0.5, y: 'i', r: 2, fill: 'var(--text)', title: 'text' }),
      ],
    },
  );
}

const label = (name: string, width: number | undefined) => (width ? `${name} (${width})` : name);

/** Convolutions before their readers. */
function inOrder(groups: Explanation['groups']): string[] {
  const convolutions = groups.flatMap(group => group.convolutions);
  const own = new Set(convolutions);
  return [...convolutions, ...groups.flatMap(({ readBy }) => readBy.filter(name => !own.has(name)))];
}
