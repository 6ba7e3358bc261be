/** What can be wrong with a checkpoint, as error classes that name the bundle, the file and the problem. */
import { PadezooError } from '../errors.js';

/** Any problem of a bundle; `problem` is the message without the place. */
export class BundleError extends PadezooError {
  override readonly name: string = 'BundleError';
  /**
   * @param bundle the folder or archive, as it was given
   * @param file the file inside it (the archive itself when no single file is to blame)
   * @param problem what was found, what was expected, what to do
   */
  constructor(
    readonly bundle: string,
    readonly file: string,
    readonly problem: string,
    options?: ErrorOptions,
  ) {
    super(`checkpoint ${bundle}: ${file} ${problem}`, options);
  }
}

/** There is no checkpoint at this path. */
export class NotABundleError extends BundleError {
  override readonly name = 'NotABundleError';
}

/** A file is missing, was added, was cut short or does not have the bytes that were published. */
export class CorruptBundleError extends BundleError {
  override readonly name = 'CorruptBundleError';
}

/** A link, a path that leaves the bundle, a duplicate, or more data than a checkpoint can need. */
export class UnsafeBundleError extends BundleError {
  override readonly name = 'UnsafeBundleError';
}

/** A JSON file of the bundle (or the description of a new one) is not what the format says. */
export class ManifestError extends BundleError {
  override readonly name = 'ManifestError';
  /** @param field where in the JSON, e.g. `'pruning[0].percent'`; empty for the whole file */
  constructor(
    bundle: string,
    file: string,
    readonly field: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(bundle, file, field === '' ? problem : `field ${field}: ${problem}`, options);
  }
}

/** The bundle was written by a later padezoo. */
export class NewerFormatError extends BundleError {
  override readonly name = 'NewerFormatError';
  constructor(
    bundle: string,
    file: string,
    readonly formatVersion: number,
    readable: number,
  ) {
    super(
      bundle,
      file,
      `has format version ${formatVersion}, this padezoo reads up to ${readable}; upgrade padezoo to load it`,
    );
  }
}

/** The files are intact, but tfjs cannot make a model of them; `cause` is its error. */
export class ModelBuildError extends BundleError {
  override readonly name = 'ModelBuildError';
}

/** Something that is not a checkpoint is in the way of one to be written. */
export class BundleTargetError extends PadezooError {
  override readonly name = 'BundleTargetError';
  constructor(
    readonly path: string,
    found: string,
  ) {
    super(`writeBundle: ${path} ${found}; it was left as it is: choose another path or remove it yourself`);
  }
}
