/** A program in a process of its own that answers lines of JSON, for tests that compare with another runtime. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type * as tf from '@tensorflow/tfjs-core';
import test from 'ava';

/** Starts at the first question and ends with the test file. */
export function program<Answer>(command: string, args: readonly string[]) {
  let child: ChildProcess | undefined;
  let answers: AsyncIterator<string> | undefined;
  test.after.always(() => {
    child?.stdin?.end();
  });
  return async (folder: string, images: tf.Tensor): Promise<Answer> => {
    if (!child || !answers) {
      child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    }
    child.stdin!.write(
      `${JSON.stringify({ folder, shape: images.shape, values: [...images.dataSync()] })}\n`,
    );
    const { value, done } = await answers.next();
    if (done) throw new Error(`${command} ${args.join(' ')} ended without an answer`);
    return JSON.parse(value as string);
  };
}
