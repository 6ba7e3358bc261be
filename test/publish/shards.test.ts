/** Weights of more than a shard: stock tfjs reads them in both of its formats, and sizes that it misreads are refused. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { CorruptBundleError } from '../../src/publish/errors.js';
import { buildLayersModel, layersFiles, parseLayersFiles } from '../../src/publish/layersModel.js';
import type { Bytes } from '../../src/publish/manifest.js';
import { joinShards, SHARD_BYTES, shards } from '../../src/publish/shards.js';
import { changed, weightsOf } from './fixtures.js';

/** 9.2 MB of weights, with a kernel across each border between shards. */
function wideNetwork(): layers.LayersModel {
  const input = layers.input({ shape: [1100] });
  const wide = layers.layers.dense({ units: 1100, name: 'wide' }).apply(input);
  const wider = layers.layers.dense({ units: 970, name: 'wider' }).apply(wide) as layers.SymbolicTensor;
  return layers.model({ inputs: input, outputs: wider });
}

test.serial(
  'the shards of layers/ are equal, the last no larger, and tfjs reads them without any code of ours',
  async t => {
    await tf.setBackend('cpu');
    const model = wideNetwork();
    const files = await layersFiles(model);
    const sizes = [...files].flatMap(([path, { byteLength }]) => (path.endsWith('.bin') ? [byteLength] : []));
    t.deepEqual(sizes, [SHARD_BYTES, SHARD_BYTES, 4 * (1100 * 1101 + 970 * 1101) - 2 * SHARD_BYTES]);
    const fetchFunc = async (url: string) => new Response(files.get(`layers/${url.split('/').at(-1)}`)!);
    const stock = await layers.loadLayersModel(
      tf.io.http('http://here/layers/model.json', { fetchFunc: fetchFunc as typeof fetch }),
    );
    t.deepEqual(textsOf(weightsOf(stock)), textsOf(weightsOf(model)));
    const ours = await buildLayersModel('x', parseLayersFiles('x', files));
    t.deepEqual(textsOf(weightsOf(ours)), textsOf(weightsOf(model)));
    for (const each of [model, stock, ours]) each.dispose();
  },
);

test.serial('a shard of another size, or a missing one, is refused and named', async t => {
  await tf.setBackend('cpu');
  const model = wideNetwork();
  const files = await layersFiles(model);
  model.dispose();
  const second = 'layers/group1-shard2of3.bin';
  const short = changed(files, second, files.get(second)!.slice(1));
  const last = 'layers/group1-shard3of3.bin';
  const long = changed(files, last, new Uint8Array(SHARD_BYTES + 4));
  const cut = changed(files, last, files.get(last)!.slice(0, -4));
  const without = new Map(files);
  without.delete(second);
  for (const [damaged, file] of [
    [short, second],
    [long, last],
    [cut, last],
    [without, second],
  ] as const) {
    const error = t.throws(() => parseLayersFiles('x', damaged), { instanceOf: CorruptBundleError });
    t.is(error?.file, file);
  }
});

test('one part, several, none and one of a whole number of shards come back as they were', t => {
  const of = (length: number) => Uint8Array.from({ length }, (_, i) => i * 31);
  for (const parts of [
    [],
    [of(5)],
    [of(3), of(SHARD_BYTES)],
    [of(2 * SHARD_BYTES)],
    [of(SHARD_BYTES), of(1)],
  ]) {
    const { paths, files } = shards(parts, 'one.bin');
    const inFolder = new Map<string, Bytes>([...files].map(([path, bytes]) => [`f/${path}`, bytes]));
    t.is(Buffer.compare(joinShards('x', inFolder, 'f', paths), Buffer.concat(parts)), 0);
    t.is(paths[0], files.size === 1 ? 'one.bin' : `group1-shard1of${files.size}.bin`);
  }
});

/** ava takes long to compare millions of numbers. */
function textsOf(weights: Record<string, Uint8Array>): string[] {
  return Object.values(weights).map(bytes => Buffer.from(bytes).toString('latin1'));
}
