/** What a manifest says, and does not say, of a network's past. */
import { join } from 'node:path';
import test from 'ava';
import { type Dataset, datasets, load } from '../../src/index.js';
import { describe } from '../../src/publish/describe.js';
import { writeBundle } from '../../src/publish/writeBundle.js';
import { provenanceOf, remember } from '../../src/training/provenance.js';
import { squares } from '../support/images.js';
import '../support/engine.js';
import { description, smallNetwork, temporaryFolder } from './fixtures.js';

/** What the manifest tells of a data set with these options. */
function told(name: string, options: Dataset['options']) {
  const model = smallNetwork();
  remember(model, { data: { ...squares(), name, options } });
  const { dataset } = describe(model);
  model.dispose();
  return dataset!.options;
}

/** Every option of a data set that can be a path, an address or a pattern of them. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  mnist: ['directory'],
  'fashion-mnist': ['directory'],
  cifar10: ['directory'],
  cifar100: ['directory'],
  imagenet: ['directory', 'train', 'val', 'devkit'],
  folder: ['directory', 'train', 'test'],
  webdataset: ['shards', 'train', 'test', 'classes'],
};

test('every data set is among those whose paths are tested', t => {
  t.deepEqual(datasets.list(), Object.keys(PATHS));
});

for (const [name, paths] of Object.entries(PATHS))
  test(`${name}: options that are no paths are told, and where the user's files are is not`, t => {
    for (const path of paths) {
      const options = { [path]: '/home/me/files', size: 32, limit: { train: 5 } };
      t.deepEqual(told(name, options), { size: 32, limit: { train: 5 } }, path);
    }
  });

test('a source is told, unless it is the folder that is not', t => {
  t.deepEqual(told('mnist', { source: 'embedded', size: 28 }), { source: 'embedded', size: 28 });
  t.deepEqual(told('mnist', { source: 'directory', directory: '/home/me/files', size: 28 }), { size: 28 });
});

test("of a user's own data set nothing is told that might be a path", t => {
  const options = { photos: '/home/me/photos', source: '/home/me', limit: { test: 9 } };
  t.deepEqual(told('photos', options), { limit: { test: 9 } });
});

test('parameters of activations that a checkpoint does not tell are not made up', async t => {
  const folder = await temporaryFolder(t);
  const model = smallNetwork();
  const { dataset: _, ...others } = { ...description, activation: null };
  const parent = { name: 'large', parameters: 900, macs: 7000 };
  for (const [to, given] of Object.entries({
    without: parent,
    with: { ...parent, activationParameters: 0 },
  })) {
    await writeBundle(model, { ...others, parent: given }, join(folder, to), { archive: false });
    const loaded = await load(join(folder, to));
    t.deepEqual(provenanceOf(loaded).unpruned, given);
    loaded.dispose();
  }
  model.dispose();
});
