/** VGG8 for CIFAR-10 (Molina et al., ICLR 2020, Table 3): 3,918,858 parameters + 5 activations, 7,829,642 with Maxout. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, ArchitectureOptions } from './architecture.js';
import { network } from './network.js';
import type { ModuleRules } from './stateDict.js';

export const vgg8Description: ArchitectureDescription = {
  name: 'vgg8',
  paper: 'Simonyan & Zisserman, ICLR 2015; Molina et al., ICLR 2020, Table 3',
  inputShape: [32, 32, 3],
  classes: 10,
  parameters: 3_918_858,
  macs: 67_834_880,
  activationSites: 5,
};

const FILTERS = [64, 128, 256, 512, 512];

/**
 * Five times 3x3 convolution with bias - batch normalisation - activation - 2x2 pooling, then a dense layer.
 *
 * @returns a LayersModel from `[n, 32, 32, 3]` to logits `[n, classes]`; the caller disposes it
 * @throws OptionsError when an option is unknown or out of range
 */
export function vgg8(options: ArchitectureOptions = {}): LayersModel {
  const checked = checkOptions(ArchitectureOptions, options, 'zoo.vgg8');
  return network({ architecture: 'vgg8', sizes: vgg8Description, options: checked }, net => {
    let x = net.image;
    FILTERS.forEach((filters, index) => {
      const layer = index + 1;
      const names = { conv: `conv${layer}`, bn: `bn${layer}`, act: `act${layer}` };
      x = net.unit(x, names, net.width(names.conv, filters), { kernel: 3, pad: 1, bias: 'learned' });
      x = net.maxPool(x, `pool${layer}`, { kernel: 2 });
    });
    return net.dense(net.flatten(x, 'flatten'), 'logits', net.classes);
  });
}

/** Names of the network's layers in a state dict of kuangliu's VGG: convolution, normalisation, ReLU and pooling in turn. */
export const vgg8Modules: ModuleRules = [
  [/^conv(\d)$/, layer => `features.${4 * (Number(layer) - 1)}`],
  [/^bn(\d)$/, layer => `features.${4 * (Number(layer) - 1) + 1}`],
  [/^logits$/, () => 'classifier'],
];
