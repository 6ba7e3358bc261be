/** A worker thread: reads and decodes the images of a job into the shared buffer that the job names. */
import { parentPort, workerData } from 'node:worker_threads';
import { RandomStream } from '../../src/random.js';
import { LocationReader, Space } from '../archives/read.js';
import { decodeInto } from './decode.js';
import type { BadImage, Job, JobResult, WorkerSetting } from './pool.js';
import { viewOf } from './views.js';

const { viewing, decode, readsAtOnce } = workerData as WorkerSetting;
const reader = new LocationReader();
const spaces = Array.from({ length: readsAtOnce }, () => new Space());

async function run(job: Job): Promise<JobResult> {
  const { size } = viewing;
  const imageBytes = size * size * 3;
  const bad: BadImage[] = [];
  let next = 0;
  const oneAfterTheOther = async (space: Space) => {
    for (let i = next++; i < job.images.length; i = next++) {
      const { row, location } = job.images[i]!;
      const out = new Uint8Array(job.buffer, (job.first + i) * imageBytes, imageBytes);
      try {
        const random = () => new RandomStream(job.seed, 'augment', job.epoch, row);
        const view = (width: number, height: number) => viewOf(viewing, width, height, random);
        await decodeInto(await reader.read(location, space), decode, view, out);
      } catch (error) {
        bad.push({ index: job.first + i, reason: (error as Error).message });
      }
    }
  };
  // Side by side, so that one image is read while another is decoded.
  await Promise.all(spaces.map(oneAfterTheOther));
  return { id: job.id, bad };
}

let last: Promise<void> = Promise.resolve();
parentPort!.on('message', (job: Job) => {
  last = last.then(async () => parentPort!.postMessage(await run(job)));
});
