/** How a network is trained, as data: checked once, kept in every checkpoint. */
import { z } from 'zod';

const Optimizer = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('adam'),
    learningRate: z.number().positive().default(0.002),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    epsilon: z.number().positive().default(1e-8),
    /** AdamW: the weight decay does not go through the moments. */
    decay: z.enum(['coupled', 'decoupled']).default('coupled'),
  }),
  z.strictObject({
    name: z.literal('sgd'),
    learningRate: z.number().positive().default(0.01),
    momentum: z.number().min(0).lt(1).default(0.5),
    acceleration: z.enum(['none', 'nesterov']).default('none'),
  }),
]);

const Schedule = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('constant') }),
  z.strictObject({
    name: z.literal('step'),
    /** Epochs (from 0) at whose start the rate is multiplied with `factor`. */
    at: z.array(z.int().min(1)).min(1),
    factor: z.number().positive().default(0.1),
  }),
  z.strictObject({
    name: z.literal('cosine'),
    /** The rate rises linearly over the first so many epochs. */
    warmupEpochs: z.number().min(0).default(0),
    /** Share of the rate that is left at the end. */
    final: z.number().min(0).max(1).default(0),
  }),
]);

export const Recipe = z.strictObject({
  epochs: z.int().min(1).default(20),
  batchSize: z.int().min(1).default(256),
  optimizer: z
    .union([z.enum(['adam', 'sgd']).transform(name => Optimizer.parse({ name })), Optimizer])
    .prefault('adam'),
  schedule: z
    .union([z.enum(['constant', 'cosine']).transform(name => Schedule.parse({ name })), Schedule])
    .prefault('constant'),
  /** Of weights; biases and activations are never decayed. */
  weightDecay: z.number().min(0).default(0),
  /** Activation coefficients are a group of their own. */
  activations: z
    .strictObject({
      /** Multiplied with the weights' learning rate. */
      rateFactor: z.number().min(0).default(1),
      weightDecay: z.number().min(0).default(0),
      /**
       * Largest Euclidean norm of the group's own gradients, before `clipNorm` looks at all of them: coefficients that
       * explode then do not hold the weights back.
       */
      clipNorm: z.number().positive().optional(),
    })
    .prefault({}),
  /** Share of the target that is spread evenly over all classes, in the training loss alone: 0.1 holds back overconfidence. */
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** Largest Euclidean norm of all gradients together; larger ones are scaled down (the authors use 5). */
  clipNorm: z.number().positive().optional(),
  /** Fixes the order of the images, epoch by epoch. */
  seed: z.int().min(0).default(0),
});
export type RecipeOptions = z.input<typeof Recipe>;
export type Recipe = z.output<typeof Recipe>;

/** The learning rate at a point of training. `progress` counts epochs, with fractions: 2.5 is half through the third. */
export function learningRateAt({ optimizer, schedule, epochs }: Recipe, progress: number): number {
  const { learningRate } = optimizer;
  switch (schedule.name) {
    case 'constant':
      return learningRate;
    case 'step':
      return learningRate * schedule.factor ** schedule.at.filter(epoch => epoch <= progress).length;
    case 'cosine': {
      const { warmupEpochs, final } = schedule;
      if (progress < warmupEpochs) return (learningRate * progress) / warmupEpochs;
      const share = Math.min(1, (progress - warmupEpochs) / Math.max(epochs - warmupEpochs, Number.EPSILON));
      return learningRate * (final + ((1 - final) * (1 + Math.cos(Math.PI * share))) / 2);
    }
  }
}
