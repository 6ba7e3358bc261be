/** Small dense linear systems, for fits of a few coefficients. */

/** Of a column's entries, relative to the matrix's largest: below it the column adds nothing, and its unknown stays 0. */
const NOTHING = 1e-14;

/** The x with Ax = b, by Gaussian elimination with partial pivoting; unknowns that A does not determine are 0. */
export function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  const size = rows.length;
  const largest = Math.max(...matrix.flat().map(Math.abs), Number.MIN_VALUE);
  const determined = new Array<boolean>(size).fill(true);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let i = column + 1; i < size; i++) {
      if (Math.abs(rows[i]![column]!) > Math.abs(rows[pivot]![column]!)) pivot = i;
    }
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    if (!(Math.abs(rows[column]![column]!) > NOTHING * largest)) {
      determined[column] = false;
      continue;
    }
    for (let i = column + 1; i < size; i++) {
      const factor = rows[i]![column]! / rows[column]![column]!;
      for (let j = column; j <= size; j++) rows[i]![j]! -= factor * rows[column]![j]!;
    }
  }
  const x = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    if (!determined[i]) continue;
    const known = rows[i]!.slice(i + 1, size).reduce((sum, v, j) => sum + v * x[i + 1 + j]!, 0);
    x[i] = (rows[i]![size]! - known) / rows[i]![i]!;
  }
  return x;
}

/** The x that minimises |Ax - b|², slightly regularised. */
export function leastSquares(rows: readonly (readonly number[])[], b: readonly number[]): number[] {
  const size = rows[0]!.length;
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) =>
      rows.reduce((sum, row) => sum + row[i]! * row[j]!, i === j ? 1e-9 : 0),
    ),
  );
  const right = Array.from({ length: size }, (_, i) =>
    rows.reduce((sum, row, r) => sum + row[i]! * b[r]!, 0),
  );
  return solve(matrix, right);
}
