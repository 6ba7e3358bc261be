/** A Python with torchvision to compare with, where there is one. */
import { spawnSync } from 'node:child_process';

export const python = process.env.PADEZOO_PYTHON ?? 'python3';

// Its compiled operators are not needed, and are not there in every build.
const PROBE =
  'import sys, types; sys.modules["torchvision._meta_registrations"] = types.ModuleType("meta"); ' +
  'import torchvision.transforms, PIL';

export function hasTorchvision(): boolean {
  return spawnSync(python, ['-c', PROBE]).status === 0;
}
