/** What a manifest says about a network: all that the network remembers of itself. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { type Origin, originOf } from '../../zoo/architecture.js';
import { zoo } from '../../zoo/index.js';
import { summary } from '../../zoo/summary.js';
import { engine } from '../engines/index.js';
import { provenanceOf } from '../training/provenance.js';
import type { BundleDescription } from './manifest.js';

export function describe(model: LayersModel): BundleDescription {
  const { recipe, data, metrics, pruning = [] } = provenanceOf(model);
  const origin = originOf(model);
  const { parameters, activationParameters, macs, layers } = summary(model);
  const convolutions = layers.filter(({ type }) => /Conv2D$/.test(type));
  const inputShape = model.inputs[0]!.shape.slice(1) as number[];
  const parent = pruning.length > 0 && origin ? parentOf(origin, inputShape, model) : undefined;
  return {
    engine: engine.describe(),
    architecture: {
      name: origin?.architecture ?? model.name,
      inputShape,
      classes: [...(data?.classes ?? [])],
      options: {
        ...(origin?.variant && { variant: origin.variant }),
        ...(origin?.width !== undefined && { width: plain(origin.width) }),
        filters: Object.fromEntries(convolutions.map(row => [row.name, row.outputShape.at(-1)!])),
      },
    },
    activation: plain(origin?.activation.config ?? null),
    ...(data && { dataset: describeData(data) }),
    ...(recipe && { recipe: plain(recipe), seed: recipe.seed }),
    ...(parent && { parent }),
    pruning: plain(pruning),
    metrics: { ...metrics, parameters, activationParameters, macs },
  };
}

/** The unpruned network's sizes, from the zoo; unknown for one of another width, image size or count of classes. */
function parentOf(
  { architecture, variant, activation }: Origin,
  inputShape: readonly number[],
  model: LayersModel,
): BundleDescription['parent'] {
  const entry = zoo.list().find(({ name }) => name === architecture);
  const sizes = variant === 'imagenet' ? entry?.imagenet : entry;
  const standard =
    sizes &&
    sizes.inputShape.join() === inputShape.join() &&
    sizes.classes === model.outputs[0]!.shape.at(-1) &&
    (activation.filtersFactor ?? 1) === 1;
  return standard ? { name: architecture, parameters: sizes.parameters, macs: sizes.macs } : undefined;
}

/** Options that say where a user's files are. */
const PLACES = ['directory', 'train', 'val', 'test', 'devkit', 'shards'];

/** A user's folder is nobody else's business: who loads the checkpoint finds the data in the usual places, or gives its own. */
function describeData({ name, options, mean, std }: Dataset): NonNullable<BundleDescription['dataset']> {
  const { source, classes, ...others } = options;
  const shared = Object.entries(others).filter(([option]) => !PLACES.includes(option));
  const place = options.directory === undefined && source !== undefined ? { source } : {};
  const names = Array.isArray(classes) ? { classes } : {}; // else a file's path
  return {
    name,
    options: plain({ ...Object.fromEntries(shared), ...names, ...place }),
    mean: [...mean],
    std: [...std],
  };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON in, the same JSON out; the manifest's schema checks it
function plain(value: unknown): any {
  return JSON.parse(JSON.stringify(value));
}
