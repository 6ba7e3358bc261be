/** What `publish` can be asked for, checked once. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { FORMATS } from './manifest.js';

export const Options = z.strictObject({
  /** The folder to write; a checkpoint that stands there is replaced when the new one is complete. */
  to: z.string().min(1),
  /** `'tar.gz'` writes `<to>.tar.gz` as well, `'none'` only the folder. */
  archive: z.enum(['tar.gz', 'none']).default('tar.gz'),
  /** What is written and proven; `layers` always is. */
  formats: z.array(z.enum(FORMATS)).default([...FORMATS]),
  /** `'functions'` keeps each Padé activation as a function of the ONNX model instead of plain operators. */
  onnx: z.enum(['operators', 'functions']).default('operators'),
  /** `'fold'` multiplies it into the convolutions of all formats but layers; the error is in the manifest. */
  batchNorm: z.enum(['keep', 'fold']).default('keep'),
  /** Smaller copies of the network, with their accuracy: `graph-<storage>/`, for bfloat16 `safetensors-bfloat16/`. */
  storage: z.array(z.enum(['float16', 'bfloat16', 'uint8'])).default([]),
  /** SPDX or hub id of the network's licence, for the card and the npm package: `'apache-2.0'`. */
  licence: z
    .string()
    .regex(/^[\w.+-]+$/)
    .optional(),
  /** Of a pruning's steps: the smallest network whose test accuracy is at most so much below the best one's. */
  tolerance: z.number().min(0).max(1).default(0.005),
  /** Writes `<to>-npm` as well: a package of this name that `npm publish` takes, with `import model from 'NAME'`. */
  npm: z.string().optional(),
  /** `'owner/name'`: pushes to the Hugging Face hub, if HF_TOKEN is set; the folder is laid out for it as it is. */
  hub: z.string().optional(),
});

/** With the defaults filled in. */
export type CheckedOptions = z.output<typeof Options>;

export interface PublishOptions extends z.input<typeof Options> {
  /**
   * `[n, h, w, c]`, as the network takes them: what formats are proven on, instead of the data set's test images.
   * Borrowed.
   */
  readonly images?: Tensor;
}
