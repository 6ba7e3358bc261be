/** `padezoo eval`: accuracy and loss of a checkpoint on test images. */
import type { Command } from 'commander';
import { OptionsError } from '../errors.js';
import { load } from '../publish/load.js';
import { evaluate } from '../training/evaluate.js';
import { provenanceOf } from '../training/provenance.js';
import {
  command,
  type DataOptions,
  dataFrom,
  type EngineFlags,
  startEngine,
  withData,
  withEngine,
} from './options.js';
import { percentage, printResult } from './output.js';

export function evalCommand(): Command {
  const target = command('eval', 'accuracy and loss of a checkpoint on test images').argument(
    '<checkpoint>',
    'folder or .tar.gz',
  );
  return withEngine(withData(target))
    .addHelpText('after', '\nExample:\n  padezoo eval out/lenet-pau --data fashion-mnist')
    .action(run);
}

async function run(path: string, flags: DataOptions & EngineFlags & { json?: boolean }): Promise<void> {
  await startEngine(flags);
  const model = await load(path);
  const data = (await dataFrom(flags)) ?? provenanceOf(model).data;
  if (!data) throw new OptionsError('eval: the checkpoint names no data set that is known here; give --data');
  const metrics = await evaluate(model, data);
  printResult(
    { dataset: data.name, source: data.source, images: data.length.test, ...metrics },
    flags,
    () =>
      `${percentage(metrics.testAccuracy)} of ${data.length.test} test images of ${data.name} (${data.source}), loss ${metrics.testLoss.toFixed(4)}`,
  );
}
