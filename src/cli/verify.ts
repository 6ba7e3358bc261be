/** `padezoo verify`: checks every byte of a checkpoint and runs its formats again; exit code 1 when something is wrong. */
import type { Command } from 'commander';
import { engine } from '../engines/index.js';
import { verifyBundle } from '../publish/verifyBundle.js';
import { command } from './options.js';
import { parityTable, printResult } from './output.js';

export function verifyCommand(): Command {
  return command(
    'verify',
    'check every byte of a checkpoint, and that its formats agree; exit code 1 when not',
  )
    .argument('<checkpoint>', 'folder, .tar.gz, URL, npm:NAME or repository of the Hugging Face hub')
    .addHelpText(
      'after',
      '\nExamples:\n  padezoo verify out/quickstart/published.tar.gz\n  padezoo verify npm:my-network --json',
    )
    .action(run);
}

async function run(path: string, flags: { json?: boolean }): Promise<void> {
  await engine.ready();
  const { ok, problems, manifest, parity } = await verifyBundle(path);
  const files = manifest?.files.length ?? 0;
  printResult({ ok, problems, files, ...(parity && { parity }) }, flags, () => {
    return [
      ...(ok ? [`${path}: all ${files} files are as they were published`] : []),
      ...problems.map(({ file, problem }) => `${file}: ${problem}`),
      ...(parity
        ? [
            parityTable(parity.formats),
            `on ${parity.inputs.real} images (${parity.inputs.source}) and ${parity.inputs.hard} hard ones`,
          ]
        : []),
    ].join('\n');
  });
  if (!ok) process.exitCode = 1;
}
