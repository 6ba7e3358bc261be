/** `padezoo compare`: checkpoints side by side. */
import type { Command } from 'commander';
import { engine } from '../engines/index.js';
import { load } from '../publish/load.js';
import { compare } from '../report/compare.js';
import { command } from './options.js';
import { count, percentage, printResult, table } from './output.js';

export function compareCommand(): Command {
  return command('compare', 'checkpoints side by side: sizes, accuracy, measured latency')
    .argument('<checkpoints...>', 'two or more: folders, .tar.gz, URLs, npm:NAME, hub:OWNER/NAME')
    .addHelpText('after', '\nExample:\n  padezoo compare out/quickstart/unpruned out/quickstart/published')
    .action(run);
}

async function run(paths: readonly string[], flags: { json?: boolean }): Promise<void> {
  const models = Object.fromEntries(
    await Promise.all(paths.map(async path => [path, await load(path)] as const)),
  );
  const rows = await compare(models);
  printResult({ engine: engine.describe(), networks: rows }, flags, () => {
    const columns: [string, (row: (typeof rows)[number]) => string][] = [
      ['parameters', row => count(row.parameters)],
      ['in activations', row => count(row.activationParameters)],
      ['MACs', row => count(row.macs)],
      ['test accuracy', row => percentage(row.testAccuracy)],
      ['latency, 1 image', row => `${row.latencyMs[1].toFixed(2)} ms`],
      ['latency, 64 images', row => `${row.latencyMs[64].toFixed(2)} ms`],
      ['widths divisible by 8', row => `${row.alignedWidths.aligned} of ${row.alignedWidths.of}`],
    ];
    const lines = columns.map(([what, of]) => [what, ...rows.map(of)]);
    return `${table(['', ...rows.map(row => row.name)], lines)}\n${engine.describe()}`;
  });
}
