/** Gives a loaded network its memory back: where it came from, how it was trained, on what, and how it was pruned. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { DatasetNotFoundError, datasets } from '../../datasets/index.js';
import { type Origin, setOrigin, VariantOptions } from '../../zoo/architecture.js';
import { type ActivationConfig, activationOf } from '../activations/activation.js';
import { remember, type Unpruned } from '../training/provenance.js';
import { Recipe } from '../training/recipe.js';
import type { Manifest } from './manifest.js';

export async function restore(model: LayersModel, manifest: Manifest): Promise<void> {
  const { architecture, activation, recipe, seed = 0, metrics, pruning, parent, trainingRanges } = manifest;
  const { testAccuracy, testLoss } = metrics;
  const data = await findData(manifest);
  const known = Recipe.safeParse(recipe);
  remember(model, {
    ...(known.success && { recipe: known.data }),
    ...(data && { data }),
    ...(testAccuracy !== undefined && testLoss !== undefined && { metrics: { testAccuracy, testLoss } }),
    pruning,
    ...(parent && { unpruned: unprunedOf(parent) }),
    ...(trainingRanges && { trainingRanges }),
  });
  if (activation && typeof activation === 'object') {
    setOrigin(model, {
      architecture: architecture.name,
      ...asked(architecture.options),
      activation: activationOf(activation as unknown as ActivationConfig),
      seed,
    });
  }
}

function unprunedOf(parent: NonNullable<Manifest['parent']>): Unpruned {
  const { testAccuracy, testLoss, activationParameters, ...sizes } = parent;
  const measured = testAccuracy !== undefined && testLoss !== undefined;
  return {
    ...sizes,
    ...(activationParameters !== undefined && { activationParameters }),
    ...(measured && { metrics: { testAccuracy, testLoss } }),
  };
}

const Asked = VariantOptions.pick({ variant: true, width: true });

/** Variant and width, where the manifest tells them. */
function asked({ variant, width }: Manifest['architecture']['options']): Pick<Origin, 'variant' | 'width'> {
  const checked = Asked.safeParse({ variant, width });
  if (!checked.success) return {};
  return {
    ...(variant !== undefined && { variant: checked.data.variant }),
    ...(width !== undefined && { width: checked.data.width }),
  };
}

/** The data set by its name; undefined for what is not found by itself: a user's own arrays and files. */
export async function findData({ dataset }: Manifest): Promise<Dataset | undefined> {
  if (!dataset || !datasets.fetchable().includes(dataset.name)) return undefined;
  try {
    return await datasets.create(dataset.name, dataset.options);
  } catch (error) {
    if (error instanceof DatasetNotFoundError) return undefined;
    throw error;
  }
}
