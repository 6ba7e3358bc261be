#!/usr/bin/env node
/**
 * Convolutions by libtorch's kernels and as products of matrices (native/operators/convolution.cpp), in turns: where
 * src/engines/torch/kernels/ownConvolution.ts draws its lines. Shapes are those of VGG, ResNet and MobileNetV2 on 32x32 images.
 *
 *   node scripts/bench-convolutions.mjs [--precision fp32|bf16] [--threads N] [--rounds N] [pattern of shapes]
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { engine, tf } from '../dist/src/index.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    precision: { type: 'string', default: 'fp32' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '9' },
  },
});
const rounds = Number(options.rounds);

/** batch, side of the image, channels in, out, filter, stride */
const SHAPES = [
  [64, 2, 512, 512, 3, 1],
  [256, 2, 512, 512, 3, 1],
  [64, 4, 256, 512, 3, 1],
  [256, 4, 512, 512, 3, 1],
  [16, 4, 512, 512, 3, 1],
  [64, 8, 128, 256, 3, 1],
  [256, 8, 256, 256, 3, 1],
  [16, 8, 256, 256, 3, 1],
  [64, 16, 64, 128, 3, 1],
  [16, 16, 128, 128, 3, 1],
  [16, 8, 512, 512, 3, 2],
  [16, 8, 1024, 2048, 1, 2],
  [16, 16, 512, 1024, 1, 2],
  [16, 8, 256, 1024, 1, 1],
  [16, 4, 512, 2048, 1, 1],
  [64, 32, 24, 144, 1, 1],
  [64, 4, 160, 960, 1, 1],
  [256, 5, 16, 120, 5, 1],
];

await engine.use('torch', { threads: Number(options.threads), precision: options.precision });
const torch = tf.backend();
const dtype = options.precision === 'bf16' ? 15 : 6; // c10::ScalarType
const median = list => list.toSorted((a, b) => a - b)[list.length >> 1];

console.log(`${engine.describe()}; ms of libtorch / of the product, median of ${rounds}`);
for (const [batch, side, inner, outer, filter, stride] of SHAPES) {
  const name = `[${batch}, ${side}, ${side}, ${inner}] -> ${outer}, ${filter}x${filter}, stride ${stride}`;
  if (positionals.length && !positionals.some(pattern => name.includes(pattern))) continue;
  const pad = filter === 5 ? 0 : filter >> 1;
  const out = Math.floor((side + 2 * pad - filter) / stride) + 1;
  const make = (shape, seed) =>
    torch.detached(aten =>
      aten('to.dtype', torch.tensorOf(tf.randomNormal(shape, 0, 1, 'float32', seed)), dtype),
    );
  const x = make([batch, side, side, inner], 1);
  const dy = make([batch, out, out, outer], 2);
  const rows = make([outer, filter, filter, inner], 3);
  const first = aten => t => aten('permute', t, [0, 3, 1, 2]);
  const at = [
    [stride, stride],
    [pad, pad],
    [1, 1],
  ];
  const all = [
    [stride, stride],
    [pad, pad, pad, pad],
    [1, 1],
  ];
  const backward = (aten, mask) =>
    aten.tuple(
      'convolution_backward',
      first(aten)(dy),
      first(aten)(x),
      first(aten)(rows),
      null,
      ...at,
      false,
      [0, 0],
      1,
      mask,
    );
  const hwio = aten => aten('permute', rows, [1, 2, 3, 0]);
  const passes = {
    forward: [
      aten => aten('conv2d', first(aten)(x), first(aten)(rows), null, ...at, 1),
      aten => aten('padezoo::patch_convolution', x, hwio(aten), null, ...all),
    ],
    input: [
      aten => backward(aten, [true, false, false])[0],
      aten => aten('padezoo::patch_convolution_input', dy, hwio(aten), [side, side], ...all),
    ],
    filter: [
      aten => backward(aten, [false, true, false])[1],
      aten => aten('padezoo::patch_convolution_filter', dy, x, [filter, filter], ...all),
    ],
  };
  const cells = Object.entries(passes).map(([pass, ways]) => {
    const times = ways.map(() => []);
    for (let round = -2; round < rounds; round++) {
      ways.forEach((way, i) => {
        const began = performance.now();
        torch.release(torch.detached(way));
        if (round >= 0) times[i].push(performance.now() - began);
      });
    }
    const [library, product] = times.map(median);
    return `${pass} ${library.toFixed(2)} / ${product.toFixed(2)} = ${(library / product).toFixed(1)}x`;
  });
  console.log(`${name.padEnd(46)} ${cells.join('   ')}`);
  for (const tensor of [x, dy, rows]) torch.release(tensor);
}
