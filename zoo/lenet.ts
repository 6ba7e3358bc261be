/** LeNet for 32x32 grey images, as the PAU paper has it (Molina et al., ICLR 2020, Table 7): 61,706 parameters + 4 activations. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, ArchitectureOptions } from './architecture.js';
import { network } from './network.js';

export const lenetDescription: ArchitectureDescription = {
  name: 'lenet',
  paper: 'LeCun et al. 1998; Molina et al., ICLR 2020, Table 7',
  inputShape: [32, 32, 1],
  classes: 10,
  parameters: 61_706,
  macs: 416_520,
  activationSites: 4,
};

/**
 * 32x32x1 - conv 6 (5x5) - act - pool - conv 16 (5x5) - act - pool - conv 120 (5x5) - act - dense 84 - act - dense 10.
 *
 * @returns a LayersModel from `[n, 32, 32, 1]` to logits `[n, classes]`; the caller disposes it
 * @throws OptionsError when an option is unknown or out of range
 */
export function lenet(options: ArchitectureOptions = {}): LayersModel {
  const checked = checkOptions(ArchitectureOptions, options, 'zoo.lenet');
  return network({ architecture: 'lenet', sizes: lenetDescription, options: checked }, net => {
    const conv = { kernel: 5, bias: 'learned' } as const;
    const pool = { kernel: 2 };
    let x = net.image;
    x = net.unit(x, { conv: 'conv1', act: 'act1' }, net.width('conv1', 6), conv);
    x = net.maxPool(x, 'pool1', pool);
    x = net.unit(x, { conv: 'conv2', act: 'act2' }, net.width('conv2', 16), conv);
    x = net.maxPool(x, 'pool2', pool);
    x = net.unit(x, { conv: 'conv3', act: 'act3' }, net.width('conv3', 120), conv);
    x = net.flatten(x, 'flatten');
    x = net.denseUnit(x, { conv: 'dense1', act: 'act4' }, net.width('dense1', 84));
    return net.dense(x, 'logits', net.classes);
  });
}
