/** The coupling of a network's convolutions: who loses filters together, and who reads what they make. */
import * as Plot from '@observablehq/plot';
import type { Explanation } from '../../pruning/explain.js';
import { count } from './format.js';
import type { Html } from './html.js';
import { svg } from './svg.js';

/** Pixels. */
const ROW = 15;
const WIDTH = 780;
/** Half of a character's width. */
const HALF_CHARACTER = 3.5;

interface Arc {
  readonly from: number;
  readonly to: number;
}

/** A row for every convolution and reader, from input to output; on the left what is tied, on the right who reads. */
export function couplingFigure({ groups, layers: names }: Explanation): Html {
  const place = new Map(names.map((name, i) => [name, i]));
  const tied = groups.flatMap(({ convolutions }) =>
    convolutions
      .slice(1)
      .map((name, i): Arc => ({ from: place.get(convolutions[i]!)!, to: place.get(name)! })),
  );
  const read = groups.flatMap(({ convolutions, readBy }) =>
    readBy.map((name): Arc => {
      const to = place.get(name)!;
      // A sum is read behind the last of its convolutions that comes before the reader.
      const before = convolutions.map(each => place.get(each)!).filter(from => from < to);
      return { from: before.at(-1) ?? place.get(convolutions[0]!)!, to };
    }),
  );
  const widths = new Map(
    groups.flatMap(({ convolutions, width }) => convolutions.map(name => [name, width])),
  );
  const rows = names.map((name, i) => ({ i, text: label(name, widths.get(name)) }));
  const convolutions = groups.reduce((sum, group) => sum + group.convolutions.length, 0);
  const gap = 8 + HALF_CHARACTER * Math.max(...rows.map(({ text }) => text.length));
  const arcs = (list: readonly Arc[], side: 'left' | 'right', colour: string) => {
    const x = WIDTH / 2 + (side === 'left' ? -gap : gap);
    return Plot.arrow(list, {
      x1: x,
      x2: x,
      y1: 'from',
      y2: 'to',
      bend: side === 'left' ? -60 : 60, // away from the names
      headLength: side === 'left' ? 0 : 5,
      stroke: colour,
      strokeWidth: 1.2,
      strokeOpacity: 0.75,
    });
  };
  return svg(
    `${count(convolutions)} convolutions in ${count(groups.length)} groups; left, those that lose the same channels, right, who reads them`,
    {
      width: WIDTH,
      height: ROW * names.length + 16,
      marginTop: 8,
      marginBottom: 8,
      marginLeft: 0,
      marginRight: 0,
      x: { axis: null, domain: [0, WIDTH] },
      y: { axis: null, domain: [names.length - 0.5, -0.5] },
      marks: [
        arcs(tied, 'left', 'var(--accent)'),
        arcs(read, 'right', 'var(--faint)'),
        Plot.text(rows, { x: WIDTH / 2, y: 'i', text: 'text', fill: 'var(--text)' }),
      ],
    },
  );
}

const label = (name: string, width: number | undefined) => (width ? `${name} (${width})` : name);
