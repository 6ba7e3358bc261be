/** What runs each format of a bundle, from its bytes alone. */
import * as tf from '@tensorflow/tfjs-core';
import { CorruptBundleError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { GraphRunner, type Look } from '../graph/run.js';
import { readGraphModel } from '../graphModel/read.js';
import { GRAPH_FOLDER } from '../graphModel/write.js';
import { buildLayersModel, parseLayersFiles } from '../layersModel.js';
import type { Bytes, Format } from '../manifest.js';
import { ONNX_FILE, readOnnx } from '../onnx/read.js';
import { readTorchFiles } from '../torchGraph.js';

/** A format of the bundle, loaded. */
export interface Runtime {
  /** For people: `'@tensorflow/tfjs-converter 4.22.0, torch'`. */
  readonly name: string;
  /**
   * @param images `[n, h, w, c]`; borrowed
   * @param look is shown the result of every node, by a runtime that can
   */
  run(images: tf.Tensor, look?: Look): Promise<Float32Array>;
  /** The operators that the files hold, where the format is one of operators. */
  readonly graph?: Graph;
  dispose(): void;
}

type Files = ReadonlyMap<string, Bytes>;

/**
 * Reads a format and checks it as strictly as it can be checked, then hands it to the runtime that people will use.
 * @throws BundleError
 */
export async function runtimeOf(format: Format, bundle: string, files: Files): Promise<Runtime> {
  switch (format) {
    case 'layers': {
      const model = await buildLayersModel(bundle, parseLayersFiles(bundle, files));
      return {
        name: `@tensorflow/tfjs-layers ${tf.version_core}, ${tf.getBackend()}`,
        run: async images => logits(() => model.predictOnBatch(images) as tf.Tensor),
        dispose: () => model.dispose(),
      };
    }
    case 'graph':
      return graphModel(bundle, files, GRAPH_FOLDER);
    case 'onnx':
      return onnx(bundle, files.get(ONNX_FILE));
    case 'safetensors':
      return own(readTorchFiles(bundle, files), "padezoo's own reading of safetensors/");
  }
}

/** A graph-model by stock tfjs, which fetches it file by file. */
export async function graphModel(bundle: string, files: Files, folder: string): Promise<Runtime> {
  const { loadGraphModel, version_converter } = await import('@tensorflow/tfjs-converter');
  const graph = readGraphModel(bundle, files, folder);
  const fetchFunc = async (url: string) => new Response(files.get(`${folder}/${url.split('/').at(-1)}`)!);
  const model = await loadGraphModel(
    tf.io.http(`http://bundle/${folder}/model.json`, { fetchFunc: fetchFunc as typeof fetch }),
  );
  return {
    name: `@tensorflow/tfjs-converter ${version_converter}, ${tf.getBackend()}`,
    run: async images => logits(() => model.predict(images) as tf.Tensor),
    graph,
    dispose: () => model.dispose(),
  };
}

async function onnx(bundle: string, bytes: Bytes | undefined): Promise<Runtime> {
  if (!bytes) throw new CorruptBundleError(bundle, ONNX_FILE, 'is missing; get the checkpoint again');
  const graph = readOnnx(bundle, bytes);
  const { OnnxThread } = await import('../onnx/thread.js');
  const thread = new OnnxThread(bytes);
  const version = await thread.version.catch(error => {
    thread.dispose();
    throw error;
  });
  if (version === undefined) {
    thread.dispose();
    return own(graph, "padezoo's own reading of onnx/, as there is no onnxruntime-node");
  }
  return {
    name: `onnxruntime-node ${version}`,
    async run(images) {
      const first = tf.tidy(() => (images.rank === 4 ? tf.transpose(images, [0, 3, 1, 2]) : images.clone()));
      const values = (await first.data()) as Float32Array;
      first.dispose();
      return thread.run(values, first.shape);
    },
    graph,
    dispose: () => thread.dispose(),
  };
}

function own(graph: Graph, name: string): Runtime {
  const runner = new GraphRunner(graph);
  return {
    name: `${name}, ${tf.getBackend()}`,
    run: async (images, look) => logits(() => runner.run(images, undefined, look)[0]!),
    graph,
    dispose: () => runner.dispose(),
  };
}

async function logits(run: () => tf.Tensor): Promise<Float32Array> {
  const y = tf.tidy(run);
  try {
    return (await y.data()) as Float32Array;
  } finally {
    y.dispose();
  }
}
