/** A pruning run in a process of its own, which kills itself after some events: `node resumedRun.js <folder> <events>`. */
import { createHash } from 'node:crypto';
import { engine, prune, zoo } from '../../src/index.js';
import { squares } from '../support/images.js';

const [, , to, events] = process.argv;
await engine.use('torch');
const model = zoo.lenet({ classes: 4, seed: 2 });
const task = prune(model, {
  steps: [30, 60],
  restart: 'rewind:1',
  ablations: ['random-reinitialisation'],
  train: { epochs: 2, batchSize: 32, seed: 4 },
  data: squares({ count: 64 }),
  to: to!,
});
let seen = 0;
const log: string[] = [];
for await (const event of task) {
  log.push(event.type === 'train' ? event.event.type : event.type);
  if (++seen === Number(events)) process.kill(process.pid, 'SIGKILL');
}
const { steps, ablations } = await task;
const hash = createHash('sha256');
for (const step of [...steps, ...ablations['random-reinitialisation']!]) {
  for (const weight of step.model.getWeights()) hash.update(new Uint8Array(weight.dataSync().buffer));
  const epochs = step.epochs.map(({ seconds: _, ...record }) => record);
  hash.update(JSON.stringify([step.percent, step.kept, step.metrics, epochs]));
}
process.stdout.write(JSON.stringify({ digest: hash.digest('hex'), log }));
