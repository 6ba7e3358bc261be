/** ResNet-18 to -152 (He et al., CVPR 2016): kuangliu's definition for CIFAR-10 (ResNet101: 42,512,970 parameters), torchvision's for ImageNet. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, VariantOptions } from './architecture.js';
import { type Features, type Initialization, type Network, network } from './network.js';
import type { ModuleRules } from './stateDict.js';

interface Depth {
  readonly block: 'basic' | 'bottleneck';
  /** Blocks of the four stages. */
  readonly blocks: readonly [number, number, number, number];
}

const DEPTHS = {
  resnet18: { block: 'basic', blocks: [2, 2, 2, 2] },
  resnet34: { block: 'basic', blocks: [3, 4, 6, 3] },
  resnet50: { block: 'bottleneck', blocks: [3, 4, 6, 3] },
  resnet101: { block: 'bottleneck', blocks: [3, 4, 23, 3] },
  resnet152: { block: 'bottleneck', blocks: [3, 8, 36, 3] },
} as const satisfies Record<string, Depth>;
type ResnetName = keyof typeof DEPTHS;

const PLANES = [64, 128, 256, 512];
const STEM = 64;
/** Output channels of a block for each of its planes. */
const EXPANSION = { basic: 1, bottleneck: 4 };

const TORCHVISION: Initialization = { convolution: 'he-fan-out', dense: 'pytorch' };

function description(
  name: ResnetName,
  [parameters, macs]: readonly [number, number],
  [imagenetParameters, imagenetMacs]: readonly [number, number],
): ArchitectureDescription {
  const { block, blocks } = DEPTHS[name];
  const perBlock = block === 'basic' ? 2 : 3;
  const activationSites = 1 + perBlock * blocks.reduce<number>((sum, count) => sum + count, 0);
  return {
    name,
    paper: 'He et al., CVPR 2016, Table 1; kuangliu/pytorch-cifar; torchvision',
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
      activationSites,
    },
  };
}

export const resnetDescriptions: Readonly<Record<ResnetName, ArchitectureDescription>> = {
  resnet18: description('resnet18', [11_173_962, 555_422_720], [11_689_512, 1_814_073_344]),
  resnet34: description('resnet34', [21_282_122, 1_159_402_496], [21_797_672, 3_663_761_408]),
  resnet50: description('resnet50', [23_520_842, 1_297_829_888], [25_557_032, 4_089_184_256]),
  resnet101: description('resnet101', [42_512_970, 2_509_983_744], [44_549_160, 7_801_405_440]),
  resnet152: description('resnet152', [58_156_618, 3_722_137_600], [60_192_808, 11_513_626_624]),
};

/**
 * 2·(2 + 2 + 2 + 2) convolutions of 3x3 in blocks of two.
 *
 * @returns a LayersModel from `[n, 32, 32, 3]` (`[n, 224, 224, 3]`) to logits `[n, classes]`; the caller disposes it
 * @throws OptionsError when an option is unknown or out of range
 */
export function resnet18(options: VariantOptions = {}): LayersModel {
  return resnet('resnet18', options);
}

/** As `resnet18`, with 3, 4, 6 and 3 blocks of two. */
export function resnet34(options: VariantOptions = {}): LayersModel {
  return resnet('resnet34', options);
}

/** As `resnet18`, with 3, 4, 6 and 3 bottlenecks: 1x1, 3x3 and 1x1 to four times the planes. */
export function resnet50(options: VariantOptions = {}): LayersModel {
  return resnet('resnet50', options);
}

/** As `resnet50`, with 3, 4, 23 and 3 bottlenecks; 75,454,090 parameters with Maxout. */
export function resnet101(options: VariantOptions = {}): LayersModel {
  return resnet('resnet101', options);
}

/** As `resnet50`, with 3, 8, 36 and 3 bottlenecks. */
export function resnet152(options: VariantOptions = {}): LayersModel {
  return resnet('resnet152', options);
}

function resnet(name: ResnetName, options: VariantOptions): LayersModel {
  const { variant, ...checked } = checkOptions(VariantOptions, options, `zoo.${name}`);
  const { block, blocks } = DEPTHS[name];
  const imagenet = variant === 'imagenet';
  const sizes = imagenet ? resnetDescriptions[name].imagenet! : resnetDescriptions[name];
  const plan = { architecture: name, sizes, options: checked, variant };
  return network(imagenet ? { ...plan, initial: TORCHVISION } : plan, net => {
    // Without a projection in the first stage the stem's channels are the stage's own.
    const stem = block === 'basic' ? net.width('stage1', STEM) : net.width('stem', STEM);
    const names = { conv: 'stem/conv', bn: 'stem/bn', act: 'stem/act' };
    let x = imagenet
      ? net.unit(net.image, names, stem, { kernel: 7, pad: 3, stride: 2, bias: biasOf(net) })
      : net.unit(net.image, names, stem, { kernel: 3, pad: 1, bias: biasOf(net) });
    if (imagenet) x = net.maxPool(x, 'stem/pool', { kernel: 3, pad: 1, stride: 2 });
    let from = STEM;
    blocks.forEach((count, index) => {
      const stage = `stage${index + 1}`;
      const planes = PLANES[index]!;
      const to = EXPANSION[block] * planes;
      const channels = net.width(stage, to);
      for (let i = 0; i < count; i++) {
        const stride = i === 0 && index > 0 ? 2 : 1;
        const path = `${stage}/block${i + 1}`;
        const shortcut = stride > 1 || from !== to ? 'projection' : 'identity';
        x = residual(net, x, { path, block, stride, planes, channels, shortcut });
        from = to;
      }
    });
    return net.dense(net.globalAveragePool(x, 'pool'), 'logits', net.classes);
  });
}

interface Residual {
  readonly path: string;
  readonly block: Depth['block'];
  readonly stride: number;
  readonly planes: number;
  /** Of the output, after `width`. */
  readonly channels: number;
  readonly shortcut: 'projection' | 'identity';
}

/** The residual's convolutions, the shortcut, their sum, an activation. */
function residual(net: Network, x: Features, spec: Residual): Features {
  const { path, block, stride, planes, channels, shortcut } = spec;
  const inner = (i: number, input: Features, window: { kernel: number; pad?: number; stride?: number }) =>
    net.unit(
      input,
      { conv: `${path}/conv${i}`, bn: `${path}/bn${i}`, act: `${path}/act${i}` },
      net.width(`${path}/conv${i}`, planes),
      { ...window, bias: biasOf(net) },
    );
  const last = (i: number, input: Features, window: { kernel: number; pad?: number }) =>
    net.batchNorm(net.convolution(input, `${path}/conv${i}`, channels, window), `${path}/bn${i}`);
  const y =
    block === 'basic'
      ? last(2, inner(1, x, { kernel: 3, pad: 1, stride }), { kernel: 3, pad: 1 })
      : last(3, inner(2, inner(1, x, { kernel: 1 }), { kernel: 3, pad: 1, stride }), { kernel: 1 });
  const kept = shortcut === 'identity' ? x : projected(net, x, `${path}/shortcut`, channels, stride);
  return net.activate(net.add([y, kept], `${path}/add`), `${path}/act${block === 'basic' ? 2 : 3}`);
}

/** With Maxout the paper's count asks for twice the filters here as well: F(x) + max S(x), which is max (F(x) + S(x)). */
function projected(net: Network, x: Features, name: string, filters: number, stride: number): Features {
  const names = { conv: `${name}/conv`, bn: `${name}/bn`, act: `${name}/act` };
  if (net.pieces > 1) return net.unit(x, names, filters, { kernel: 1, stride, bias: biasOf(net) });
  return net.batchNorm(net.convolution(x, names.conv, filters, { kernel: 1, stride }), names.bn);
}

/** Batch normalisation makes a bias idle, but for Maxout, which stands between the two (Molina et al., A.2). */
function biasOf(net: Network): 'none' | 'learned' {
  return net.pieces > 1 ? 'learned' : 'none';
}

/** Names of a network's layers in kuangliu's state dicts and in torchvision's. */
export const resnetModules: Readonly<Record<'cifar' | 'imagenet', ModuleRules>> = {
  cifar: modules({ shortcut: 'shortcut', logits: 'linear' }),
  imagenet: modules({ shortcut: 'downsample', logits: 'fc' }),
};

function modules({ shortcut, logits }: { shortcut: string; logits: string }): ModuleRules {
  return [
    [/^stem\/(\w+)$/, kind => `${kind}1`],
    [
      /^stage(\d)\/block(\d+)\/(\w+)$/,
      (stage, block, layer) => `layer${stage}.${Number(block) - 1}.${layer}`,
    ],
    [
      /^stage(\d)\/block(\d+)\/shortcut\/(\w+)$/,
      (stage, block, kind) => `layer${stage}.${Number(block) - 1}.${shortcut}.${kind === 'conv' ? 0 : 1}`,
    ],
    [/^logits$/, () => logits],
  ];
}
