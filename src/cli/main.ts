#!/usr/bin/env node
/** The command line: which commands there are, and how their failures end. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { SetupError } from '#setup';
import { PadezooError } from '../errors.js';
import { compareCommand } from './compare.js';
import { dataCommand } from './data.js';
import { evalCommand } from './eval.js';
import { infoCommand } from './info.js';
import { pruneCommand } from './prune.js';
import { publishCommand } from './publish.js';
import { quickstartCommand } from './quickstart.js';
import { setupCommand } from './setup.js';
import { trainCommand } from './train.js';
import { verifyCommand } from './verify.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const { version } = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('padezoo/package.json'), 'utf8'),
) as { version: string };

const program = new Command('padezoo')
  .description('Padé networks: train, prune and publish small networks with learnable rational activations')
  .version(version)
  .addHelpText(
    'after',
    `
Examples:
  padezoo train lenet --activation pau --out out/lenet-pau
  padezoo prune out/lenet-pau --steps 10,20,30 --out out/lenet-pruned
  padezoo publish out/lenet-pruned/step-30 --to out/lenet-pade-30
  padezoo verify out/lenet-pade-30.tar.gz

Results go to standard output, progress to standard error. PADEZOO_ENGINE chooses the engine: torch, tensorflow,
wasm, cpu.
Exit codes: 0 done, 1 failed, 2 not understood.`,
  );

for (const make of [
  trainCommand,
  pruneCommand,
  evalCommand,
  compareCommand,
  infoCommand,
  publishCommand,
  verifyCommand,
  dataCommand,
  quickstartCommand,
  setupCommand,
]) {
  program.addCommand(make());
}
const withCommands = (one: Command): Command[] => [one, ...one.commands.flatMap(withCommands)];
for (const each of withCommands(program)) each.exitOverride().showHelpAfterError('(--help shows examples)');

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

/** Commander has printed its own message; ours and the system's are for people, anything else is a defect and shows its stack. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const known =
    error instanceof PadezooError ||
    error instanceof SetupError ||
    (error instanceof Error && 'syscall' in error);
  process.stderr.write(`padezoo: ${known ? error.message : ((error as Error)?.stack ?? String(error))}\n`);
  return EXIT_FAILED;
}
