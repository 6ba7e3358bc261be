/** Numbers with their axes in another order, as NumPy's transpose. */
import { type Constant, sizeOf } from './graph.js';

/** Floats of a cache line: so many of both axes that are next to each other in memory are moved together. */
const TILE = 16;

/** An axis of the result. */
interface Axis {
  readonly length: number;
  /** Numbers from one entry to the next, in what is read and in what is written. */
  readonly read: number;
  readonly write: number;
}

/** @param axes of the constant, in the result's order */
export function permuted({ shape, values }: Constant, axes: readonly number[]): Constant {
  const to = axes.map(axis => shape[axis]!);
  const result = new Float32Array(values.length);
  const moved: Axis[] = axes.map((axis, i) => ({
    length: shape[axis]!,
    read: sizeOf(shape.slice(axis + 1)),
    write: sizeOf(to.slice(i + 1)),
  }));
  const wide = moved.filter(({ length }) => length !== 1);
  // Tiles over the axis that lies together in the constant and the one that does in the result.
  const inner = wide.splice(
    wide.findIndex(({ read }) => read === Math.min(...wide.map(axis => axis.read))),
    1,
  )[0];
  const outer = wide.pop();
  if (values.length > 0) walk(wide, 0, 0);
  return { shape: to, values: result };

  function walk([axis, ...others]: readonly Axis[], from: number, at: number): void {
    if (!axis) tiles(from, at);
    for (let i = 0; axis && i < axis.length; i++) walk(others, from + i * axis.read, at + i * axis.write);
  }

  function tiles(from: number, at: number): void {
    const a = outer ?? ONE;
    const b = inner ?? ONE;
    for (let i0 = 0; i0 < a.length; i0 += TILE) {
      const i1 = Math.min(a.length, i0 + TILE);
      for (let j0 = 0; j0 < b.length; j0 += TILE) {
        const j1 = Math.min(b.length, j0 + TILE);
        for (let i = i0; i < i1; i++) {
          const [r, w] = [from + i * a.read, at + i * a.write];
          for (let j = j0; j < j1; j++) result[w + j * b.write] = values[r + j * b.read]!;
        }
      }
    }
  }
}

const ONE: Axis = { length: 1, read: 0, write: 0 };
