/** The types of setup.mjs, which is plain JavaScript because it runs before anything is compiled. */

export type SetupStep = 'dependencies' | 'compile' | 'images' | 'libtorch' | 'addon';

/** Tells people one line of how a step goes. */
export type Log = (line: string) => void;

/** Where libtorch may come from, beside `PADEZOO_LIBTORCH`. */
export type LibtorchSource = 'python' | 'cache' | 'pip' | 'archive' | 'debian';

/** A libtorch on this machine. */
export interface Libtorch {
  /** the folder that holds include/ and lib/ */
  readonly path: string;
  /** e.g. `'2.13.0'` */
  readonly version: string;
  readonly include: readonly string[];
  readonly lib: string;
  /** the C++ that its headers are written in */
  readonly standard: 'c++17' | 'c++20';
}

/** What a set-up has built. */
export interface AddonRecord {
  /** padezoo.node, for `require` */
  readonly addon: string;
  /** the library that registers `pade::*`; Python loads it with `torch.ops.load_library` */
  readonly operators: string;
  readonly libtorch: { readonly path: string; readonly version: string; readonly from: string };
  /** the first line of the compiler's `--version` */
  readonly compiler: string;
  /** PAU kernels on a GPU: our own, composed of ATen's (no nvcc), or none (a libtorch without CUDA) */
  readonly cuda: 'fused' | 'composed' | 'none';
  /** ISO 8601 */
  readonly built: string;
}

/** The image addon that a set-up has built. */
export interface ImageAddonRecord {
  /** padezoo_images.node, for `require` */
  readonly addon: string;
  /** the version of the libjpeg-turbo that is in it, or null */
  readonly jpeg: string | null;
}

export interface SetupOptions {
  /** @default all of them */
  readonly steps?: readonly SetupStep[];
  /** whether a machine without a compiler or libtorch is an error; `'required'` by default */
  readonly engine?: 'required' | 'optional';
  /** build anew with libtorch from there only */
  readonly from?: LibtorchSource | undefined;
  /** look for libtorch and build anew */
  readonly again?: boolean | undefined;
  /** receives each line; standard error by default */
  readonly log?: Log;
  readonly quiet?: boolean;
}

/** A step of the set-up could not be done; `message` says why and what to install. */
export class SetupError extends Error {
  override name: 'SetupError';
  /** whether a setting of the user's is wrong, rather than something missing */
  choice: boolean;
}

export function cacheDirectory(env?: NodeJS.ProcessEnv, platform?: NodeJS.Platform): string;

/** The addon built for the present sources and environment; synchronous, a few milliseconds. */
export function findAddon(): AddonRecord | undefined;

/** Where the record that `findAddon` reads is kept. */
export function addonRecordPath(): string;

/**
 * Builds the addon in another process and waits for it; its messages go to standard error.
 *
 * @throws SetupError that says what to install
 */
export function buildAddonNow(): AddonRecord;

/** The image addon built for the present sources and environment, unless PADEZOO_NO_ENGINE=1; synchronous, a few milliseconds. */
export function findImageAddon(): ImageAddonRecord | undefined;

/** Where the record that `findImageAddon` reads is kept. */
export function imageAddonRecordPath(): string;

/**
 * Builds the image addon where it is not there yet, with libjpeg-turbo where that is found.
 *
 * @throws SetupError that says what is missing
 */
export function buildImageAddon(log: Log): Promise<{
  readonly changed: boolean;
  readonly record: ImageAddonRecord;
}>;

/** Does the steps that are not done yet. */
export function setup(options?: SetupOptions): Promise<{
  readonly changed: boolean;
  readonly addon: AddonRecord | undefined;
  readonly problem: SetupError | undefined;
}>;

/** @throws SetupError that says what is missing in the folder */
export function readLibtorch(path: string): Libtorch;

/** Why the loader would not load it, or undefined. */
export function loadProblem(libtorch: Libtorch): string | undefined;

/** Why `node_modules` is not what package-lock.json asks for, or undefined. */
export function outdatedDependencies(root: string): string | undefined;

/** One hash over all that tsc's output depends on. */
export function sourceStamp(root: string): string;

/** tsc's outputs whose source is gone. */
export function staleOutputs(root: string): string[];
