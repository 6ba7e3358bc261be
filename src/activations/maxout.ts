/** Maxout: the largest of k filters' outputs (Goodfellow et al., ICML 2013), as the paper counts it. */
import * as tf from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { maxout as largest } from '../ops/maxout.js';
import { checkOptions } from '../options.js';
import type { Activation } from './activation.js';
import { ActivationLayer, type ActivationLayerArgs, single } from './activationLayer.js';

const MaxoutOptions = z.strictObject({ pieces: z.int().min(2).default(2) });

/** The producing convolution has `pieces` times the filters; the batch normalisation comes after the maximum. */
export function maxout(options: z.input<typeof MaxoutOptions> = {}): Activation {
  const { pieces } = checkOptions(MaxoutOptions, options, 'maxout');
  return {
    kind: `maxout ${pieces}`,
    config: { name: 'maxout', pieces },
    filtersFactor: pieces,
    placement: 'before-normalization',
    layer: name => new Maxout({ pieces, name }),
  };
}

export class Maxout extends ActivationLayer {
  static readonly className = 'Maxout';
  readonly #pieces: number;

  constructor({ pieces, ...args }: { pieces: number } & ActivationLayerArgs) {
    super(args);
    this.#pieces = pieces;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return largest(single(inputs), this.#pieces);
  }

  override computeOutputShape(inputShape: layers.Shape): layers.Shape {
    const channels = inputShape.at(-1);
    return [...inputShape.slice(0, -1), channels == null ? null : channels / this.#pieces];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), pieces: this.#pieces };
  }
}

tf.serialization.registerClass(Maxout as never);
