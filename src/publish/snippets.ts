/** How a bundle is loaded in each runtime, as programs that the tests run as they stand. */
import type { CardFacts } from './card.js';

/** Where a folder is when it is served, in the programs that fetch it. */
export const SERVED = 'http://localhost:8000';

export function snippets({ architecture }: CardFacts, paths: readonly string[]): string {
  const shape = architecture.inputShape;
  const first = shape.length === 3 ? [shape[2], shape[0], shape[1]] : shape;
  const has = (path: string) => paths.includes(path);
  const parts = [
    `## Load

\`\`\`js
import { load, tf } from 'padezoo';

const model = await load('.'); // this folder, its .tar.gz, or a URL; every digest is checked first
model.predict(tf.zeros([1, ${shape.join(', ')}])).print();
\`\`\``,
    has('graph/model.json') &&
      `In a browser or anywhere else, with TensorFlow.js alone:

\`\`\`js
import '@tensorflow/tfjs-backend-cpu'; // or -webgl, -wasm
import { loadGraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';

const model = await loadGraphModel('${SERVED}/graph/model.json'); // where this folder is served
model.predict(tf.zeros([1, ${shape.join(', ')}])).print();
\`\`\``,
    has('onnx/model.onnx') &&
      `ONNX Runtime, images \`[n, ${first.join(', ')}]\`:

\`\`\`js
import * as ort from 'onnxruntime-node';

const session = await ort.InferenceSession.create('onnx/model.onnx');
const images = new ort.Tensor('float32', new Float32Array(${shape.join(' * ')}), [1, ${first.join(', ')}]);
const outputs = await session.run({ [session.inputNames[0]]: images });
console.log(outputs[session.outputNames[0]].data);
\`\`\``,
    has('safetensors/graph.json') &&
      `PyTorch, by [load_graph.py](load_graph.py) beside this page:

\`\`\`python
import torch
from load_graph import PublishedNetwork

print(PublishedNetwork('safetensors')(torch.zeros(1, ${first.join(', ')})))
\`\`\``,
  ];
  return parts.filter(Boolean).join('\n\n');
}
