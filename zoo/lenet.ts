/** LeNet for 32x32 grey images, as the PAU paper has it (Molina et al., ICLR 2020, Table 7): 61,706 parameters + 4 activations. */
import * as layers from '@tensorflow/tfjs-layers';
import { activationOf } from '../src/activations/activation.js';
import { pytorchDefault } from '../src/initializers.js';
import { checkOptions } from '../src/options.js';
import { type ArchitectureDescription, ArchitectureOptions, setOrigin } from './architecture.js';

export const lenetDescription: ArchitectureDescription = {
  name: 'lenet',
  paper: 'LeCun et al. 1998; Molina et al., ICLR 2020, Table 7',
  inputShape: [32, 32, 1],
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
export function lenet(options: ArchitectureOptions = {}): layers.LayersModel {
  const {
    classes,
    seed,
    name = 'lenet',
    activation: choice,
  } = checkOptions(ArchitectureOptions, options, 'zoo.lenet');
  const activation = activationOf(choice);

  const convolution = (layer: string, filters: number, inChannels: number) =>
    layers.layers.conv2d({
      name: layer,
      filters,
      kernelSize: 5,
      ...pytorchDefault({ fanIn: 5 * 5 * inChannels, seed, layer }),
    });
  const dense = (layer: string, units: number, inputs: number) =>
    layers.layers.dense({ name: layer, units, ...pytorchDefault({ fanIn: inputs, seed, layer }) });
  const pool = (layer: string) => layers.layers.maxPooling2d({ name: layer, poolSize: 2 });

  const image = layers.input({ shape: [...lenetDescription.inputShape], name: 'image' });
  const stack = [
    convolution('conv1', 6, 1),
    activation.layer('act1'),
    pool('pool1'),
    convolution('conv2', 16, 6),
    activation.layer('act2'),
    pool('pool2'),
    convolution('conv3', 120, 16),
    activation.layer('act3'),
    layers.layers.flatten({ name: 'flatten' }),
    dense('dense1', 84, 120),
    activation.layer('act4'),
    dense('logits', classes, 84),
  ];
  const logits = stack.reduce((x, layer) => layer.apply(x) as layers.SymbolicTensor, image);
  return setOrigin(layers.model({ inputs: image, outputs: logits, name }), {
    architecture: lenetDescription.name,
    activation,
    seed,
  });
}
