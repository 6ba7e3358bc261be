/** What can be wrong with a safetensors file. */
import { PadezooError } from '../errors.js';

/** The file is not what the format says. */
export class SafetensorsError extends PadezooError {
  override readonly name = 'SafetensorsError';
}
