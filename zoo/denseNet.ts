/** DenseNet-121, -169 and -201 (Huang et al., CVPR 2017): kuangliu's definition for CIFAR-10 (121: 6,956,298 parameters), torchvision's for ImageNet. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, VariantOptions } from './architecture.js';
import { type Features, type Initialization, type Network, network } from './network.js';
import type { ModuleRules } from './stateDict.js';

/** Layers of the four dense blocks. */
const BLOCKS = {
  denseNet121: [6, 12, 24, 16],
  denseNet169: [6, 12, 32, 32],
  denseNet201: [6, 12, 48, 32],
} as const;
type DenseNetName = keyof typeof BLOCKS;

const GROWTH = 32;
const STEM = 2 * GROWTH;
const BOTTLENECK = 4 * GROWTH;

const TORCHVISION: Initialization = { convolution: 'he-fan-in', dense: 'zero-bias' };

function description(
  name: DenseNetName,
  [parameters, macs]: readonly [number, number],
  [imagenetParameters, imagenetMacs]: readonly [number, number],
): ArchitectureDescription {
  const layers = BLOCKS[name].reduce<number>((sum, count) => sum + count, 0);
  const activationSites = 2 * layers + 3 + 1;
  return {
    name,
    paper: 'Huang et al., CVPR 2017, Table 1; kuangliu/pytorch-cifar; torchvision',
    inputShape: [32, 32, 3],
    classes: 10,
    parameters,
    macs,
    activationSites,
    imagenet: {
      inputShape: [224, 224, 3],
      classes: 1000,
      parameters: imagenetParameters,
      macs: imagenetMacs,
      activationSites: activationSites + 1, // behind the stem
    },
  };
}

export const denseNetDescriptions: Readonly<Record<DenseNetName, ArchitectureDescription>> = {
  denseNet121: description('denseNet121', [6_956_298, 888_350_720], [7_978_856, 2_834_161_664]),
  denseNet169: description('denseNet169', [12_493_322, 1_059_799_296], [14_149_480, 3_359_843_328]),
  denseNet201: description('denseNet201', [18_104_330, 1_363_888_896], [20_013_928, 4_291_365_888]),
};

/**
 * Dense blocks of 6, 12, 24 and 16 layers that each see all features before them, growth 32.
 *
 * @returns a LayersModel from `[n, 32, 32, 3]` (`[n, 224, 224, 3]`) to logits `[n, classes]`; the caller disposes it
 * @throws OptionsError when an option is unknown or out of range
 */
export function denseNet121(options: VariantOptions = {}): LayersModel {
  return denseNet('denseNet121', options);
}

/** As `denseNet121`, with 6, 12, 32 and 32 layers. */
export function denseNet169(options: VariantOptions = {}): LayersModel {
  return denseNet('denseNet169', options);
}

/** As `denseNet121`, with 6, 12, 48 and 32 layers. */
export function denseNet201(options: VariantOptions = {}): LayersModel {
  return denseNet('denseNet201', options);
}

function denseNet(name: DenseNetName, options: VariantOptions): LayersModel {
  const { variant, ...checked } = checkOptions(VariantOptions, options, `zoo.${name}`);
  const imagenet = variant === 'imagenet';
  const sizes = imagenet ? denseNetDescriptions[name].imagenet! : denseNetDescriptions[name];
  const plan = { architecture: name, sizes, options: checked, variant };
  return network(imagenet ? { ...plan, initial: TORCHVISION } : plan, net => {
    let x = imagenet ? imagenetStem(net) : cifarStem(net);
    let usual = STEM; // channels, before `width`
    BLOCKS[name].forEach((count, index) => {
      const block = `block${index + 1}`;
      for (let i = 1; i <= count; i++) {
        const path = `${block}/layer${i}`;
        const added = denseLayer(net, x, path);
        x = net.concatenate(imagenet ? [x, added] : [added, x], `${path}/concat`);
        usual += GROWTH;
      }
      if (index === BLOCKS[name].length - 1) return;
      usual = Math.floor(usual / 2);
      x = transition(net, x, `transition${index + 1}`, usual);
    });
    x = preActivated(net, x, { bn: 'final/bn', act: 'final/act' });
    return net.dense(net.globalAveragePool(x, 'pool'), 'logits', net.classes);
  });
}

function cifarStem(net: Network): Features {
  return net.convolution(net.image, 'stem/conv', net.width('stem', STEM), { kernel: 3, pad: 1 });
}

function imagenetStem(net: Network): Features {
  const names = { conv: 'stem/conv', bn: 'stem/bn', act: 'stem/act' };
  const x = net.unit(net.image, names, net.width('stem', STEM), { kernel: 7, pad: 3, stride: 2 });
  return net.maxPool(x, 'stem/pool', { kernel: 3, pad: 1, stride: 2 });
}

/** BN - act - 1x1 to 4 growths - BN - act - 3x3 to one growth: what it adds to the features. */
function denseLayer(net: Network, x: Features, path: string): Features {
  const ready = preActivated(net, x, { bn: `${path}/bn1`, act: `${path}/act1` });
  const bottleneck = net.unit(
    ready,
    { conv: `${path}/conv1`, bn: `${path}/bn2`, act: `${path}/act2` },
    net.width(`${path}/conv1`, BOTTLENECK),
    { kernel: 1 },
  );
  const filters = net.width(`${path}/conv2`, GROWTH);
  return net.convolution(bottleneck, `${path}/conv2`, filters, { kernel: 3, pad: 1 });
}

/** BN - act - 1x1 to half the channels - mean of 2x2. */
function transition(net: Network, x: Features, path: string, usual: number): Features {
  const ready = preActivated(net, x, { bn: `${path}/bn`, act: `${path}/act` });
  const half = net.convolution(ready, `${path}/conv`, net.width(path, usual), { kernel: 1 });
  return net.averagePool(half, `${path}/pool`, 2);
}

function preActivated(net: Network, x: Features, { bn, act }: { bn: string; act: string }): Features {
  return net.activate(net.batchNorm(x, bn), act);
}

/** Names of a network's layers in kuangliu's state dicts and in torchvision's. */
export const denseNetModules: Readonly<Record<'cifar' | 'imagenet', ModuleRules>> = {
  cifar: [
    [/^stem\/conv$/, () => 'conv1'],
    [/^block(\d)\/layer(\d+)\/(\w+)$/, (block, layer, part) => `dense${block}.${Number(layer) - 1}.${part}`],
    [/^transition(\d)\/(\w+)$/, (transition, part) => `trans${transition}.${part}`],
    [/^final\/bn$/, () => 'bn'],
    [/^logits$/, () => 'linear'],
  ],
  imagenet: [
    [/^stem\/(\w+)$/, part => `features.${inTorchvision(part)}0`],
    [
      /^block(\d)\/layer(\d+)\/(\w+)$/,
      (block, layer, part) => `features.denseblock${block}.denselayer${layer}.${inTorchvision(part)}`,
    ],
    [
      /^transition(\d)\/(\w+)$/,
      (transition, part) => `features.transition${transition}.${inTorchvision(part)}`,
    ],
    [/^final\/bn$/, () => 'features.norm5'],
    [/^logits$/, () => 'classifier'],
  ],
};

function inTorchvision(part: string): string {
  return part.replace('bn', 'norm');
}
