#!/usr/bin/env node
/**
 * Loads torchvision's own ImageNet networks, with random weights and running statistics, by their state dicts and compares
 * logits: the largest difference as a share of the largest logit. Ends with 1 where a count differs, or a logit does by more
 * than 1e-4 and by more than twice what PyTorch's float32 differs from its own float64.
 *
 *   node scripts/check-torchvision.mjs [network ...]
 *
 * The Python that PADEZOO_PYTHON names, else `python3`, needs torch, torchvision and safetensors.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { engine, summary, tf, zoo } from '../dist/src/index.js';

const NETWORKS = {
  mobileNetV2: 'mobilenet_v2',
  resnet18: 'resnet18',
  resnet34: 'resnet34',
  resnet50: 'resnet50',
  resnet101: 'resnet101',
  resnet152: 'resnet152',
  denseNet121: 'densenet121',
  denseNet169: 'densenet169',
  denseNet201: 'densenet201',
};
const BOUND = 1e-4;

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(NETWORKS);
const unknown = names.filter(name => !(name in NETWORKS));
if (unknown.length) {
  console.error(`check-torchvision: no such network: ${unknown}; there are ${Object.keys(NETWORKS)}`);
  process.exit(2);
}

/** The largest difference, as a share of the largest value expected. */
function difference(values, expected) {
  if (values.length !== expected.length) return Number.NaN;
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - values[i])), 0) / largest;
}

await engine.ready();
const folder = await mkdtemp(join(tmpdir(), 'torchvision-'));
try {
  const script = fileURLToPath(new URL('check-torchvision.py', import.meta.url));
  const pairs = names.map(name => `${name}=${NETWORKS[name]}`);
  execFileSync(process.env.PADEZOO_PYTHON ?? 'python3', [script, folder, ...pairs], { stdio: 'inherit' });
  const { buffer } = await readFile(join(folder, 'images.bin'));
  const images = tf.tensor4d(new Float32Array(buffer), [
    buffer.byteLength / (4 * 224 * 224 * 3),
    224,
    224,
    3,
  ]);
  console.log('| network | parameters | inference | training | PyTorch fp32 from fp64, training |');
  console.log('|---|---|---|---|---|');
  for (const name of names) {
    const expected = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'));
    const model = await zoo.load(name, {
      variant: 'imagenet',
      from: join(folder, `${name}.safetensors`),
    });
    const parameters = summary(model).parameters;
    const inference = difference(
      tf.tidy(() => model.predict(images).dataSync()),
      expected.inference,
    );
    for (const layer of model.layers) if (layer.getClassName().includes('Dropout')) layer.rate = 0;
    const training = difference(
      tf.tidy(() => model.apply(images, { training: true }).dataSync()),
      expected.training,
    );
    const rounding = difference(expected.training, expected.float64);
    const isEqual = parameters === expected.parameters;
    if (!isEqual || !(inference <= BOUND) || !(training <= Math.max(BOUND, 2 * rounding)))
      process.exitCode = 1; // NaN too
    const figures = [inference, training, rounding].map(value => value.toExponential(1)).join(' | ');
    console.log(
      `| ${name} | ${isEqual ? parameters : `${parameters} != ${expected.parameters}`} | ${figures} |`,
    );
    model.dispose();
  }
} finally {
  await rm(folder, { recursive: true });
}
