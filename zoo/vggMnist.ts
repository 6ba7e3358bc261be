/** VGG for 32x32 grey images, as the PAU paper has it (Molina et al., ICLR 2020, Table 7): 9,224,458 parameters + 5 activations. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, ArchitectureOptions } from './architecture.js';
import { network } from './network.js';

export const vggMnistDescription: ArchitectureDescription = {
  name: 'vggMnist',
  paper: 'Simonyan & Zisserman, ICLR 2015; Molina et al., ICLR 2020, Table 7',
  inputShape: [32, 32, 1],
  classes: 10,
  parameters: 9_224_458,
  macs: 151_589_888,
  activationSites: 5,
};

/** Convolutions of a block and their filters; one activation and one 2x2 pooling end it. */
const BLOCKS = [
  [1, 64],
  [1, 128],
  [2, 256],
  [2, 512],
  [2, 512],
] as const;

/**
 * Five blocks of 3x3 convolutions with bias and without batch normalisation; between the two convolutions of a block
 * there is no activation.
 *
 * @returns a LayersModel from `[n, 32, 32, 1]` to logits `[n, classes]`; the caller disposes it
 * @throws OptionsError when an option is unknown or out of range
 */
export function vggMnist(options: ArchitectureOptions = {}): LayersModel {
  const checked = checkOptions(ArchitectureOptions, options, 'zoo.vggMnist');
  return network({ architecture: 'vggMnist', sizes: vggMnistDescription, options: checked }, net => {
    const conv3x3 = { kernel: 3, pad: 1, bias: 'learned' } as const;
    let x = net.image;
    let layer = 0;
    BLOCKS.forEach(([convolutions, filters], index) => {
      const block = index + 1;
      for (let i = 1; i < convolutions; i++) {
        layer++;
        x = net.convolution(x, `conv${layer}`, net.width(`conv${layer}`, filters), conv3x3);
      }
      layer++;
      const names = { conv: `conv${layer}`, act: `act${block}` };
      x = net.unit(x, names, net.width(names.conv, filters), conv3x3);
      x = net.maxPool(x, `pool${block}`, { kernel: 2 });
    });
    return net.dense(net.flatten(x, 'flatten'), 'logits', net.classes);
  });
}
