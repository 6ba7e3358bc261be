/** Runs in a worker thread of torch.test.ts. */
import { parentPort } from 'node:worker_threads';
import { engine } from '../../src/index.js';
import { checksum } from './checksum.js';

await engine.use('torch');
parentPort!.postMessage(checksum(20));
