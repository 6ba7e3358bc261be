/**
 * Steps that become graphs in several threads at once, each of which prints how its steps ran; for cuda.test.ts. Argument: the
 * device.
 */
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { CompiledStep, engine, tf } from '../../src/index.js';

const THREADS = 3;
const STEPS = 8; // for each thread
const RUNS = 6; // recordings, warm-ups and the capture

if (isMainThread) {
  for (let i = 0; i < THREADS; i++) new Worker(new URL(import.meta.url), { workerData: process.argv[2] });
} else {
  await engine.use('torch', { device: workerData });
  const x = tf.ones([32, 32]);
  for (let i = 0; i < STEPS; i++) {
    const step = new CompiledStep(([input]) => {
      let y = input!;
      for (let k = 0; k < 60; k++) y = tf.add(tf.relu(tf.mul(y, 1.01)), i);
      return [y];
    });
    for (let run = 0; run < RUNS; run++) tf.dispose(step.run([x]));
    console.log(step.replay?.reason || step.replay?.mode);
    step.dispose();
  }
}
