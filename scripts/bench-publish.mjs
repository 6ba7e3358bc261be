/**
 * Times publishing a ResNet101 with all proofs, and loading it again with its digests checked.
 * `npm run -s bench:publish` after `npm run -s setup`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engine, load, publish, zoo } from '../dist/src/index.js';
import { readBundle } from '../dist/src/publish/readBundle.js';

const { values } = parseArgs({
  options: {
    network: { type: 'string', default: 'resnet101' },
    archive: { type: 'string', default: 'tar.gz' },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'padezoo-bench-publish-'));
const timed = async (what, work) => {
  const [from, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  // On a machine that does other work too, half of the second number is what two free cores would take at best.
  console.log(
    `${what.padEnd(36)} ${((performance.now() - from) / 1000).toFixed(2)} s, ${((user + system) / 1e6).toFixed(2)} s of the processor`,
  );
  return result;
};
try {
  await engine.ready();
  console.log(`${values.network}, ${engine.describe()}, ${cpus().length} cores of ${cpus()[0].model}`);
  const model = zoo.create(values.network, { activation: 'pau' });
  const { directory, manifest } = await timed('publish, four formats, all proofs', () =>
    publish(model, { to: join(folder, 'network'), archive: values.archive }),
  );
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  console.log(`${manifest.files.length} files, ${(bytes / 2 ** 20).toFixed(0)} MiB`);
  for (const { format, runtime, maxRelativeError, topOneAgreement } of manifest.parity.formats)
    console.log(
      `  ${format.padEnd(12)} ${maxRelativeError.toExponential(1)}  same class ${100 * topOneAgreement} %  ${runtime}`,
    );
  model.dispose();
  await timed('read all files, check all digests', () => readBundle(directory));
  (await timed('load the folder, digests checked', () => load(directory))).dispose();
} finally {
  await rm(folder, { recursive: true, force: true });
}
