/** Reads what a JPEG says of itself before its pixels: its size and kind, a few steps from marker to marker. */

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly precision: number;
  /** 1 is grey, 3 colours, 4 CMYK. */
  readonly components: number;
  /** `'huffman'`: a cosine transform, at once or progressive, in Huffman codes; else arithmetic, lossless or hierarchical. */
  readonly coding: 'huffman' | 'other';
  /** Whether it has an EXIF block. */
  readonly exif: boolean;
  /** Where its first scan begins, in which the pixels are. */
  readonly scan: number;
}

const EXIF = 0x45786966; // 'Exif'
const SCAN = 0xda;
/** Tables, restart intervals and comments. */
const BESIDE = new Set([0xc4, 0xcc, 0xdb, 0xdd, 0xfe]);

/** undefined where the bytes are no JPEG, or its markers do not lead to one frame and a scan, or that is empty. */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let exif = false;
  let frame: Omit<JpegHeader, 'exif' | 'scan'> | undefined;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // a fill byte
      continue;
    }
    if (marker === SCAN) return frame && { ...frame, exif, scan: at };
    const length = view.getUint16(at + 2);
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) return undefined;
    if (marker === 0xe1 && length >= 6 && view.getUint32(at + 4) === EXIF) exif = true;
    if (isFrame(marker)) {
      const [height, width] = length < 8 ? [0, 0] : [view.getUint16(at + 5), view.getUint16(at + 7)];
      if (frame || height * width === 0) return undefined;
      const coding = marker <= 0xc2 ? 'huffman' : 'other';
      frame = { width, height, precision: bytes[at + 4]!, components: bytes[at + 9]!, coding };
    } else if (!BESIDE.has(marker) && (marker & 0xf0) !== 0xe0) return undefined;
    at = end;
  }
  return undefined;
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
