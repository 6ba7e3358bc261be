/** Lets go, during forward and backward, of what tfjs would keep until the whole pass is over. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/**
 * The network's output in training. A layer's output that all its readers have read is let go, but for what the tape saved
 * of it; `model.apply(x, { training: true })` would hold every one: a batch normalisation's output is as large as the
 * activation's after it, and no gradient needs both.
 */
export function applyTraining(model: LayersModel, x: tf.Tensor): tf.Tensor {
  return model.apply(x, new TrainingCall() as object) as tf.Tensor;
}

/**
 * What the layers are called with: `training` is true for each of them. tfjs-layers' executor reads it first, once, to
 * decide whether outputs may go; for that reader alone it is false.
 */
class TrainingCall {
  #askedBefore = false;

  get training(): boolean {
    const answer = this.#askedBefore;
    this.#askedBefore = true;
    return answer;
  }
}

/**
 * To be called once, at the end of the function that `tf.variableGrads` is given. A node's saved tensors and the gradients
 * of its outputs then live until the next node's turn, as in PyTorch; tfjs holds all of them until the pass is over, which
 * for DenseNet121 on 32x32 images is twice the memory. No second derivative can be taken through such a tape.
 */
export function releaseTapeGoingBack(): void {
  const returned = new WeakSet<tf.Tensor>();
  /** Gradients that more than one tensor may have: a sum passes the one that it gets on to all that it adds. */
  const shared = new WeakSet<tf.Tensor>();
  let release = (): void => undefined;
  for (const node of tf.engine().state.activeTape) {
    const { gradient, saved = [] } = node;
    if (!gradient) continue;
    node.gradient = dys => {
      release();
      const own = (dys as (tf.Tensor | null)[]).filter(dy => dy !== null);
      for (const dy of own) returned.add(dy);
      release = () => {
        // A gradient that was saved in the forward pass is still on its way.
        tf.dispose([...saved.filter(tensor => !returned.has(tensor)), ...own.filter(dy => !shared.has(dy))]);
      };
      return observed(gradient(dys), computed => {
        if (returned.has(computed)) shared.add(computed);
        returned.add(computed);
      });
    };
  }
}

type NamedGradients = Record<string, () => tf.Tensor>;

/** The same gradients; `observe` sees each when it is computed. */
function observed(gradients: NamedGradients, observe: (gradient: tf.Tensor) => void): NamedGradients {
  const entries = Object.entries(gradients).map(([name, compute]) => [
    name,
    () => {
      const gradient = compute();
      observe(gradient);
      return gradient;
    },
  ]);
  return Object.fromEntries(entries);
}
