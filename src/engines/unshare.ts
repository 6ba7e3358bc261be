/** Variables that are about to be changed in place. */
import { add, cast, engine, tidy, type Variable } from '@tensorflow/tfjs-core';

/** Gives a variable data of its own when another tensor (a clone, a snapshot) has the same. */
export function unshare(variable: Variable): void {
  const { dataId, dtype } = variable;
  // Its data may still be where the engine was before, together with the count of those who share it.
  const { backend } = engine().state.tensorInfo.get(dataId) ?? engine();
  if (backend.refCount(dataId) > 1) tidy(() => variable.assign(cast(add(variable, cast(0, dtype)), dtype)));
}
