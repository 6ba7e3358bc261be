/** Gives a loaded network its memory back: where it came from, how it was trained, on what, and how it was pruned. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { datasets } from '../../datasets/index.js';
import { type Origin, setOrigin, VariantOptions } from '../../zoo/architecture.js';
import { type ActivationConfig, activationOf } from '../activations/activation.js';
import { remember, type Unpruned } from '../training/provenance.js';
import { Recipe } from '../training/recipe.js';
import type { Manifest } from './manifest.js';

export function restore(model: LayersModel, manifest: Manifest): void {
  const { architecture, activation, recipe, seed = 0, metrics, pruning, parent, trainingRanges } = manifest;
  const { testAccuracy, testLoss } = metrics;
  const data = findData(manifest);
  const known = Recipe.safeParse(recipe);
  remember(model, {
    ...(known.success && { recipe: known.data }),
    ...(data && { data }),
    ...(testAccuracy !== undefined && testLoss !== undefined && { metrics: { testAccuracy, testLoss } }),
    pruning,
    ...(parent && { unpruned: unprunedOf(parent) }),
    ...(trainingRanges && {
      activationInputs: trainingRanges.map(({ layer, min, max }) => ({ layer, inputs: { min, max } })),
    }),
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
  const { testAccuracy, testLoss, activationParameters = 0, ...sizes } = parent;
  const measured = testAccuracy !== undefined && testLoss !== undefined;
  return { ...sizes, activationParameters, ...(measured && { metrics: { testAccuracy, testLoss } }) };
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

/** The data set by its name; a user's own arrays cannot be had again. */
export function findData({ dataset }: Manifest): Dataset | undefined {
  if (!dataset || !datasets.list().includes(dataset.name)) return undefined;
  return datasets.create(dataset.name, dataset.options);
}
