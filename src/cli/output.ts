/** Where the command line's words go: results to standard output, everything else to standard error. */
import Table from 'cli-table3';
import type { ParityRecord } from '../publish/manifest.js';

/** Prints the result: as JSON for machines, or as `human` says it. */
export function printResult(
  result: unknown,
  { json }: { readonly json?: boolean },
  human: () => string,
): void {
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : `${human()}\n`);
}

/** A message about what is going on. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A table with right-aligned numbers. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const drawn = new Table({
    head: [...head],
    colAligns: head.map((_, column) =>
      rows.every(row => /^[\d<]/.test(String(row[column]))) ? 'right' : 'left',
    ),
    style: { head: [], border: [] },
    chars: {
      mid: '',
      'left-mid': '',
      'mid-mid': '',
      'right-mid': '',
      top: '',
      'top-left': '',
      'top-mid': '',
      'top-right': '',
      bottom: '',
      'bottom-left': '',
      'bottom-mid': '',
      'bottom-right': '',
      left: '',
      right: '',
      middle: '  ',
    },
  });
  drawn.push(...rows.map(row => row.map(String)));
  return drawn.toString();
}

/** 61746 -> `61,746` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** 0.8453 -> `84.5 %` */
export function percentage(fraction: number | undefined): string {
  return fraction === undefined ? '-' : `${(fraction * 100).toFixed(1)} %`;
}

/** How near each format of a checkpoint is to its source. */
export function parityTable(formats: readonly ParityRecord[]): string {
  const rows = formats.map(({ format, runtime, maxRelativeError, topOneAgreement }) => [
    format,
    runtime,
    maxRelativeError.toExponential(1),
    `${(100 * topOneAgreement).toFixed(2)} %`,
  ]);
  return table(['format', 'run by', 'largest error', 'same class'], rows);
}
