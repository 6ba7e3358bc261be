/** The registry of architectures: `zoo.lenet(options)`, `zoo.create('lenet', options)`, `zoo.list()`. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { OptionsError } from '../src/errors.js';
import type { ArchitectureDescription, VariantOptions } from './architecture.js';
import { denseNet121, denseNet169, denseNet201, denseNetDescriptions } from './denseNet.js';
import { lenet, lenetDescription } from './lenet.js';
import { mobileNetV2, mobileNetV2Description } from './mobileNetV2.js';
import { resnet18, resnet34, resnet50, resnet101, resnet152, resnetDescriptions } from './resnet.js';
import { vgg8, vgg8Description } from './vgg8.js';
import { vggMnist, vggMnistDescription } from './vggMnist.js';

const BUILDERS = {
  lenet,
  vggMnist,
  vgg8,
  mobileNetV2,
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  denseNet121,
  denseNet169,
  denseNet201,
};

const DESCRIPTIONS: Readonly<Record<keyof typeof BUILDERS, ArchitectureDescription>> = {
  lenet: lenetDescription,
  vggMnist: vggMnistDescription,
  vgg8: vgg8Description,
  mobileNetV2: mobileNetV2Description,
  ...resnetDescriptions,
  ...denseNetDescriptions,
};

export const zoo = {
  ...BUILDERS,

  /**
   * Builds an architecture by its name.
   *
   * @throws OptionsError that lists the known names, or when the architecture has not the option
   */
  create(name: string, options: VariantOptions = {}): LayersModel {
    if (!Object.hasOwn(BUILDERS, name)) {
      throw new OptionsError(`zoo.create: there is no '${name}'; known: ${Object.keys(BUILDERS).join(', ')}`);
    }
    return BUILDERS[name as keyof typeof BUILDERS](options);
  },

  /** What there is, with paper, input shape and sizes. */
  list(): ArchitectureDescription[] {
    return Object.values(DESCRIPTIONS);
  },
};

export type { ArchitectureDescription, ArchitectureOptions, VariantOptions } from './architecture.js';
