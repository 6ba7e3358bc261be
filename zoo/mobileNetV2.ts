/** MobileNetV2 (Sandler et al., CVPR 2018): 2,296,922 parameters + 36 activations on CIFAR-10, 3,504,872 + 35 on ImageNet. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, VariantOptions } from './architecture.js';
import { type Features, type Initialization, type Network, network } from './network.js';
import type { ModuleRules } from './stateDict.js';

export const mobileNetV2Description: ArchitectureDescription = {
  name: 'mobileNetV2',
  paper: 'Sandler et al., CVPR 2018, Table 2; kuangliu/pytorch-cifar; torchvision',
  inputShape: [32, 32, 3],
  classes: 10,
  parameters: 2_296_922,
  macs: 91_154_944,
  activationSites: 36,
  imagenet: {
    inputShape: [224, 224, 3],
    classes: 1000,
    parameters: 3_504_872,
    macs: 300_774_272,
    activationSites: 35,
    originalActivation: 'relu6',
  },
};

/** Expansion, output channels, blocks, and the first block's stride for 32x32 and for 224x224 images. */
const STAGES = [
  { expansion: 1, channels: 16, blocks: 1, stride: { cifar: 1, imagenet: 1 } },
  { expansion: 6, channels: 24, blocks: 2, stride: { cifar: 1, imagenet: 2 } },
  { expansion: 6, channels: 32, blocks: 3, stride: { cifar: 2, imagenet: 2 } },
  { expansion: 6, channels: 64, blocks: 4, stride: { cifar: 2, imagenet: 2 } },
  { expansion: 6, channels: 96, blocks: 3, stride: { cifar: 1, imagenet: 1 } },
  { expansion: 6, channels: 160, blocks: 3, stride: { cifar: 2, imagenet: 2 } },
  { expansion: 6, channels: 320, blocks: 1, stride: { cifar: 1, imagenet: 1 } },
] as const;
const STEM = 32;
const HEAD = 1280;

const TORCHVISION: Initialization = { convolution: 'he-fan-out', dense: 'normal-0.01' };

interface Block {
  readonly name: string;
  readonly variant: 'cifar' | 'imagenet';
  readonly stride: number;
  readonly expansion: number;
  /** Of the input, before `width`: it decides on the kind of shortcut and the usual expansion. */
  readonly from: number;
  readonly to: number;
  /** Channels after `width`. */
  readonly channels: number;
}

/**
 * Inverted residuals; kuangliu's definition for CIFAR-10, torchvision's for ImageNet.
 *
 * @returns a LayersModel from `[n, 32, 32, 3]` (`[n, 224, 224, 3]`) to logits `[n, classes]`; the caller disposes it
 * @throws OptionsError when an option is unknown or out of range
 */
export function mobileNetV2(options: VariantOptions = {}): LayersModel {
  const { variant, ...checked } = checkOptions(VariantOptions, options, 'zoo.mobileNetV2');
  const imagenet = variant === 'imagenet';
  const sizes = imagenet ? mobileNetV2Description.imagenet! : mobileNetV2Description;
  const plan = { architecture: 'mobileNetV2', sizes, options: checked, variant };
  return network(imagenet ? { ...plan, initial: TORCHVISION } : plan, net => {
    let x = net.unit(net.image, unit('stem'), net.width('stem', STEM), {
      kernel: 3,
      pad: 1,
      stride: imagenet ? 2 : 1,
    });
    let from = STEM;
    let number = 0;
    STAGES.forEach(({ expansion, channels: to, blocks, stride }, index) => {
      const channels = net.width(`stage${index + 1}`, to);
      for (let i = 0; i < blocks; i++) {
        number++;
        const step = i === 0 ? stride[variant] : 1;
        const name = `block${number}`;
        x = invertedResidual(net, x, { name, variant, stride: step, expansion, from, to, channels });
        from = to;
      }
    });
    x = net.unit(x, unit('head'), net.width('head', HEAD), { kernel: 1 });
    x = net.globalAveragePool(x, 'pool');
    if (imagenet) x = net.dropout(x, 'dropout', 0.2);
    return net.dense(x, 'logits', net.classes);
  });
}

/** Expand by 1x1, filter each channel by 3x3, project by 1x1 without activation; add the input where the size stays. */
function invertedResidual(net: Network, x: Features, block: Block): Features {
  const { name, variant, stride, expansion, from, to, channels } = block;
  let y = x;
  if (expansion > 1 || variant === 'cifar') {
    y = net.unit(y, unit(`${name}/expand`), net.width(`${name}/hidden`, expansion * from), { kernel: 1 });
  }
  y = net.depthwiseUnit(y, unit(`${name}/depthwise`), { kernel: 3, pad: 1, stride });
  y = projected(net, y, `${name}/project`, channels);
  if (stride > 1) return y;
  if (from === to) return net.add([y, x], `${name}/add`);
  if (variant === 'imagenet') return y;
  return net.add([y, projected(net, x, `${name}/shortcut`, channels)], `${name}/add`); // kuangliu's, not the paper's
}

function projected(net: Network, x: Features, name: string, channels: number): Features {
  return net.batchNorm(net.convolution(x, `${name}/conv`, channels, { kernel: 1 }), `${name}/bn`);
}

function unit(name: string) {
  return { conv: `${name}/conv`, bn: `${name}/bn`, act: `${name}/act` };
}

/** Names of the network's layers in kuangliu's state dict and in torchvision's. */
export const mobileNetV2Modules: Readonly<Record<'cifar' | 'imagenet', ModuleRules>> = {
  cifar: [
    [/^stem\/(\w+)$/, kind => `${kind}1`],
    [/^head\/(\w+)$/, kind => `${kind}2`],
    [/^block(\d+)\/shortcut\/(\w+)$/, (block, kind) => `layers.${Number(block) - 1}.shortcut.${place(kind)}`],
    [
      /^block(\d+)\/(\w+)\/(\w+)$/,
      (block, step, kind) =>
        `layers.${Number(block) - 1}.${kind}${['expand', 'depthwise', 'project'].indexOf(step) + 1}`,
    ],
    [/^logits$/, () => 'linear'],
  ],
  imagenet: [
    [/^stem\/(\w+)$/, kind => `features.0.${place(kind)}`],
    [/^head\/(\w+)$/, kind => `features.18.${place(kind)}`],
    [/^block1\/depthwise\/(\w+)$/, kind => `features.1.conv.0.${place(kind)}`], // there is nothing to expand
    [/^block1\/project\/(\w+)$/, kind => `features.1.conv.${1 + place(kind)}`],
    [/^block(\d+)\/expand\/(\w+)$/, (block, kind) => `features.${block}.conv.0.${place(kind)}`],
    [/^block(\d+)\/depthwise\/(\w+)$/, (block, kind) => `features.${block}.conv.1.${place(kind)}`],
    [/^block(\d+)\/project\/(\w+)$/, (block, kind) => `features.${block}.conv.${2 + place(kind)}`],
    [/^logits$/, () => 'classifier.1'],
  ],
};

/** In a Sequential of a convolution and its batch normalisation. */
function place(kind: string): number {
  return kind === 'conv' ? 0 : 1;
}
