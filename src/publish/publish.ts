/** `publish`: writes a network as a checkpoint that runs anywhere, and proves every format equal to its source. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { engine } from '../engines/index.js';
import { inFullPrecision } from '../engines/torch/precision.js';
import { OptionsError } from '../errors.js';
import { checkOptions } from '../options.js';
import { observeActivations } from '../report/observe.js';
import { provenanceOf } from '../training/provenance.js';
import { demoFile } from './demo.js';
import { describe } from './describe.js';
import { figureFiles } from './figures.js';
import { foldBatchNorm } from './graph/foldBatchNorm.js';
import { graphOf } from './graph/fromLayers.js';
import type { Graph } from './graph/graph.js';
import { GraphRunner } from './graph/run.js';
import { GRAPH_FOLDER, graphModelFiles } from './graphModel/write.js';
import { checkRepository, pushToHub } from './hub.js';
import { ladderOf, type Step } from './ladder.js';
import { layersFiles } from './layersModel.js';
import type { BundleDescription, Bytes, Format, Manifest } from './manifest.js';
import { checkPackageName, writePackage } from './npmPackage.js';
import { ONNX_FILE } from './onnx/read.js';
import { onnxFile } from './onnx/write.js';
import { type CheckedOptions, Options, type PublishOptions } from './options.js';
import { packageFile, packageVersion } from './packageFile.js';
import { compare, TOLERANCE } from './parity/compare.js';
import { withExtremes } from './parity/extremes.js';
import { type ParityInputs, parityInputs } from './parity/inputs.js';
import { prove, referenceOf } from './parity/prove.js';
import { sampleFile } from './parity/sample.js';
import { RangeWatch } from './ranges.js';
import { torchFiles } from './torchGraph.js';
import { variantsOf } from './variants.js';
import { placeFiles, type WrittenBundle } from './writeBundle.js';

export type { PublishOptions } from './options.js';

export interface Published extends WrittenBundle {
  /** Absolute path of the package, when one was asked for. */
  readonly npmPackage?: string;
  /** URL of the commit on the hub, when the bundle was pushed. */
  readonly commit?: string;
}

const LOADER_FILE = 'load_graph.py';

/** A network, a pruning step, or all steps of a pruning. */
export type Publishable = LayersModel | { readonly model: LayersModel } | { readonly steps: readonly Step[] };

/**
 * Writes a checkpoint in tfjs's layers and graph formats, ONNX and safetensors, with a card, figures and a page that runs
 * it; then runs all formats on at least 256 real images and on hard ones in float32, and writes down how near they come. It
 * appears at its place at once and complete, or not at all.
 *
 * @param source a network, a pruning step (`result.best`), or `prune`'s result, of which the smallest good step is
 *   published and all are listed; borrowed
 * @throws OptionsError; UnpublishableLayerError for a layer that other runtimes lack; ParityError when a format differs
 *   from its source; BundleTargetError when something else stands there
 */
export async function publish(source: Publishable, options: PublishOptions): Promise<Published> {
  if (!options?.to) throw new OptionsError("publish: where to? give { to: './out/my-network' }");
  const { images, ...rest } = options;
  const checked = checkOptions(Options, rest, 'publish', ['images']);
  await engine.ready();
  if (checked.npm) checkPackageName(checked.npm);
  if (checked.hub) checkRepository(checked.hub);
  const { checkPlace } = await import('./placeBundle.js');
  await checkPlace(checked.to);
  return inFullPrecision(() => writeAndProve(source, checked, images));
}

async function writeAndProve(
  source: Publishable,
  checked: CheckedOptions,
  images: tf.Tensor | undefined,
): Promise<Published> {
  const version = await packageVersion();
  const loader = await packageFile(`scripts/${LOADER_FILE}`);
  const ladder = 'steps' in source ? ladderOf(source.steps, checked.tolerance) : undefined;
  const model = ladder ? ladder.best.model : 'model' in source ? source.model : (source as LayersModel);
  const { data } = provenanceOf(model);
  const described = describe(model);
  const { inputShape } = described.architecture;
  checkImages(images, inputShape);
  const inputs = await withExtremes(
    await parityInputs(inputShape, { images, data, range: data }),
    model,
    described.trainingRanges ?? [],
  );
  try {
    const formats: Format[] = ['layers', ...checked.formats.filter(format => format !== 'layers')];
    const files = await layersFiles(model);
    const whole = formats.length > 1 ? graphOf(model) : undefined;
    const folding = whole && checked.batchNorm === 'fold' ? foldBatchNorm(whole) : undefined;
    const graph = folding?.graph ?? whole;
    if (graph)
      for (const [path, bytes] of formatFiles(graph, formats, { ...checked, version, described, loader }))
        files.set(path, bytes);
    const nodeOf = graph?.layers ?? new Map(model.layers.map(({ name }) => [name, name]));
    const watch = new RangeWatch(model, nodeOf);
    const { records, logits } = await prove(model, checked.to, files, formats, inputs, {
      nodeOf,
      look: watch.look,
    });
    const ranges = watch.ranges(described.trainingRanges);
    const reference = { logits, classes: model.outputs[0]!.shape.at(-1)! };
    files.set(...sampleFile(inputs, reference));
    const smaller = graph
      ? await variantsOf(checked.storage, { bundle: checked.to, graph, version, inputs, reference, data })
      : undefined;
    for (const [path, bytes] of smaller?.files ?? []) files.set(path, bytes);
    const activations = data ? await observeActivations(model, data) : [];
    const steps = ladder?.steps ?? [];
    for (const [path, bytes] of await figureFiles({
      activations,
      ladder: steps,
      testImages: data?.length.test ?? 0,
    }))
      files.set(path, bytes);
    if (formats.includes('graph')) files.set(...(await demoFile(described, activations, inputs)));
    const facts: BundleDescription = {
      ...described,
      ...(checked.licence && { licence: checked.licence }),
      ...(ladder && { ladder: { rule: ladder.rule, steps: [...ladder.steps] } }),
      ...(ranges.length > 0 && { ranges }),
      ...(folding && { folding: await foldingRecord(folding, model, inputs) }),
      ...(smaller && smaller.variants.length > 0 && { variants: smaller.variants }),
      parity: {
        tolerance: TOLERANCE,
        inputs: {
          real: inputs.real,
          hard: inputs.hard,
          source: inputs.source,
          ...(inputs.extremes && { extremes: inputs.extremes }),
        },
        formats: [...records],
      },
    };
    const archive = checked.archive === 'tar.gz';
    const { files: all, ...written } = await placeFiles(files, facts, checked.to, { archive });
    const npmPackage =
      checked.npm && (await writePackage(all, written.manifest, `${checked.to}-npm`, { name: checked.npm }));
    const commit = checked.hub && (await pushToHub(all, { repository: checked.hub }));
    return { ...written, ...(npmPackage && { npmPackage }), ...(commit && { commit }) };
  } finally {
    tf.dispose([...inputs.batches]);
  }
}

function checkImages(images: tf.Tensor | undefined, inputShape: readonly number[]): void {
  if (!images || (images.shape.slice(1).join() === inputShape.join() && images.shape[0]! > 0)) return;
  throw new OptionsError(
    `publish: got images [${images.shape.join(', ')}], expected [n, ${inputShape.join(', ')}] with at least one`,
  );
}

interface FormatOptions {
  readonly onnx: 'operators' | 'functions';
  readonly version: string;
  readonly described: BundleDescription;
  /** The PyTorch program that rebuilds the network. */
  readonly loader: Bytes;
}

function formatFiles(graph: Graph, formats: readonly Format[], options: FormatOptions): Map<string, Bytes> {
  const { version, described } = options;
  const { architecture, dataset } = described;
  const metadata = {
    architecture: architecture.name,
    classes: architecture.classes,
    mean: dataset?.mean ?? [],
    std: dataset?.std ?? [],
  };
  const files = new Map<string, Bytes>();
  if (formats.includes('graph')) {
    for (const [name, bytes] of graphModelFiles(graph, { version, metadata }))
      files.set(`${GRAPH_FOLDER}/${name}`, bytes);
  }
  if (formats.includes('onnx')) {
    const texts = Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [
        key,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    );
    files.set(
      ONNX_FILE,
      onnxFile(graph, { functions: options.onnx === 'functions', metadata: texts, version }),
    );
  }
  if (formats.includes('safetensors')) {
    for (const [path, bytes] of torchFiles(graph)) files.set(path, bytes);
    files.set(LOADER_FILE, options.loader);
  }
  return files;
}

/** What folding alone changes, on the engine that runs here. */
async function foldingRecord(
  { graph, layers }: { readonly graph: Graph; readonly layers: number },
  model: LayersModel,
  inputs: ParityInputs,
): Promise<NonNullable<Manifest['folding']>> {
  const batches = inputs.batches.slice(0, 1);
  const { logits, classes } = await referenceOf(model, { batches });
  const runner = new GraphRunner(graph);
  const [y] = runner.run(batches[0]!);
  const { maxRelativeError } = compare((await y!.data()) as Float32Array, logits, classes);
  y!.dispose();
  runner.dispose();
  return { layers, maxRelativeError };
}
