import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { engine } from '../../src/index.js';
import { torchTest } from '../support/engine.js';

/** What tf.memory() says now, less what it said before. */
function since(before: tf.MemoryInfo) {
  const { numTensors, numDataBuffers, numBytes } = tf.memory();
  return [numTensors - before.numTensors, numDataBuffers - before.numDataBuffers, numBytes - before.numBytes];
}

torchTest('tf.memory() counts four bytes a float32 and int32, one a bool', t => {
  const counts = {
    float32: [() => tf.zeros([3, 5], 'float32'), 60],
    int32: [() => tf.zeros([3, 5], 'int32'), 60],
    bool: [() => tf.zeros([3, 5], 'bool'), 15],
    empty: [() => tf.zeros([0, 5]), 0],
    scalar: [() => tf.scalar(1), 4],
  } as const;
  for (const [name, [make, bytes]] of Object.entries(counts)) {
    const before = tf.memory();
    const tensor = make();
    t.deepEqual(since(before), [1, 1, bytes], name);
    tensor.dispose();
    t.deepEqual(since(before), [0, 0, 0], `${name}, disposed`);
  }
  t.false(tf.memory().unreliable);
});

torchTest('tf.memory() counts strings by their bytes, and says that it is an estimate', t => {
  const before = tf.memory();
  const words = tf.tensor(['a', 'ß', 'hello']);
  t.deepEqual(since(before), [1, 1, 8]);
  t.true(tf.memory().unreliable);
  words.dispose();
  t.deepEqual(since(before), [0, 0, 0]);
});

torchTest(
  'a clone has no data of its own, but its bytes are counted; whichever is disposed first, the other lives on',
  t => {
    const before = tf.memory();
    const x = tf.ones([4, 6]);
    const copy = tf.clone(x);
    t.deepEqual(since(before), [2, 1, 192]); // tfjs counts bytes by tensors
    x.dispose();
    t.deepEqual(since(before), [1, 1, 96]);
    t.is(copy.dataSync().length, 24);
    copy.dispose();
    t.deepEqual(since(before), [0, 0, 0]);
  },
);

torchTest('a view counts in full in numBytes, and takes no memory: numBytesNative says so', t => {
  const size = 2 ** 20;
  const x = tf.ones([256, 1024]);
  const before = tf.memory() as tf.MemoryInfo & { numBytesNative: number };
  const views = [tf.transpose(x), tf.reshape(x, [1024, 256]), tf.slice(x, [0, 0], [128, 1024])];
  t.deepEqual(since(before), [3, 3, 2.5 * size]);
  const after = tf.memory() as typeof before;
  // Of all threads: another test file may run beside this one in the same process.
  t.true(Math.abs(after.numBytesNative - before.numBytesNative) < size);
  tf.dispose([x, ...views]);
});

torchTest('variables, their assignments and tidy leave the counts as they were', t => {
  const before = { tfjs: tf.memory(), native: engine.memory() };
  const variable = tf.tidy(() => tf.variable(tf.zeros([8])));
  t.deepEqual(since(before.tfjs), [1, 1, 32]);
  for (let i = 0; i < 3; i++) tf.tidy(() => variable.assign(tf.add(variable, 1)));
  t.deepEqual(since(before.tfjs), [1, 1, 32]);
  t.deepEqual([...variable.dataSync()], new Array(8).fill(3));
  variable.dispose();
  t.deepEqual(since(before.tfjs), [0, 0, 0]);
  t.is(engine.memory().tensors, before.native.tensors);
});

torchTest('the event loop turns while data() copies a large tensor', async t => {
  const side = 4000; // transposed, 16 million elements take some 50 ms
  const x = tf.tidy(() => tf.transpose(tf.reshape(tf.cumsum(tf.ones([side * side])), [side, side])));
  const start = performance.now();
  const reading = x.data();
  const called = performance.now() - start;
  let turns = 0;
  let isDone = false;
  const values = reading.then(read => {
    isDone = true;
    return read;
  });
  while (!isDone) {
    await new Promise(resolve => setImmediate(resolve));
    turns++;
  }
  const whole = performance.now() - start;
  t.true(turns > 10, `${turns} turns in ${whole.toFixed(0)} ms`);
  t.true(called < whole / 2, `the call took ${called.toFixed(1)} of ${whole.toFixed(1)} ms`);
  const read = await values;
  t.deepEqual([read[0], read[1], read[side]], [1, side + 1, 2]);
  x.dispose();
});

torchTest(
  'what data() reads is what the tensor held at the call, although it is disposed or changed',
  async t => {
    const size = 2 ** 20;
    const variable = tf.tidy(() => tf.variable(tf.ones([size])));
    const native = engine.memory().tensors;
    const first = variable.data();
    tf.tidy(() => variable.assign(tf.zeros([size])));
    const second = variable.data();
    variable.dispose();
    const [ones, zeros] = await Promise.all([first, second]);
    t.true(ones.every(value => value === 1));
    t.true(zeros.every(value => value === 0));
    t.is(engine.memory().tensors, native - 1);
  },
);

/** What a program prints as JSON in a process of its own, whose memory nothing else touches. */
async function alone(program: string) {
  const imports = `
    import { engine, pau, tf } from '${new URL('../../src/index.js', import.meta.url)}';
    await engine.use('torch', { threads: 1 });
  `;
  const flags = ['--expose-gc', '--input-type=module', '--eval'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, imports + program]);
  return JSON.parse(stdout);
}

torchTest(
  'freed tensors of any size make room for one as large as all of them, until memory is released',
  async t => {
    const { freed, reused, after, released } = await alone(`
    const sizes = Array.from({ length: 50 }, (_, i) => 100_003 + 7_919 * ((i * 31) % 50)); // 59 MB in all

    const tensors = sizes.map(size => tf.fill([size], 1));
    const isEven = (_, i) => i % 2 === 0;
    const isOdd = (_, i) => i % 2 === 1;
    tf.dispose([...tensors.filter(isEven), ...tensors.filter(isOdd).reverse()]); // holes first
    const figures = () => ({ ...engine.memory(), rss: process.memoryUsage.rss() });
    const freed = figures();
    const total = sizes.reduce((sum, size) => sum + size);
    const large = tf.fill([total], 1);
    const reused = figures();
    large.dispose();
    const after = figures();
    engine.releaseMemory();
    const released = figures();
    console.log(JSON.stringify({ freed, reused, after, released }));
  `);
    const all = 4 * 14_700_000;
    t.true(freed.cachedBytes > all, `${freed.cachedBytes}`);
    t.true(freed.cachedBytes - reused.cachedBytes > all, 'taken from what was kept');
    t.true(reused.rss - freed.rss < all / 10, 'and not from the system');
    t.is(after.cachedBytes, freed.cachedBytes);
    t.is(released.cachedBytes, 0);
    t.true(after.rss - released.rss > 0.9 * all);
    t.is(released.usedBytes, freed.usedBytes);
  },
);

torchTest('released memory goes back to the system, whichever neighbours a freed tensor joined', async t => {
  const { before, released } = await alone(`
    const megabytes = count => tf.fill([count * 2 ** 18], 1);
    const rss = () => process.memoryUsage.rss();
    const before = rss();
    const [first, second, last] = [200, 100, 1].map(megabytes);
    first.dispose();
    engine.releaseMemory();
    second.dispose(); // behind a hole that takes no memory
    const again = megabytes(150);
    engine.releaseMemory();
    console.log(JSON.stringify({ before, released: rss() }));
    tf.dispose([again, last]);
  `);
  const held = (released - before) / 2 ** 20;
  t.true(held < 151 + 30, `${held.toFixed(0)} MiB for 151`);
});

torchTest(
  'between runs a compiled step holds none of its planned memory, not even after a failure',
  async t => {
    const { planned, kept, failed, released } = await alone(`
    import { CompiledStep } from '${new URL('../../src/engines/compiledStep.js', import.meta.url)}';
    const step = new CompiledStep(([x, index]) => {
      const [left, right] = [tf.mul(x, 2), tf.add(x, 1)];
      return [tf.add(tf.sum(left), tf.sum(tf.gather(right, index)))]; // fails for an index out of range
    });
    const run = index => tf.tidy(() => step.run([tf.ones([512, 512]), tf.tensor1d([index], 'int32')])[0].dataSync());
    for (let i = 0; i < 5; i++) run(i);
    const planned = step.replay.plannedBytes;
    const kept = engine.memory();
    try {
      run(512);
    } catch {}
    const failed = engine.memory();
    engine.releaseMemory();
    console.log(JSON.stringify({ planned, kept, failed, released: engine.memory() }));
  `);
    t.true(planned >= 2 ** 21, `${planned}`);
    t.true(kept.usedBytes < 2 ** 18 && kept.cachedBytes >= planned, JSON.stringify(kept));
    t.is(failed.usedBytes, kept.usedBytes);
    t.is(released.cachedBytes, 0);
  },
);

torchTest('a first replay that fails is no example: later outputs hold their own memory alone', async t => {
  const { grown } = await alone(`
    import { CompiledStep } from '${new URL('../../src/engines/compiledStep.js', import.meta.url)}';
    const step = new CompiledStep(([x, index]) => {
      const output = tf.add(x, 1);
      const parts = Array.from({ length: 16 }, (_, i) => tf.mul(x, i));
      return [output, tf.gather(tf.sum(tf.addN(parts), 1), index)];
    });
    const x = tf.ones([512, 512]);
    const run = index => tf.tidy(() => step.run([x, tf.tensor1d([index], 'int32')]));
    for (const index of [0, 0, 512, 0, 0, 0]) {
      try {
        tf.dispose(run(index));
      } catch {}
    }
    const before = engine.memory().usedBytes;
    const held = Array.from({ length: 10 }, () => run(0));
    console.log(JSON.stringify({ grown: engine.memory().usedBytes - before }));
    tf.dispose(held);
  `);
  t.true(grown < 10.5 * 2 ** 20, `${(grown / 2 ** 20).toFixed(1)} MiB for ten outputs of one`);
});

/** Bytes that the process may grow by in the last 8,000 of 10,000 steps: half a kilobyte a step, less than any tensor. */
const MOST_GROWTH = 4e6;

for (const compile of ['auto', 'never'] as const) {
  torchTest(
    `10,000 training steps leave no tensor behind and do not make the process larger (compile: ${compile})`,
    async t => {
      t.timeout(300_000, 'on a busy machine');
      const { early, late, losses } = await alone(`
    import { Recipe } from '${new URL('../../src/training/recipe.js', import.meta.url)}';
    import { TrainStep } from '${new URL('../../src/training/trainStep.js', import.meta.url)}';
    import * as layers from '@tensorflow/tfjs-layers';
    const model = layers.sequential({
      layers: [
        layers.layers.conv2d({ inputShape: [4, 4, 1], filters: 2, kernelSize: 3 }),
        pau().layer('pau'),
        layers.layers.flatten(),
        layers.layers.dense({ units: 3 }),
      ],
    });
    const step = new TrainStep(model, Recipe.parse({}), '${compile}');
    const lossOf = index => tf.tidy(() => {
      const [images, labels] = [tf.fill([4, 4, 4, 1], index % 3), tf.fill([4], index % 3, 'int32')];
      return step.run(images, labels, 0.002).loss;
    });
    const figures = () => ({ tfjs: tf.memory(), native: engine.memory(), bytes: process.memoryUsage.rss() });
    const losses = [];
    const at = {};
    for (let index = 0; index <= 10_000; index++) {
      if (index % 1_000 === 0) gc(); // so that garbage is not taken for a leak
      if (index === 2_000 || index === 10_000) at[index] = figures();
      losses.push(lossOf(index));
    }
    process.stdout.write(JSON.stringify({ early: at[2_000], late: at[10_000], losses: [losses[0], losses.at(-1)] }));
  `);
      t.deepEqual(late.tfjs, early.tfjs);
      t.deepEqual(late.native, early.native);
      const growth = late.bytes - early.bytes;
      t.true(growth < MOST_GROWTH, `${(growth / 1e6).toFixed(1)} MB`);
      t.true(losses[1] < losses[0] / 10, `it learned: ${losses}`);
    },
  );
}
