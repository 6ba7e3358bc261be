/** `padezoo publish`: writes a network in every format, proven equal, to give to others. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { load } from '../publish/load.js';
import { FORMATS } from '../publish/manifest.js';
import { type Publishable, publish } from '../publish/publish.js';
import { readRun } from '../publish/readRun.js';
import { command, fraction } from './options.js';
import { note, parityTable, printResult } from './output.js';

interface Flags {
  readonly to: string;
  readonly formats?: (typeof FORMATS)[number][];
  readonly storage?: ('float16' | 'bfloat16' | 'uint8')[];
  readonly fold?: boolean;
  readonly functions?: boolean;
  readonly licence?: string;
  readonly tolerance?: number;
  readonly npm?: string;
  readonly hub?: string;
  readonly archive: boolean;
  readonly json?: boolean;
}

export function publishCommand(): Command {
  return command('publish', 'write a checkpoint in every format, proven equal, to give to others')
    .argument('<run>', 'checkpoint, or the folder of a pruning run: then the smallest good step')
    .requiredOption('--to <folder>', 'where it goes; the archive is <folder>.tar.gz')
    .option('--formats <names>', `of ${FORMATS.join(', ')} (default: all)`, oneOf(FORMATS))
    .option(
      '--storage <kinds>',
      'smaller copies with their accuracy: float16, bfloat16, uint8',
      oneOf(['float16', 'bfloat16', 'uint8'] as const),
    )
    .option('--fold', 'multiply batch normalisation into the convolutions before it')
    .option('--functions', 'keep each Padé activation as a function of the ONNX model')
    .option('--licence <id>', 'of the network, for its card and package: mit, apache-2.0')
    .option('--tolerance <fraction>', "of accuracy below a run's best step (default: 0.005)", fraction)
    .option('--npm <name>', 'write <folder>-npm as well, a package that npm publish takes')
    .option('--hub <owner/name>', 'push to the Hugging Face hub, if HF_TOKEN is set')
    .option('--no-archive', 'write the folder alone')
    .addHelpText(
      'after',
      `
Examples:
  padezoo publish out/lenet-pruned --to out/lenet-pade --storage float16,uint8
  padezoo publish out/lenet-pruned/step-30 --to out/lenet-pade-30 --npm @me/lenet-pade-30`,
    )
    .action(run);
}

async function run(path: string, flags: Flags): Promise<void> {
  const { to, formats, storage, fold, functions, licence, tolerance, npm, hub } = flags;

  const written = await publish(await sourceAt(path), {
    to,
    ...(formats && { formats }),
    ...(storage && { storage }),
    ...(fold && { batchNorm: 'fold' }),
    ...(functions && { onnx: 'functions' }),
    ...(licence && { licence }),
    ...(tolerance !== undefined && { tolerance }),
    ...(npm && { npm }),
    ...(hub && { hub }),
    archive: flags.archive ? 'tar.gz' : 'none',
  });
  const { directory, archive, npmPackage, commit, manifest } = written;
  if (hub && !commit) note(`not pushed to ${hub}: set HF_TOKEN; the folder is laid out for the hub as it is`);
  const result = {
    directory,
    archive,
    npmPackage,
    commit,
    metrics: manifest.metrics,
    parity: manifest.parity,
    variants: manifest.variants,
    files: manifest.files,
  };
  printResult(result, flags, () =>
    [
      `folder:  ${directory}`,
      archive && `archive: ${archive}`,
      npmPackage && `package: ${npmPackage}`,
      commit && `commit:  ${commit}`,
      parityTable(manifest.parity?.formats ?? []),
    ]
      .filter(Boolean)
      .join('\n'),
  );
}

/** A run has its settings in run.json; anything else is a checkpoint. */
async function sourceAt(path: string): Promise<Publishable> {
  const isRun = await access(join(path, 'run.json')).then(
    () => true,
    () => false,
  );
  return isRun ? readRun(path) : load(path);
}

function oneOf<Name extends string>(names: readonly Name[]) {
  return (text: string): Name[] => {
    const given = text.split(',').map(part => part.trim());
    const unknown = given.find(name => !names.includes(name as Name));
    if (unknown !== undefined) throw new InvalidArgumentError(`expected some of ${names.join(', ')}.`);
    return given as Name[];
  };
}
