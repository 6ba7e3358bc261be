/** ONNX Runtime calculates from onnx/ what the network calculates here. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import test from 'ava';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
} from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { ManifestError } from '../../src/publish/errors.js';
import { graphOf } from '../../src/publish/graph/fromLayers.js';
import { GraphRunner } from '../../src/publish/graph/run.js';
import type { Bytes } from '../../src/publish/manifest.js';
import { readOnnx } from '../../src/publish/onnx/read.js';
import { onnxFile } from '../../src/publish/onnx/write.js';
import { largest, within } from '../support/closeness.js';
import '../support/engine.js';
import { DISTINCT, imagesFor } from './networks.js';

async function logits(file: Uint8Array, images: tf.Tensor): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(file);
  const first = tf.tidy(() => tf.transpose(images, [0, 3, 1, 2]));
  const feed = new ort.Tensor('float32', first.dataSync() as Float32Array, first.shape);
  first.dispose();
  const results = await session.run({ [session.inputNames[0]!]: feed });
  await session.release();
  return results[session.outputNames[0]!]!.data as Float32Array;
}

for (const [name, make] of Object.entries(DISTINCT)) {
  test.serial(`${name}: ONNX Runtime gives the network's logits`, async t => {
    const model = make();
    const graph = graphOf(model);
    for (const batch of model.layers.length < 60 ? [2, 3] : [3]) {
      const images = imagesFor(model, batch);
      const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
      const close = { tolerance: 5e-5, scale: largest(expected) };
      const file = onnxFile(graph, { version: 'test', functions: batch === 3 });
      within(t, name, await logits(file, images), expected, close);
      const runner = new GraphRunner(readOnnx('x', file));
      const [ours] = runner.run(images);
      within(t, `${name}, read back`, ours!.dataSync(), expected, close);
      runner.dispose();
      ours!.dispose();
      images.dispose();
    }
    model.dispose();
  });
}

/** Windows that slide by one, without padding: all that ONNX takes for granted. */
function plainWindows() {
  const { conv2d, averagePooling2d, maxPooling2d, flatten, dense } = layers.layers;
  const model = layers.sequential({
    layers: [
      conv2d({ inputShape: [7, 6, 2], filters: 3, kernelSize: 2 }),
      averagePooling2d({ poolSize: 2, strides: 1 }),
      maxPooling2d({ poolSize: 2, strides: 1 }),
      flatten(),
      dense({ units: 3 }),
    ],
  });
  const images = imagesFor(model);
  const expected = tf.tidy(() => (model.predict(images) as tf.Tensor).dataSync());
  const file = onnxFile(graphOf(model), { version: 'test' });
  model.dispose();
  return { file, images, expected };
}

/** The attributes of every node, made anew. */
function withAttributes(
  file: Uint8Array,
  change: (attributes: AttributeProto[], opType: string) => AttributeProto[],
): Bytes {
  const model = fromBinary(ModelProtoSchema, file);
  for (const node of model.graph!.node) node.attribute = change(node.attribute, node.opType);
  return toBinary(ModelProtoSchema, model) as Bytes;
}

test.serial('attributes of a window that are left out mean what ONNX Runtime takes them for', async t => {
  const { file, images, expected } = plainWindows();
  const implied = ['pads', 'strides', 'dilations', 'group', 'count_include_pad'];
  const bare = withAttributes(file, attributes => attributes.filter(({ name }) => !implied.includes(name)));
  t.true(bare.length < file.length);
  const close = { tolerance: 1e-5, scale: largest(expected) };
  within(t, 'ONNX Runtime', await logits(bare, images), expected, close);
  const runner = new GraphRunner(readOnnx('x', bare));
  const [ours] = runner.run(images);
  within(t, 'read back', ours!.dataSync(), expected, close);
  runner.dispose();
  tf.dispose([ours!, images]);
});

test.serial('an attribute that the reader does not know, or of another type, is refused', t => {
  const { file, images } = plainWindows();
  images.dispose();
  const { INT, STRING } = AttributeProto_AttributeType;
  const same = create(AttributeProtoSchema, {
    name: 'auto_pad',
    type: STRING,
    s: new TextEncoder().encode('SAME_UPPER'),
  });
  const padded = withAttributes(file, (attributes, opType) =>
    opType === 'Conv' ? [...attributes.filter(({ name }) => name !== 'pads'), same] : attributes,
  );
  t.throws(() => readOnnx('x', padded), { instanceOf: ManifestError, message: /\(Conv\).*'auto_pad'/ });
  const retyped = withAttributes(file, (attributes, opType) =>
    attributes.map(each =>
      opType === 'AveragePool' && each.name === 'pads'
        ? create(AttributeProtoSchema, { name: 'pads', type: INT, i: 1n })
        : each,
    ),
  );
  t.throws(() => readOnnx('x', retyped), {
    instanceOf: ManifestError,
    message: /\(AveragePool\) has 'pads' of another type/,
  });
});
