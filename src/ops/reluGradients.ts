/**
 * One kernel for the gradient of ReLU, ReLU6 and LeakyReLU where the engine has it; tfjs composes several. ReLU's is that
 * of its output as much as of its input, and the output is what the next layer saves anyway. The kernels are linear in `dy`
 * and piecewise constant in `x`: what they do to `dy` they do to its gradient, and a second derivative is zero.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients that are replaced here

/** Inside another gradient it is the input that is saved: a tape leads back to it, but not to a saved output. */
const eitherSide = {
  inputsToSave: { get: () => (isNested() ? ['x'] : []) },
  outputsToSave: { get: () => [!isNested()] },
};

const isNested = () => tf.engine().state.gradientDepth > 1;

for (const kernelName of ['Relu', 'Relu6', 'LeakyRelu']) {
  const composed = tf.getGradient(kernelName);
  const gradient = `${kernelName}Grad`;
  const run = (dy: tf.Tensor, x: tf.Tensor, attributes: tf.NamedAttrMap) =>
    tf.engine().runKernel(gradient, { dy, x }, attributes) as tf.Tensor;
  const fused: tf.GradConfig = {
    ...composed,
    gradFunc: (dy, saved, attributes) => {
      if (!tf.getKernel(gradient, tf.getBackend())) return composed.gradFunc(dy, saved, attributes);
      return { x: () => run(dy as tf.Tensor, saved[0]!, attributes) };
    },
  };
  tf.registerGradient(kernelName === 'Relu' ? Object.defineProperties(fused, eitherSide) : fused);
  tf.registerGradient({
    kernelName: gradient,
    inputsToSave: ['x'],
    gradFunc: (ddy, [x], attributes) => ({
      dy: () => run(ddy as tf.Tensor, x!, attributes),
      x: () => tf.zerosLike(x!),
    }),
  });
}
