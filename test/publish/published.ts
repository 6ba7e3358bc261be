/** One published network that several tests look at: a LeNet that knows its data set. */
import { join } from 'node:path';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { publish, zoo } from '../../src/index.js';
import type { PublishOptions } from '../../src/publish/options.js';
import { remember } from '../../src/training/provenance.js';
import { Recipe } from '../../src/training/recipe.js';
import { squares } from '../support/images.js';

/** Untrained, but with all that training leaves. */
export function knowingLenet(): LayersModel {
  const model = zoo.lenet({ activation: 'pau', classes: 4, seed: 3 });
  remember(model, {
    data: squares(),
    recipe: Recipe.parse({ epochs: 1, seed: 3 }),
    metrics: { testAccuracy: 0.5, testLoss: 1.25 },
  });
  return model;
}

export async function publishedLenet(folder: string, options: Partial<PublishOptions> = {}) {
  const model = knowingLenet();
  const written = await publish(model, { to: join(folder, 'lenet'), ...options });
  return { model, ...written };
}
