/** What can go wrong with the bytes of a data set. */
import { PadezooError } from '../src/errors.js';

/** A file was found, but its bytes are not what they must be. */
export class CorruptFileError extends PadezooError {
  override readonly name = 'CorruptFileError';
  constructor(
    readonly path: string,
    /** What is wrong, as the end of a sentence that begins with the path. */
    readonly problem: string,
    /** What the reader can do about it. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`datasets: ${path} ${problem}; ${remedy}`, options);
  }
}

/** A data set, or one of its files, is not where it was looked for. */
export class DatasetNotFoundError extends PadezooError {
  override readonly name = 'DatasetNotFoundError';
  constructor(
    readonly dataset: string,
    /** The directories that were looked into, in order. */
    readonly searched: readonly string[],
    message: string,
  ) {
    super(message);
  }
}

/** A file is sound, but of a kind that is not read here. */
export class WrongFormatError extends PadezooError {
  override readonly name = 'WrongFormatError';
  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message);
  }
}

/** Images could not be read or decoded, and the options do not bear so many. */
export class BadImageError extends PadezooError {
  override readonly name = 'BadImageError';
  constructor(
    where: string,
    /** All bad images of the epoch so far. */
    readonly bad: readonly { readonly row: number; readonly image: string; readonly reason: string }[],
    /** How many were allowed. */
    readonly allowed: number,
  ) {
    const { image, reason } = bad.at(-1)!;
    super(
      `${where}: ${bad.length} bad image${bad.length === 1 ? '' : 's'}, allowed are ${allowed}; the last is ${image} (${reason}). ` +
        "Get it again, or set onError: 'skip' or 'replace' (and maxBad)",
    );
  }
}

/** A server did not answer as an archive behind an address needs it. */
export class AddressError extends PadezooError {
  override readonly name = 'AddressError';
  constructor(
    readonly address: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(
      `datasets: ${address} ${problem}; archives are read in place by range requests: serve it with a server that answers ` +
        'them, or download it and give its path',
      options,
    );
  }
}

/** None of the sources of a download gave the right bytes. */
export class DownloadError extends PadezooError {
  override readonly name = 'DownloadError';
  constructor(
    readonly dataset: string,
    /** One line a source: which, and why it failed. */
    readonly attempts: readonly string[],
    options?: ErrorOptions,
  ) {
    super(
      `datasets: ${dataset} could not be downloaded: ${attempts.join('; ')}. Check the network, or fetch the files ` +
        `by other means and give their directory`,
      options,
    );
  }
}
