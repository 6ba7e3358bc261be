/** Checksums of what is read. */
import { createHash } from 'node:crypto';

export interface Checksum {
  readonly algorithm: 'md5' | 'sha256';
  /** In hexadecimal. */
  readonly value: string;
}

/** In hexadecimal. */
export function digestOf(algorithm: Checksum['algorithm'], bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

/** `'sha256 12ab..., not 34cd...'`; undefined where the bytes are the right ones. */
export function mismatch({ algorithm, value }: Checksum, bytes: Uint8Array): string | undefined {
  const found = digestOf(algorithm, bytes);
  return found === value ? undefined : `${algorithm} ${found}, not ${value}`;
}
