/** CUDA's kernels on the CPU: a file of them as C++, compiled with a program that calls them, and run. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutionContext } from 'ava';

export function works(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0;
}

/** Its fibers are glibc's. */
export const hasOnHost = process.platform === 'linux' && works('g++');

/**
 * Runs `test/native/<program>.cpp` with the kernels of `native/<kernels>.cu`.
 *
 * @param expected how many launches and shared arrays the kernels have: one that is not rewritten would not be noticed
 * @returns the JSON lines that it prints
 */
export async function runOnHost<Line>(
  t: ExecutionContext,
  kernels: string,
  program: string,
  expected: { launches: number; shared: number },
): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), 'padezoo-cuda-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const { asCpp } = await import(pathToFileURL('scripts/cuda.mjs').href);
  const cpp: string = asCpp(readFileSync(`native/${kernels}.cu`, 'utf8'));
  const count = (word: string) => cpp.split(word).length - 1;
  t.deepEqual({ launches: count('onHost::launch'), shared: count('onHost::begin') }, expected);
  const source = join(folder, `${kernels}.cpp`);
  writeFileSync(source, cpp);
  const executable = join(folder, program);
  const built = spawnSync(
    'g++',
    [
      ...['-std=c++17', '-O1', '-Wall', '-Werror', '-Wno-unknown-pragmas'],
      '-U_FORTIFY_SOURCE', // which takes a jump from stack to stack for an attack
      ...['-I', 'native', '-I', 'test/native/onHost'],
      ...[`test/native/${program}.cpp`, source, '-o', executable],
    ],
    { encoding: 'utf8' },
  );
  t.is(built.status, 0, built.stderr);
  const { stdout, stderr, status } = spawnSync(executable, { encoding: 'utf8' });
  t.is(status, 0, stderr);
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Line);
}
