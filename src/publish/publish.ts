/** `publish`: writes a network with all that it remembers as a checkpoint that others can load and check. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { originOf } from '../../zoo/architecture.js';
import { summary } from '../../zoo/summary.js';
import { engine } from '../engines/index.js';
import { OptionsError } from '../errors.js';
import { provenanceOf } from '../training/provenance.js';
import type { BundleDescription } from './manifest.js';
import { type WrittenBundle, writeBundle } from './writeBundle.js';

export interface PublishOptions {
  /** The folder to write; a checkpoint that stands there is replaced when the new one is complete. */
  readonly to: string;
  /** `'tar.gz'` writes `<to>.tar.gz` as well (the default), `'none'` only the folder. */
  readonly archive?: 'tar.gz' | 'none';
}

/**
 * Writes a checkpoint: architecture and weights, and a manifest with recipe, seed, pruning history, metrics and the
 * SHA-256 of every file. It appears at its place at once and complete, or not at all.
 *
 * @param source a network, or a pruning step (`result.best`); borrowed
 * @throws OptionsError when there is no `to`; BundleTargetError when something else stands there
 */
export async function publish(
  source: LayersModel | { readonly model: LayersModel },
  options: PublishOptions,
): Promise<WrittenBundle> {
  if (!options?.to) throw new OptionsError("publish: where to? give { to: './out/my-network' }");
  await engine.ready();
  const model = 'model' in source ? source.model : source;
  return writeBundle(model, describe(model), options.to, {
    archive: (options.archive ?? 'tar.gz') === 'tar.gz',
  });
}

function describe(model: LayersModel): BundleDescription {
  const { recipe, data, metrics, pruning = [] } = provenanceOf(model);
  const origin = originOf(model);
  const { parameters, activationParameters, macs, layers } = summary(model);
  const convolutions = layers.filter(({ type }) => type === 'Conv2D');
  return {
    engine: engine.describe(),
    architecture: {
      name: origin?.architecture ?? model.name,
      inputShape: model.inputs[0]!.shape.slice(1) as number[],
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
    pruning: plain(pruning),
    metrics: { ...metrics, parameters, activationParameters, macs },
  };
}

/** A user's folder is nobody else's business: who loads the checkpoint finds the data in the usual places. */
function describeData({ name, options, mean, std }: Dataset): NonNullable<BundleDescription['dataset']> {
  const { directory, source, ...shared } = options;
  const place = directory === undefined && source !== undefined ? { source } : {};
  return { name, options: plain({ ...shared, ...place }), mean: [...mean], std: [...std] };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON in, the same JSON out; the manifest's schema checks it
function plain(value: unknown): any {
  return JSON.parse(JSON.stringify(value));
}
