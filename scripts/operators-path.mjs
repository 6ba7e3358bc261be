/** Prints where the native operators' library is, for Python's `torch.ops.load_library`. */
import { findAddon } from './setup.mjs';

const record = findAddon();
if (!record) throw new Error('operators-path: there is no native engine; run `npm run setup` first');
console.log(record.operators);
