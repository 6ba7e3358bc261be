/** What is wrong with a gzip stream, told alike by Node's zlib and by a browser's DecompressionStream. */

export class GunzipError extends Error {
  static damaged(cause: unknown): GunzipError {
    return new GunzipError(`is damaged: ${(cause as Error).message}; get it again`, { cause });
  }

  static tooLarge(packedBytes: number, limit: number): GunzipError {
    return new GunzipError(`of ${packedBytes} bytes unpacks to more than ${limit}, the most that it may`);
  }

  static goesOn(): GunzipError {
    return new GunzipError('has bytes after its end; get it again');
  }
}
