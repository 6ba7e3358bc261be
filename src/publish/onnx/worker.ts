/** The program of an `OnnxThread`: one session of onnxruntime, which answers every batch of images with its outputs. */
import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Batch, Request, SessionSetting } from './thread.js';

const SESSION = {
  /** The engine is at work beside it. */
  intraOpNumThreads: Math.max(1, availableParallelism() >> 1),
  /** Its own arena of memory costs a quarter of the processor's time with batches as large as ours. */
  enableCpuMemArena: false,
  /** Threads that wait sleep: where other programs run as well, spinning costs a quarter more of the processor. */
  extra: { session: { intra_op: { allow_spinning: '0' } } },
};

const port = parentPort!;
const answer = (message: Answer) => port.postMessage(message);

const ort = await import('onnxruntime-node').catch(() => undefined);
if (ort) await serve(ort);
else answer({ type: 'absent' });

async function serve({ InferenceSession, Tensor, env }: typeof import('onnxruntime-node')): Promise<void> {
  const { bytes } = workerData as SessionSetting;
  const session = await InferenceSession.create(bytes, SESSION);
  const run = async ({ id, values, shape }: Batch) => {
    try {
      const feeds = { [session.inputNames[0]!]: new Tensor('float32', values, shape) };
      const { [session.outputNames[0]!]: output } = await session.run(feeds);
      answer({ type: 'outputs', id, values: output!.data as Float32Array });
    } catch (error) {
      answer({ type: 'failed', id, message: (error as Error).message });
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  port.on('message', (request: Request) => {
    last = last.then(() => (request === 'close' ? port.close() : run(request)));
  });
  answer({ type: 'ready', version: env.versions.node ?? env.versions.common });
}
