/** What a manifest says about a network: all that the network remembers of itself. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { pathOptions } from '../../datasets/registry.js';
import { originOf } from '../../zoo/architecture.js';
import { summary } from '../../zoo/summary.js';
import { engine } from '../engines/index.js';
import { provenanceOf, type Unpruned } from '../training/provenance.js';
import type { BundleDescription } from './manifest.js';
import { trainedRanges } from './ranges.js';

export function describe(model: LayersModel): BundleDescription {
  const { recipe, data, metrics, pruning = [], unpruned } = provenanceOf(model);
  const origin = originOf(model);
  const { parameters, activationParameters, macs, layers } = summary(model);
  const convolutions = layers.filter(({ type }) => /Conv2D$/.test(type));
  const inputShape = model.inputs[0]!.shape.slice(1) as number[];
  const ranges = trainedRanges(model);
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
    ...(unpruned && { parent: parentOf(unpruned) }),
    ...(ranges.length > 0 && { trainingRanges: [...ranges] }),
    pruning: plain(pruning),
    metrics: { ...metrics, parameters, activationParameters, macs },
  };
}

function parentOf({ metrics, ...sizes }: Unpruned): BundleDescription['parent'] {
  return { ...sizes, ...metrics };
}

/** A user's folder is nobody else's business: who loads the checkpoint finds the data in the usual places, or gives its own. */
function describeData({ name, options, mean, std }: Dataset): NonNullable<BundleDescription['dataset']> {
  const paths = pathOptions(name);
  const isShared = (option: string) => {
    if (option === 'limit') return true;
    if (option === 'source' && options.directory !== undefined) return false; // means nothing without the directory
    return paths !== undefined && !paths.includes(option);
  };
  const shared = Object.entries(options).filter(([option]) => isShared(option));
  return { name, options: plain(Object.fromEntries(shared)), mean: [...mean], std: [...std] };
}

/** What JSON keeps of a value; the manifest's schema checks it. */
function plain<Kept>(value: unknown): Kept {
  return JSON.parse(JSON.stringify(value));
}
