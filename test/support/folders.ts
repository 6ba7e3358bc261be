/** Folders that tests write to. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const directories: string[] = [];
process.once('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** Removed when the test file ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'padezoo-test-'));
  directories.push(directory);
  return directory;
}

/** @param files by their paths in the directory, which is made where it is missing */
export function writeSet(
  files: Readonly<Record<string, Uint8Array | string>>,
  directory = temporaryDirectory(),
): string {
  for (const [name, contents] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  return directory;
}
