/** The files of `layers/`, topology and weights: made from a tfjs model, checked, and made into one again. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { CorruptBundleError, ManifestError, ModelBuildError } from './errors.js';
import { sizeOf } from './graph/graph.js';
import { checkJson, parseJson } from './json.js';
import { type Bytes, TOPOLOGY_FILE } from './manifest.js';
import { joinShards, shardNames, shards } from './shards.js';
import { checkTopology } from './topology.js';

const BYTES_PER_VALUE = { float32: 4, int32: 4, bool: 1 } as const;
/** What tfjs has tensor types for. */
const MAX_RANK = 6;
const FOLDER = 'layers';
/** Weights that are not sharded. */
const SINGLE = 'weights.bin';

const WeightSpec = z.strictObject({
  name: z
    .string()
    .min(1)
    .refine(name => !(name in {}), 'is a name that every JavaScript object has'),
  shape: z.array(z.int().nonnegative()).max(MAX_RANK),
  dtype: z.enum(['float32', 'int32', 'bool']),
});

const TopologyFile = z.strictObject({
  modelTopology: z.looseObject({ class_name: z.string(), config: z.json() }),
  format: z.literal('layers-model'),
  generatedBy: z.string(),
  convertedBy: z.string().nullable(),
  userDefinedMetadata: z.record(z.string(), z.json()).optional(),
  weightsManifest: z.tuple([
    z.strictObject({
      paths: z
        .array(z.string())
        .min(1)
        .refine(paths => paths.join() === shardNames(paths.length, SINGLE).join(), {
          error: ({ input }) =>
            `expected ${shardNames((input as string[]).length, SINGLE)
              .slice(0, 3)
              .join(', ')} and so on`,
        }),
      weights: z.array(WeightSpec),
    }),
  ]),
});

/** A layers-model in the file format of tfjs, checked. */
export interface LayersFiles {
  readonly topology: z.output<typeof TopologyFile>;
  readonly specs: readonly z.output<typeof WeightSpec>[];
  /** All of them, one after the other. */
  readonly weights: Bytes;
  /** Of the first file. */
  readonly shardBytes: number;
}

/** @returns the files by path; borrows the model */
export async function layersFiles(model: layers.LayersModel): Promise<Map<string, Bytes>> {
  const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
    const handler = tf.io.withSaveHandler(async artifacts => {
      resolve(artifacts);
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    });
    model.save(handler).catch(reject);
  });
  const data = artifacts.weightData ?? [];
  const { paths, files } = shards(
    (Array.isArray(data) ? data : [data]).map(part => new Uint8Array(part)),
    SINGLE,
  );
  const json = {
    modelTopology: artifacts.modelTopology,
    format: 'layers-model',
    generatedBy: artifacts.generatedBy ?? `TensorFlow.js tfjs-layers v${layers.version_layers}`,
    convertedBy: artifacts.convertedBy ?? null,
    userDefinedMetadata: artifacts.userDefinedMetadata,
    weightsManifest: [{ paths, weights: artifacts.weightSpecs ?? [] }],
  };
  return new Map([
    [TOPOLOGY_FILE, new TextEncoder().encode(JSON.stringify(json))],
    ...[...files].map(([path, bytes]) => [`${FOLDER}/${path}`, bytes] as const),
  ]);
}

/**
 * Parses and checks the files; makes no tensors.
 * @throws ManifestError for model.json, CorruptBundleError when the weights are of another size than it says
 */
export function parseLayersFiles(bundle: string, files: ReadonlyMap<string, Bytes>): LayersFiles {
  const value = parseJson(bundle, TOPOLOGY_FILE, files.get(TOPOLOGY_FILE)!);
  const topology = checkJson(bundle, TOPOLOGY_FILE, TopologyFile, value);
  checkTopology(bundle, topology.modelTopology);
  const [{ paths, weights: specs }] = topology.weightsManifest;
  const weights = joinShards(bundle, files, FOLDER, paths);
  const names = new Set<string>();
  let bytes = 0;
  for (const [i, { name, shape, dtype }] of specs.entries()) {
    if (names.has(name)) {
      const field = `weightsManifest[0].weights[${i}].name`;
      throw new ManifestError(
        bundle,
        TOPOLOGY_FILE,
        field,
        `${name} is there twice, expected every name once`,
      );
    }
    names.add(name);
    bytes += BYTES_PER_VALUE[dtype] * sizeOf(shape);
  }
  if (bytes !== weights.byteLength) {
    throw new CorruptBundleError(
      bundle,
      `${FOLDER}/${paths.at(-1)}`,
      `${paths.length > 1 ? 'and the shards before it have' : 'has'} ${weights.byteLength} bytes, the shapes in ${TOPOLOGY_FILE} need ${bytes}; get the checkpoint again`,
    );
  }
  return { topology, specs, weights, shardBytes: files.get(`${FOLDER}/${paths[0]}`)!.byteLength };
}

/** Float weights that hold NaN or infinities. */
export interface NonFinite {
  readonly name: string;
  /** How many. */
  readonly values: number;
  /** Where the weight starts. */
  readonly file: string;
}

export function nonFiniteWeights({ topology, specs, weights, shardBytes }: LayersFiles): NonFinite[] {
  const [{ paths }] = topology.weightsManifest;
  const found: NonFinite[] = [];
  let offset = 0;
  for (const { name, shape, dtype } of specs) {
    const end = offset + BYTES_PER_VALUE[dtype] * sizeOf(shape);
    if (dtype === 'float32') {
      let bad = 0;
      // A copy, because a weight after a bool is not aligned.
      for (const value of new Float32Array(weights.slice(offset, end).buffer))
        if (!Number.isFinite(value)) bad++;
      const shard = Math.floor(offset / Math.max(1, shardBytes));
      if (bad > 0) found.push({ name, values: bad, file: `${FOLDER}/${paths[shard]}` });
    }
    offset = end;
  }
  return found;
}

/**
 * Makes the model on the current engine. The caller owns it and disposes it; on failure no tensor is left.
 * @throws ModelBuildError, e.g. for a layer class that is not registered
 */
export async function buildLayersModel(bundle: string, files: LayersFiles): Promise<layers.LayersModel> {
  const { topology, specs, weights } = files;
  GuardedModel.register();
  let model: layers.LayersModel | undefined;
  try {
    const values = specs.reduce((sum, spec) => sum + sizeOf(spec.shape), 0);
    const guarded = {
      class_name: GuardedModel.className,
      config: { topology: topology.modelTopology, values },
    };
    const artifacts = { modelTopology: guarded, userDefinedMetadata: topology.userDefinedMetadata };
    // No `weightData`: tfjs would leave its decoded weights behind when they do not fit the model.
    model = await layers.loadLayersModel({ load: async () => artifacts as tf.io.ModelArtifacts });
    const built = model;
    tf.tidy(() => built.loadWeights(tf.io.decodeWeights(bufferOf(weights), [...specs]) as tf.NamedTensorMap));
    return model;
  } catch (cause) {
    model?.dispose();
    throw new ModelBuildError(bundle, TOPOLOGY_FILE, `does not make a model: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The bytes as a buffer of their own, which those of several shards are already. */
function bufferOf(bytes: Bytes): ArrayBuffer {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
}

/**
 * Stands around the topology while tfjs builds it, which happens in one synchronous call: refuses weights beyond
 * those of the file before memory is taken for them, and disposes what was made when building fails.
 */
class GuardedModel extends tf.serialization.Serializable {
  static readonly className = 'PadezooGuardedModel';

  static register(): void {
    const known = tf.serialization.SerializationMap.getMap().classNameMap;
    if (!(GuardedModel.className in known)) tf.serialization.registerClass(GuardedModel);
  }

  getConfig(): tf.serialization.ConfigDict {
    return {};
  }

  static override fromConfig<T extends tf.serialization.Serializable>(
    _class: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const { className, config: inner } = config.topology as {
      className: string;
      config: tf.serialization.ConfigDict;
    };
    const known = tf.serialization.SerializationMap.getMap().classNameMap;
    if (!Object.hasOwn(known, className)) throw new Error(`unknown model class ${className}`);
    const [modelClass, fromConfig] = known[className] as unknown as [
      unknown,
      (cls: unknown, config: tf.serialization.ConfigDict, customObjects: object, zeroWeights: boolean) => T,
    ];
    const engine = tf.engine();
    const before = new Set(Object.keys(engine.registeredVariables));
    const layer = layers.layers.Layer.prototype as unknown as { addWeight: AddWeight };
    const addWeight = layer.addWeight;
    let left = config.values as number;
    layer.addWeight = function (name, shape, ...rest) {
      left -= sizeOf(shape as number[]);
      if (!(left >= 0)) throw new Error(`weight ${name} [${shape}] is more than the weights hold`);
      return addWeight.call(this, name, shape, ...rest);
    };
    try {
      const model = fromConfig(modelClass, inner, {}, true);
      if (!((model as unknown) instanceof layers.LayersModel))
        throw new Error(`${className} is not a model class`);
      return model;
    } catch (error) {
      for (const [name, variable] of Object.entries(engine.registeredVariables)) {
        if (!before.has(name)) variable.dispose();
      }
      throw error;
    } finally {
      layer.addWeight = addWeight;
    }
  }
}

type AddWeight = (
  this: unknown,
  name: string,
  shape: readonly (number | null)[],
  ...rest: unknown[]
) => layers.LayerVariable;
