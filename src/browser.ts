/** padezoo's surface for pages: networks, activations and checkpoints, without a module of Node. */
export * as tf from '@tensorflow/tfjs-core';
export { zoo } from '../zoo/index.js';
export { type LayerSummary, type ModelSummary, summary } from '../zoo/summary.js';
export type { Activation, ActivationChoice } from './activations/activation.js';
export { coefficients } from './activations/padeLayer.js';
export { pau, rational, rpau } from './activations/pau.js';
export { evaluateRational, type Rational } from './activations/rational.js';
export { OptionsError, PadezooError, ShapeError } from './errors.js';
export { pade } from './ops/pade.js';
export * from './publish/errors.js';
export { load } from './publish/loadInBrowser.js';
export type { Manifest } from './publish/manifest.js';
