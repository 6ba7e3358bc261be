/** padezoo's public surface, and nothing else. */
export * as tf from '@tensorflow/tfjs-core';
export * from '../datasets/errors.js';
export {
  type ArchiveProgress,
  CorruptArchiveError,
  type Dataset,
  datasets,
  type EpochState,
  type EpochSummary,
  type ImageDataset,
  type Shard,
  type Transforms,
  WorkerError,
} from '../datasets/index.js';
export { type Explanation, explain } from '../pruning/explain.js';
export { type CouplingGraph, couplingGraph, UnsupportedLayerError } from '../pruning/graph.js';
export type { PlannedStep } from '../pruning/plan.js';
export {
  type PruneEvent,
  type PruneOptions,
  type PruneResult,
  type PruneStep,
  prune,
} from '../pruning/prune.js';
export { addRule, type Rule } from '../pruning/rules.js';
export {
  type ArchitectureDescription,
  type ArchitectureOptions,
  type LoadWeightsOptions,
  type VariantOptions,
  zoo,
} from '../zoo/index.js';
export { StateDictError } from '../zoo/stateDict.js';
export { type LayerSummary, type ModelSummary, summary } from '../zoo/summary.js';
export type { Activation, ActivationChoice } from './activations/activation.js';
export {
  type Extremum,
  extrema,
  type Interval,
  lipschitzBound,
  poles,
  rangeOf,
} from './activations/analysis.js';
export { type AplOptions, apl } from './activations/apl.js';
export { type ClosestFunction, closestFunction } from './activations/closestFunction.js';
export { type ConvertOptions, convertActivations } from './activations/convertActivations.js';
export { type Fit, type FitOptions, type FitReport, fitPade } from './activations/fit.js';
export type { Histogram } from './activations/histogram.js';
export { maxout } from './activations/maxout.js';
export { type MixtureOptions, mixture } from './activations/mixture.js';
export { coefficients, PadeLayer, type Sharing } from './activations/padeLayer.js';
export {
  type PauOptions,
  pau,
  type RationalOptions,
  type RpauOptions,
  rational,
  rpau,
} from './activations/pau.js';
export { evaluateRational, type Rational, type RationalForm } from './activations/rational.js';
export { lrelu, prelu, type RreluOptions, relu, relu6, rrelu } from './activations/relus.js';
export { type SlafOptions, slaf } from './activations/slaf.js';
export { celu, elu, swish } from './activations/smooth.js';
export { type ActivationSnapshot, rangeWarnings, snapshotActivations } from './activations/snapshot.js';
export { type SreluOptions, srelu } from './activations/srelu.js';
export { CompiledStep, type StepCompilation, type StepMode } from './engines/compiledStep.js';
export { type EngineName, type EngineOptions, engine } from './engines/index.js';
export { EngineError } from './engines/torch/index.js';
export { OptionsError, PadezooError, ShapeError } from './errors.js';
export { type PadeOptions, pade } from './ops/pade.js';
export { softmaxCrossEntropy } from './ops/softmaxCrossEntropy.js';
export * from './publish/errors.js';
export { UnpublishableLayerError } from './publish/graph/errors.js';
export { HubError } from './publish/hub.js';
export { load } from './publish/load.js';
export type { Manifest } from './publish/manifest.js';
export { ParityError } from './publish/parity/prove.js';
export { type Publishable, type Published, type PublishOptions, publish } from './publish/publish.js';
export { RunInUseError } from './publish/runDirectory.js';
export { type Verification, verifyBundle as verify } from './publish/verifyBundle.js';
export type { WrittenBundle } from './publish/writeBundle.js';
export { type Comparison, compare } from './report/compare.js';
export { observeActivations } from './report/observe.js';
export type { ActivationRecord, RunRecord, StepRecord } from './report/record.js';
export { SafetensorsError } from './safetensors/errors.js';
export { Task } from './task.js';
export type { ActivationHistory, RangeWarning } from './training/activationWatch.js';
export type { EpochRecord } from './training/epochRecord.js';
export { evaluate } from './training/evaluate.js';
export {
  type Metrics,
  type Provenance,
  type PruningRecord,
  provenanceOf,
  type Unpruned,
} from './training/provenance.js';
export type { Recipe, RecipeOptions } from './training/recipe.js';
export {
  DivergedError,
  type TrainEvent,
  type TrainOptions,
  type TrainResult,
  train,
} from './training/train.js';
