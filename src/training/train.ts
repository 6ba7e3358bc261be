/** `train`: runs a recipe over a data set, step by step, and reports what happens as events. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import type { Dataset } from '../../datasets/dataset.js';
import type { StepCompilation } from '../engines/compiledStep.js';
import { engine } from '../engines/index.js';
import { OptionsError, PadezooError } from '../errors.js';
import { checkOptions } from '../options.js';
import { Task } from '../task.js';
import {
  ACTIVATION_HISTORIES,
  type ActivationHistory,
  ActivationWatch,
  type RangeWarning,
} from './activationWatch.js';
import { checkCanTrain, checkFits } from './check.js';
import type { EpochRecord } from './epochRecord.js';
import { evaluate } from './evaluate.js';
import { type Metrics, provenanceOf, remember } from './provenance.js';
import { learningRateAt, Recipe, type RecipeOptions } from './recipe.js';
import { setWeights, type TrainingState, weightsOf } from './state.js';
import { TrainStep } from './trainStep.js';

export interface TrainOptions extends RecipeOptions {
  /** Default: the data set that the network was trained on before. */
  readonly data?: Dataset;
  /** Where to go on: a state of the same training, or the number of epochs that count as done (the network stays as it is). */
  readonly from?: TrainingState | { readonly epoch: number } | undefined;
  /** `'every-epoch'`: an event with the training's state after each epoch. */
  readonly checkpoints?: 'none' | 'every-epoch';
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether, at the end of each epoch, 64 test images show what Padé activations are given: to warn where inputs leave the
   * range that coefficients were fitted on (the default), and to record inputs and coefficients.
   */
  readonly activationHistory?: ActivationHistory;
  /** `'never'` runs every step as it is written, for debugging; `'auto'` replays a recording where that can be done. */
  readonly compile?: StepCompilation;
}

export type TrainEvent =
  | {
      readonly type: 'start';
      readonly epochs: number;
      readonly stepsPerEpoch: number;
      readonly source: string;
    }
  | {
      readonly type: 'step';
      readonly epoch: number;
      /** From 1, within the epoch; so is `epoch`. */
      readonly step: number;
      readonly stepsPerEpoch: number;
      readonly loss: number;
      readonly learningRate: number;
    }
  | ({ readonly type: 'epoch' } & EpochRecord)
  /** Behind its epoch, once for each layer. */
  | ({ readonly type: 'warning'; readonly epoch: number } & RangeWarning)
  /** Behind its epoch, when checkpoints are asked for. */
  | { readonly type: 'checkpoint'; readonly state: TrainingState };

export interface TrainResult extends Metrics {
  /** The network that was given, trained in place. */
  readonly model: LayersModel;
  readonly recipe: Recipe;
  readonly epochs: readonly EpochRecord[];
  readonly seconds: number;
}

/** The loss stopped being a number; the network's weights are of no use any more. */
export class DivergedError extends PadezooError {
  override readonly name = 'DivergedError';
  constructor(
    readonly epoch: number,
    readonly step: number,
    loss: number,
    learningRate: number,
  ) {
    super(
      `train: the loss is ${loss} in epoch ${epoch}, step ${step}, at learning rate ${learningRate}; lower the learning rate, set clipNorm (the authors use 5), or look for NaN in the data`,
    );
  }
}

const Options = Recipe.extend({ activationHistory: z.enum(ACTIVATION_HISTORIES).default('warnings') });

/**
 * Trains a network in place. Defaults are the paper's for its MNIST networks: Adam at 0.002, batches of 256.
 *
 * Activation coefficients are a parameter group of their own, without weight decay. The same network, data and seed give
 * the same result. The network remembers recipe and data: `prune` and `publish` need nothing else.
 *
 * @param model from `[n, height, width, channels]` to logits `[n, classes]`; borrowed
 * @throws OptionsError, ShapeError or EngineError before anything is changed; DivergedError when the loss is not finite
 */
export function train(model: LayersModel, options: TrainOptions = {}): Task<TrainEvent, TrainResult> {
  const { data = provenanceOf(model).data, ...others } = options;
  const { from, checkpoints, signal, compile, ...rest } = others;
  const { activationHistory, ...recipe } = checkOptions(Options, rest, 'train', [
    'data',
    'from',
    'checkpoints',
    'signal',
    'compile',
  ]);
  if (!data)
    throw new OptionsError('train: there is no data; give { data: datasets.fashionMnist() } or another set');
  if (from && !('weights' in from) && from.epoch >= recipe.epochs) {
    throw new OptionsError(
      `train: from epoch ${from.epoch} there is nothing left of ${recipe.epochs} epochs; give more epochs or an earlier start`,
    );
  }
  return new Task(() =>
    trainWith(model, recipe, data, { from, checkpoints, signal, compile, activationHistory }),
  );
}

type WorkOptions = Pick<TrainOptions, 'from' | 'checkpoints' | 'signal' | 'compile'> &
  Required<Pick<TrainOptions, 'activationHistory'>>;

async function* trainWith(
  model: LayersModel,
  recipe: Recipe,
  data: Dataset,
  { from, checkpoints, signal, compile, activationHistory }: WorkOptions,
): AsyncGenerator<TrainEvent, TrainResult, void> {
  await engine.ready();
  checkCanTrain('train');
  checkFits('train', model, data);
  const { epochs, batchSize, seed } = recipe;
  const stepsPerEpoch = Math.ceil(data.length.train / batchSize);
  const state = from && 'weights' in from ? from : undefined;
  const records: EpochRecord[] = [...(state?.epochs ?? [])];
  const watch = new ActivationWatch(model, data, activationHistory);
  const update = new TrainStep(model, recipe, compile);
  const began = performance.now();
  try {
    if (state) {
      setWeights(model, state.weights);
      update.optimizer.restore(state.optimizer);
    }
    yield { type: 'start', epochs, stepsPerEpoch, source: data.source };
    for (let epoch = 1 + (from?.epoch ?? 0); epoch <= epochs; epoch++) {
      const epochBegan = performance.now();
      const seen = { loss: 0, correct: 0, images: 0 };
      let step = 0;
      let learningRate = 0;
      for await (const batch of data.train({ batchSize, seed, epoch: epoch - 1 })) {
        let loss: number;
        try {
          signal?.throwIfAborted();
          learningRate = learningRateAt(recipe, epoch - 1 + step / stepsPerEpoch);
          step++;
          const count = batch.labels.shape[0];
          const result = update.run(batch.images, batch.labels, learningRate);
          loss = result.loss;
          if (!Number.isFinite(loss)) throw new DivergedError(epoch, step, loss, learningRate);
          seen.loss += loss * count;
          seen.correct += result.correct;
          seen.images += count;
        } finally {
          tf.dispose([batch.images, batch.labels]);
        }
        yield { type: 'step', epoch, step, stepsPerEpoch, loss, learningRate };
      }
      const metrics = await evaluate(model, data, { signal });
      await watch.look();
      const record: EpochRecord = {
        epoch,
        trainLoss: seen.loss / seen.images,
        trainAccuracy: seen.correct / seen.images,
        ...metrics,
        learningRate,
        seconds: (performance.now() - epochBegan) / 1000,
        ...watch.record,
      };
      records.push(record);
      yield { type: 'epoch', ...record };
      for (const warning of watch.warnings()) yield { type: 'warning', epoch, ...warning };
      if (checkpoints === 'every-epoch') {
        const optimizerState = update.optimizer.state();
        yield {
          type: 'checkpoint',
          state: { epoch, epochs: [...records], weights: weightsOf(model), optimizer: optimizerState },
        };
      }
    }
  } finally {
    update.dispose();
    watch.dispose();
  }
  const { testAccuracy, testLoss } = records.at(-1)!;
  remember(model, { recipe, data, metrics: { testAccuracy, testLoss }, epochs: records });
  return {
    model,
    recipe,
    epochs: records,
    testAccuracy,
    testLoss,
    seconds: (performance.now() - began) / 1000,
  };
}
