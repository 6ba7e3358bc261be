/** Bundles that would fill memory: refused by what they say, before anything of that size exists. */
import { join } from 'node:path';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import { BundleError, verify } from '../../src/index.js';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { graphModelFiles } from '../../src/publish/graphModel/write.js';
import { layersFiles } from '../../src/publish/layersModel.js';
import { GRAPH_JSON, readTorchFiles, torchFiles } from '../../src/publish/torchGraph.js';
import { placeFiles } from '../../src/publish/writeBundle.js';
import '../support/engine.js';
import { description, smallNetwork, temporaryFolder, textOf, utf8 } from './fixtures.js';

const small = smallNetwork();
const graph = graphOf(small);
const torch = torchFiles(graph);

/** The network with its operators changed, read again. */
function reading(change: (nodes: Record<string, unknown>[]) => void) {
  const json = JSON.parse(textOf(torch.get(GRAPH_JSON)));
  change(json.nodes);
  return () => readTorchFiles('x', new Map(torch).set(GRAPH_JSON, utf8(JSON.stringify(json))));
}

test('padding that is larger than any image is refused, though nothing is left of it', t => {
  const read = reading(nodes => {
    const conv = nodes.find(({ name }) => name === 'left/product')!;
    const pads = [40_000, 40_000, 40_000, 40_000];
    nodes.splice(0, 0, { ...conv, name: 'huge', pads, strides: [100_000, 100_000], shape: [2, 1, 1] });
  });
  t.throws(read, {
    instanceOf: BundleError,
    message: /'huge' \(conv\) needs more than 67108864 values/,
  });
});

test('padding counts on the sides of an image and not on its channels', t => {
  // One channel: 4006 x 4006 values, six times as many if the channels were taken for rows.
  const read = reading(nodes => {
    const conv = nodes.find(({ name }) => name === 'left/product')!;
    const pads = [2000, 2000, 2000, 2000];
    nodes.splice(0, 0, { ...conv, name: 'wide', pads, strides: [100_000, 100_000], shape: [2, 1, 1] });
  });
  t.notThrows(read);
});

test('many results that all are needed at the end are refused', t => {
  const read = reading(nodes => {
    const wide = { op: 'upsample', inputs: ['left/product'], factors: [512, 512], shape: [2, 2048, 2048] };
    const names = Array.from({ length: 9 }, (_, i) => `wide${i}`);
    const joined = { name: 'joined', op: 'concat', inputs: names, shape: [18, 2048, 2048] };
    const at = nodes.findIndex(({ name }) => name === 'left/product') + 1;
    nodes.splice(at, 0, ...names.map(name => ({ name, ...wide })), joined);
  });
  t.throws(read, { instanceOf: BundleError, message: /needs more than 67108864 values/ });
});

test('a window of nothing but padding is refused', t => {
  const read = reading(nodes => {
    const at = nodes.findIndex(({ name }) => name === 'left/product') + 1;
    const pool = { name: 'pool', op: 'averagePool', inputs: ['left/product'], size: [1, 1], strides: [1, 1] };
    nodes.splice(at, 0, { ...pool, pads: [1, 1, 1, 1], shape: [2, 6, 6] });
  });
  t.throws(read, { instanceOf: BundleError, message: /as much as its window/ });
});

test.serial('verify tells of a layers-model that would fill memory, and of images that would', async t => {
  const folder = await temporaryFolder(t);
  const graphFiles = [...graphModelFiles(graph, { version: '0' })].map(
    ([path, bytes]) => [`graph/${path}`, bytes] as const,
  );
  const problemsOf = async (model: layers.LayersModel, inputShape: number[]) => {
    const files = new Map([...(await layersFiles(model)), ...graphFiles]);
    model.dispose();
    const architecture = { ...description.architecture, inputShape };
    const to = join(folder, 'forged');
    await placeFiles(files, { ...description, architecture }, to, { archive: false });
    const { ok, problems } = await verify(to);
    t.false(ok);
    return problems;
  };
  const { upSampling2d, globalMaxPooling2d, dense } = layers.layers;
  for (const interpolation of ['nearest', 'bilinear'] as const) {
    const [first] = await problemsOf(
      layers.sequential({
        layers: [
          upSampling2d({ inputShape: [6, 6, 1], size: [4000, 4000], interpolation }),
          globalMaxPooling2d({}),
          dense({ units: 3 }),
        ],
      }),
      [6, 6, 1],
    );
    t.is(first!.file, 'layers/model.json');
    t.regex(first!.problem, /more than 67108864 values/);
  }
  const any = () =>
    layers.sequential({
      layers: [globalMaxPooling2d({ inputShape: [null, null, 1] } as never), dense({ units: 3 })],
    });
  const [large] = await problemsOf(any(), [100_000, 100_000, 1]);
  t.deepEqual([large!.file, /too large/.test(large!.problem)], ['padezoo.json', true]);
  // Sizes that are not the network's own: its first layer says so.
  const [other] = await problemsOf(smallNetwork(), [9, 9, 1]);
  t.is(other!.file, 'layers/model.json');
});
