/** `padezoo verify`: checks every byte of a checkpoint; exit code 1 when something is wrong. */
import type { Command } from 'commander';
import { verifyBundle } from '../publish/readBundle.js';
import { command } from './options.js';
import { printResult } from './output.js';

export function verifyCommand(): Command {
  return command('verify', 'check every byte of a checkpoint; exit code 1 when something is wrong')
    .argument('<checkpoint>', 'folder or .tar.gz')
    .addHelpText('after', '\nExample:\n  padezoo verify out/quickstart/published.tar.gz')
    .action(run);
}

async function run(path: string, flags: { json?: boolean }): Promise<void> {
  const { ok, problems, manifest } = await verifyBundle(path);
  const files = manifest?.files.length ?? 0;
  printResult({ ok, problems, files }, flags, () =>
    ok
      ? `${path}: all ${files} files are as they were published`
      : problems.map(({ file, problem }) => `${file}: ${problem}`).join('\n'),
  );
  if (!ok) process.exitCode = 1;
}
