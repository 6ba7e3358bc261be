/** The command line as people run it: in a process of its own. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = resolve(fileURLToPath(import.meta.url), '../../../src/cli/main.js');

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * `padezoo`, to be called with its arguments.
 * @param cwd the folder that it runs in
 * @param variables of its environment, besides those of this process; an undefined one is taken away
 */
export function padezooIn(cwd: string, variables: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, ...variables };
  return (...args: string[]): Promise<Outcome> =>
    new Promise(done => {
      execFile(process.execPath, [main, ...args], { cwd, env }, (error, stdout, stderr) => {
        done({ code: error ? Number(error.code) : 0, stdout, stderr });
      });
    });
}
