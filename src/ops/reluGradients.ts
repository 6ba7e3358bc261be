/**
 * One kernel for the gradient of ReLU, ReLU6 and LeakyReLU where the engine has it; tfjs composes several. ReLU's is that
 * of its output as much as of its input, and the output is what the next layer saves anyway.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients that are replaced here

for (const kernelName of ['Relu', 'Relu6', 'LeakyRelu']) {
  const composed = tf.getGradient(kernelName);
  tf.registerGradient({
    ...composed,
    ...(kernelName === 'Relu' && { inputsToSave: [], outputsToSave: [true] }),
    gradFunc: (dy, saved, attributes) => {
      const gradient = `${kernelName}Grad`;
      if (!tf.getKernel(gradient, tf.getBackend())) return composed.gradFunc(dy, saved, attributes);
      const [x] = saved as [tf.Tensor];
      return {
        x: () => tf.engine().runKernel(gradient, { dy: dy as tf.Tensor, x }, attributes) as tf.Tensor,
      };
    },
  });
}
