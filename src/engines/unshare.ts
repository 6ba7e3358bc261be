/** Variables that are about to be changed in place. */
import { add, engine, tidy, type Variable } from '@tensorflow/tfjs-core';

/** Gives a variable data of its own when another tensor (a clone, a snapshot) has the same. */
export function unshare(variable: Variable): void {
  if (engine().backend.refCount(variable.dataId) > 1) tidy(() => variable.assign(add(variable, 0)));
}
