/** Checks before any work starts: the network fits the data, and the engine can train it. */
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../datasets/dataset.js';
import { engine } from '../engines/index.js';
import { EngineError } from '../engines/torch/index.js';
import { ShapeError } from '../errors.js';

/** @throws ShapeError when `model` does not take the images of `data` or has fewer outputs than it has classes */
export function checkFits(where: string, model: LayersModel, data: Dataset): void {
  const input = model.inputs[0]!.shape.slice(1);
  const outputs = model.outputs[0]!.shape.at(-1) ?? 0;
  const { inputShape, classes, name } = data;
  if (input.length !== 3 || !inputShape.every((size, axis) => input[axis] == null || input[axis] === size)) {
    throw new ShapeError(
      `${where}: ${model.name} takes images [${input.join(', ')}], but ${name} gives [${inputShape.join(', ')}]; choose a data set (or its size option) that fits`,
    );
  }
  if (outputs < classes.length) {
    throw new ShapeError(
      `${where}: ${model.name} has ${outputs} outputs, but ${name} has ${classes.length} classes; build it with { classes: ${classes.length} }`,
    );
  }
}

/** @throws EngineError when the running engine has no gradients of convolutions */
export function checkCanTrain(where: string): void {
  if (engine.canTrain()) return;
  throw new EngineError(
    `${where}: the ${engine.name} engine cannot train convolutions; use torch (\`npx padezoo setup\` says what it needs)`,
  );
}
