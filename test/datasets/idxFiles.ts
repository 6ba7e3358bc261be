/** IDX files made by hand for the tests. */

/** `data`, or zeros, under a header that says `dimensions`. */
export function idx(dimensions: readonly number[], data?: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.set([0, 0, 8, dimensions.length]);
  dimensions.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  const bytes = dimensions.reduce((product, size) => product * size, 1);
  return Buffer.concat([header, data ?? Buffer.alloc(bytes)]);
}

/** Two training images and one test image, whose pixels are their number: the four files of Fashion-MNIST's structure. */
export function smallSet(): Record<string, Buffer> {
  const image = (value: number) => Buffer.alloc(784, value);
  return {
    'train-images-idx3-ubyte': idx([2, 28, 28], Buffer.concat([image(0), image(255)])),
    'train-labels-idx1-ubyte': idx([2], Uint8Array.of(3, 9)),
    't10k-images-idx3-ubyte': idx([1, 28, 28], image(51)),
    't10k-labels-idx1-ubyte': idx([1], Uint8Array.of(7)),
  };
}
