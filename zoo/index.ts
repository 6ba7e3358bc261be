/** The registry of architectures: `zoo.lenet(options)`, `zoo.create('lenet', options)`, `zoo.load(...)`, `zoo.list()`. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { readBytes } from '#files';
import { OptionsError } from '../src/errors.js';
import { readSafetensors } from '../src/safetensors/read.js';
import type { ArchitectureDescription, VariantOptions } from './architecture.js';
import { denseNet121, denseNet169, denseNet201, denseNetDescriptions, denseNetModules } from './denseNet.js';
import { lenet, lenetDescription } from './lenet.js';
import { mobileNetV2, mobileNetV2Description, mobileNetV2Modules } from './mobileNetV2.js';
import {
  resnet18,
  resnet34,
  resnet50,
  resnet101,
  resnet152,
  resnetDescriptions,
  resnetModules,
} from './resnet.js';
import { loadStateDict, type ModuleRules, moduleOf } from './stateDict.js';
import { vgg8, vgg8Description, vgg8Modules } from './vgg8.js';
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
export type ArchitectureName = keyof typeof BUILDERS;

const DESCRIPTIONS: Readonly<Record<ArchitectureName, ArchitectureDescription>> = {
  lenet: lenetDescription,
  vggMnist: vggMnistDescription,
  vgg8: vgg8Description,
  mobileNetV2: mobileNetV2Description,
  ...resnetDescriptions,
  ...denseNetDescriptions,
};

type Variants = Readonly<{ cifar: ModuleRules; imagenet?: ModuleRules }>;

/** Names in the state dicts of PyTorch's definitions; of the networks for MNIST none is published. */
const MODULES: Readonly<Record<ArchitectureName, Variants>> = {
  lenet: { cifar: [] },
  vggMnist: { cifar: [] },
  vgg8: { cifar: vgg8Modules },
  mobileNetV2: mobileNetV2Modules,
  resnet18: resnetModules,
  resnet34: resnetModules,
  resnet50: resnetModules,
  resnet101: resnetModules,
  resnet152: resnetModules,
  denseNet121: denseNetModules,
  denseNet169: denseNetModules,
  denseNet201: denseNetModules,
};

export type LoadWeightsOptions = VariantOptions & {
  /** A safetensors file: its path (in a browser its URL) or its bytes. */
  readonly from: string | Uint8Array<ArrayBuffer> | ArrayBuffer;
};

export const zoo = {
  ...BUILDERS,

  /**
   * Builds an architecture by its name.
   *
   * @throws OptionsError that lists the known names, or when the architecture has not the option
   */
  create(name: string, options: VariantOptions = {}): LayersModel {
    return BUILDERS[known('zoo.create', name)](options);
  },

  /**
   * Builds an architecture with PyTorch weights: a state dict of kuangliu/pytorch-cifar, or with `variant: 'imagenet'` of
   * torchvision, saved as safetensors. The activation is the original one, for which the weights were trained, unless
   * another is given; an activation's own parameters start as always.
   *
   * `await zoo.load('resnet101', { variant: 'imagenet', from: 'resnet101.safetensors' })`
   * @throws OptionsError; SafetensorsError when the file is damaged; StateDictError that lists every missing and every
   *   unexpected name
   */
  async load(name: string, { from, ...options }: LoadWeightsOptions): Promise<LayersModel> {
    const architecture = known('zoo.load', name);
    const stored = readSafetensors(typeof from === 'string' ? await readBytes(from) : new Uint8Array(from));
    const variant = options.variant ?? 'cifar';
    const sizes = variant === 'imagenet' ? DESCRIPTIONS[architecture].imagenet : DESCRIPTIONS[architecture];
    const activation = sizes?.originalActivation ?? 'relu';
    const model = BUILDERS[architecture]({ activation, ...options });
    try {
      const { [variant]: rules, [variant === 'cifar' ? 'imagenet' : 'cifar']: others } =
        MODULES[architecture];
      const isOther = others && stored.has(`${moduleOf('logits', others)}.weight`);
      const advice = isOther
        ? `The names are those of the variant '${variant === 'cifar' ? 'imagenet' : 'cifar'}'.`
        : '';
      loadStateDict(model, stored, { where: 'zoo.load', rules: rules!, advice });
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  },

  /** What there is, with paper, input shape and sizes. */
  list(): ArchitectureDescription[] {
    return Object.values(DESCRIPTIONS);
  },
};

function known(where: string, name: string): ArchitectureName {
  if (Object.hasOwn(BUILDERS, name)) return name as ArchitectureName;
  throw new OptionsError(`${where}: there is no '${name}'; known: ${Object.keys(BUILDERS).join(', ')}`);
}

export type { ArchitectureDescription, ArchitectureOptions, VariantOptions } from './architecture.js';
