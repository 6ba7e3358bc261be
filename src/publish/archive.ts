/** A bundle as one `.tar.gz`, in memory: packed so that the same files give the same bytes, unpacked with limits. */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { Header, Parser } from 'tar';
import { UnsafeBundleError } from './errors.js';
import { type Bytes, isSafePath, MANIFEST_FILE, MAX_BUNDLE_BYTES, MAX_ENTRIES } from './manifest.js';
import { sha256 } from './sha256.js';

const BLOCK = 512;
/** Weights shrink by a tenth, JSON and SVG to a fifth; a bomb is 1000 to 1. */
const MAX_RATIO = 100;
/** From so many bytes on it is weights that fill an archive, which shrink by a twelfth and take a second for 60 MB: they are stored. */
const WEIGHTS_BYTES = 128 * 2 ** 20;
/** Bytes that may be unpacked at any ratio: too few to hurt. */
const FREE_BYTES = 64 * 2 ** 20;
/** A fixed moment (npm's), because 1970 makes tar programs warn. */
const MTIME = new Date('1985-10-26T08:15:00Z');

/**
 * How our archives begin, a gzip header (RFC 1952) with no name, no time and an extra field `PZ` of 32 bytes: the
 * SHA-256 of all that follows the header. Then comes the header's own CRC-16. gzip's checksum alone does not see
 * every flipped bit of compressed data: some unpack to the same bytes. Other programs skip the field.
 */
export const ARCHIVE_START = Uint8Array.of(0x1f, 0x8b, 8, 6, 0, 0, 0, 0, 0, 0xff, 36, 0, 0x50, 0x5a, 32, 0);
const DIGEST_END = ARCHIVE_START.length + 32;
const HEADER_BYTES = DIGEST_END + 2;
/** Of Node's own header, which is replaced, and of the CRC-32 and length at the end. */
const [PLAIN_HEADER_BYTES, TRAILER_BYTES] = [10, 8];

const gzip = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gzip);

/** @param files safe paths; packed in the order of their code units */
export async function packArchive(files: ReadonlyMap<string, Bytes>): Promise<Bytes> {
  const blocks: Uint8Array[] = [];
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const header = new Header({
      path,
      size: bytes.byteLength,
      type: 'File',
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: MTIME,
    });
    header.encode();
    blocks.push(header.block!, bytes, new Uint8Array(-bytes.byteLength & (BLOCK - 1)));
  }
  blocks.push(new Uint8Array(2 * BLOCK)); // the end mark
  const tar = Buffer.concat(blocks);
  let packed = await gzip(tar, { level: tar.length < WEIGHTS_BYTES ? 6 : 0 });
  // What would look like a bomb (a network of zeros) is stored as it is.
  if (tar.length > unpackLimit(packed.length)) packed = await gzip(tar, { level: 0 });
  return sealed(packed.subarray(PLAIN_HEADER_BYTES));
}

async function sealed(data: Buffer): Promise<Bytes> {
  const archive = new Uint8Array(HEADER_BYTES + data.length);
  archive.set(ARCHIVE_START);
  archive.set(data, HEADER_BYTES);
  archive.set(Buffer.from(await sha256(archive.subarray(HEADER_BYTES)), 'hex'), ARCHIVE_START.length);
  // Node 20.0 has no crc32 of its own, but gzip ends with one; the header's is its lower half.
  const checked = await gzip(archive.subarray(0, DIGEST_END), {});
  archive.set(checked.subarray(-TRAILER_BYTES, -TRAILER_BYTES + 2), DIGEST_END);
  return archive;
}

async function isSealBroken(archive: Bytes): Promise<boolean> {
  if (!ARCHIVE_START.every((byte, i) => archive[i] === byte)) return false; // made by another program
  const digest = Buffer.from(archive.subarray(ARCHIVE_START.length, DIGEST_END)).toString('hex');
  return digest !== (await sha256(archive.subarray(HEADER_BYTES)));
}

const unpackLimit = (packedBytes: number): number =>
  Math.min(MAX_BUNDLE_BYTES + 2 * BLOCK * MAX_ENTRIES, Math.max(FREE_BYTES, MAX_RATIO * packedBytes));

/**
 * Takes archives of other tar programs too, with the bundle at the top or in one folder.
 * @param bundle the archive's path, for errors
 * @throws UnsafeBundleError for damage, links, paths that leave the folder, duplicates, and more than the limits allow
 */
export async function unpackArchive(bundle: string, archive: Bytes): Promise<Map<string, Bytes>> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new UnsafeBundleError(bundle, 'the archive', problem, cause === undefined ? undefined : { cause });
  };
  if (await isSealBroken(archive))
    fail('is damaged: its bytes are not those that were published; get it again');
  const tar = await unzip(archive, fail);
  if (tar[0] === 0x1f && tar[1] === 0x8b) fail('is compressed twice; expected a tar inside the gzip');

  const files = new Map<string, Bytes>();
  const seen = new Set<string>();
  let headers = 0;
  let offset = 0; // of the block after the header that the parser reads
  let body = 0;
  let ended = false;
  let problem: unknown;
  const refuse = (text: string) => {
    problem ??= text;
  };
  const parser = new Parser({ strict: true, brotli: false, zstd: false });
  parser.on('error', error => {
    problem ??= error;
  });
  parser.on('ignoredEntry', entry =>
    refuse(`has an entry ${JSON.stringify(entry.path)} of a kind not allowed`),
  );
  parser.on('eof', () => {
    ended = true;
  });
  parser.on('entry', entry => {
    entry.resume();
    const shown = JSON.stringify(entry.path.slice(0, 200));
    const path = entry.path.replace(/^(\.\/)+/, '').replace(/\/$/, '');
    const directory = entry.type === 'Directory';
    if (entry.type !== 'File' && entry.type !== 'OldFile' && !directory) {
      return refuse(`has an entry ${shown} of type ${entry.type}; only files and folders are allowed`);
    }
    if (directory && (path === '' || path === '.')) return;
    // One folder around the bundle may be named freely, within the same letters.
    if (!isSafePath(path)) return refuse(`has an entry ${shown}, which could leave the folder or hide in it`);
    if (seen.has(path.toLowerCase())) return refuse(`has two entries ${shown}`);
    seen.add(path.toLowerCase());
    if (directory) return;
    if (offset + entry.size > tar.length) {
      return refuse(
        `declares ${entry.size} bytes for ${shown} and holds ${tar.length - offset}; it is cut short`,
      );
    }
    files.set(path, new Uint8Array(tar.subarray(offset, offset + entry.size)));
    body = entry.startBlockSize;
  });
  try {
    while (!ended && problem === undefined && offset + BLOCK <= tar.length) {
      const header = tar.subarray(offset, offset + BLOCK);
      offset += BLOCK;
      body = 0;
      if (++headers > 4 * MAX_ENTRIES || seen.size > MAX_ENTRIES)
        refuse(`has more than ${MAX_ENTRIES} entries`);
      else parser.write(header);
      if (body > 0 && problem === undefined) parser.write(tar.subarray(offset, offset + body));
      offset += body;
    }
  } catch (error) {
    problem ??= error;
  }
  if (problem !== undefined) {
    if (problem instanceof Error) fail(`is damaged: ${problem.message}; get it again`, problem);
    fail(String(problem));
  }
  if (!ended) fail('ends without the end mark of a tar; it is cut short, get it again');
  if (tar.subarray(offset).some(byte => byte !== 0)) fail('has data after its end; get it again');
  return withoutTopFolder(files);
}

async function unzip(archive: Bytes, fail: (problem: string, cause?: unknown) => never): Promise<Buffer> {
  const limit = unpackLimit(archive.byteLength);
  const options = { maxOutputLength: limit, chunkSize: 2 ** 20, info: true };
  return new Promise<{ buffer: Buffer; engine: { bytesWritten: number } }>((resolve, reject) => {
    zlib.gunzip(archive, options, (error, result) => {
      if (error) reject(error);
      else resolve(result as unknown as { buffer: Buffer; engine: { bytesWritten: number } }); // because of `info`
    });
  }).then(
    ({ buffer, engine }) => {
      if (engine.bytesWritten !== archive.byteLength) {
        fail(`has ${archive.byteLength - engine.bytesWritten} bytes after its end; get it again`);
      }
      return buffer;
    },
    cause => {
      if (cause.code === 'ERR_BUFFER_TOO_LARGE') {
        return fail(
          `of ${archive.byteLength} bytes unpacks to more than ${limit}, no checkpoint does`,
          cause,
        );
      }
      return fail(`is damaged: ${cause.message}; get it again`, cause);
    },
  );
}

function withoutTopFolder(files: Map<string, Bytes>): Map<string, Bytes> {
  const first = files.keys().next().value ?? '';
  const top = first.slice(0, first.indexOf('/') + 1);
  if (files.has(MANIFEST_FILE) || top === '' || !files.has(top + MANIFEST_FILE)) return files;
  const inside = [...files].filter(([path]) => path.startsWith(top));
  return inside.length < files.size
    ? files
    : new Map(inside.map(([path, bytes]) => [path.slice(top.length), bytes]));
}
