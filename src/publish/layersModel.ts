/** The files `layers/model.json` and `layers/weights.bin`: made from a tfjs model, checked, and made into one again. */
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { CorruptBundleError, ManifestError, ModelBuildError } from './errors.js';
import { checkJson, parseJson } from './json.js';
import { type Bytes, TOPOLOGY_FILE, WEIGHTS_FILE } from './manifest.js';
import { checkTopology } from './topology.js';

const BYTES_PER_VALUE = { float32: 4, int32: 4, bool: 1 } as const;
/** What tfjs has tensor types for. */
const MAX_RANK = 6;

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
  // One shard: tfjs 4.22 reads zeros, without an error, when a last shard is larger than the first.
  weightsManifest: z.tuple([
    z.strictObject({ paths: z.tuple([z.literal('weights.bin')]), weights: z.array(WeightSpec) }),
  ]),
});

/** A layers-model in the file format of tfjs, checked. */
export interface LayersFiles {
  readonly topology: z.output<typeof TopologyFile>;
  readonly specs: readonly z.output<typeof WeightSpec>[];
  readonly weights: Bytes;
}

/** @returns the two files by path; borrows the model */
export async function layersFiles(model: layers.LayersModel): Promise<Map<string, Bytes>> {
  const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
    const handler = tf.io.withSaveHandler(async artifacts => {
      resolve(artifacts);
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    });
    model.save(handler).catch(reject);
  });
  const json = {
    modelTopology: artifacts.modelTopology,
    format: 'layers-model',
    generatedBy: artifacts.generatedBy ?? `TensorFlow.js tfjs-layers v${layers.version_layers}`,
    convertedBy: artifacts.convertedBy ?? null,
    userDefinedMetadata: artifacts.userDefinedMetadata,
    weightsManifest: [{ paths: ['weights.bin'], weights: artifacts.weightSpecs ?? [] }],
  };
  return new Map([
    [TOPOLOGY_FILE, new TextEncoder().encode(JSON.stringify(json))],
    [WEIGHTS_FILE, joined(artifacts.weightData)],
  ]);
}

/** tfjs gives one buffer or several; its own `CompositeArrayBuffer` misreads several of unequal length. */
function joined(data: tf.io.WeightData | undefined): Bytes {
  const shards = data === undefined ? [] : Array.isArray(data) ? data : [data];
  const bytes = new Uint8Array(shards.reduce((sum, shard) => sum + shard.byteLength, 0));
  let offset = 0;
  for (const shard of shards) {
    bytes.set(new Uint8Array(shard), offset);
    offset += shard.byteLength;
  }
  return bytes;
}

/**
 * Parses and checks the two files; makes no tensors.
 * @throws ManifestError for model.json, CorruptBundleError when weights.bin is of another size than it says
 */
export function parseLayersFiles(bundle: string, files: ReadonlyMap<string, Bytes>): LayersFiles {
  const value = parseJson(bundle, TOPOLOGY_FILE, files.get(TOPOLOGY_FILE)!);
  const topology = checkJson(bundle, TOPOLOGY_FILE, TopologyFile, value);
  checkTopology(bundle, topology.modelTopology);
  const weights = files.get(WEIGHTS_FILE)!;
  const specs = topology.weightsManifest[0].weights;
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
      WEIGHTS_FILE,
      `has ${weights.byteLength} bytes, the shapes in ${TOPOLOGY_FILE} need ${bytes}; get the checkpoint again`,
    );
  }
  return { topology, specs, weights };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Names of float weights that hold NaN or infinities, and how many. */
export function nonFiniteWeights({ specs, weights }: LayersFiles): Map<string, number> {
  const counts = new Map<string, number>();
  let offset = 0;
  for (const { name, shape, dtype } of specs) {
    const end = offset + BYTES_PER_VALUE[dtype] * sizeOf(shape);
    if (dtype === 'float32') {
      let bad = 0;
      // A copy, because a weight after a bool is not aligned.
      for (const value of new Float32Array(weights.slice(offset, end).buffer))
        if (!Number.isFinite(value)) bad++;
      if (bad > 0) counts.set(name, bad);
    }
    offset = end;
  }
  return counts;
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
    tf.tidy(() =>
      built.loadWeights(tf.io.decodeWeights(weights.slice().buffer, [...specs]) as tf.NamedTensorMap),
    );
    return model;
  } catch (cause) {
    model?.dispose();
    throw new ModelBuildError(bundle, TOPOLOGY_FILE, `does not make a model: ${(cause as Error).message}`, {
      cause,
    });
  }
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
      if (!(left >= 0)) throw new Error(`weight ${name} [${shape}] is more than weights.bin holds`);
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
