/** Unzipping, by Node's zlib and by a browser's DecompressionStream (which Node has as well): the same results and errors. */
import { gzipSync } from 'node:zlib';
import test from 'ava';
import * as browser from '../../src/files/browser.js';
import { GunzipError } from '../../src/files/gunzip.js';
import * as node from '../../src/files/node.js';

const plain = Uint8Array.from({ length: 3 * 2 ** 20 + 17 }, (_, i) => (i * i) >> 5);
const packed = Uint8Array.from(gzipSync(plain));

for (const [where, { gunzip, sha256 }] of Object.entries({ Node: node, 'a browser': browser })) {
  test(`${where} unpacks to exactly the limit, and no further`, async t => {
    t.is(Buffer.compare(await gunzip(packed, plain.length), plain), 0);
    const error = await t.throwsAsync(gunzip(packed, plain.length - 1), { instanceOf: GunzipError });
    t.is(
      error?.message,
      `of ${packed.length} bytes unpacks to more than ${plain.length - 1}, the most that it may`,
    );
    t.is((await gunzip(Uint8Array.from(gzipSync('')), 10)).length, 0);
  });

  test(`${where} refuses what is cut short, changed or no gzip`, async t => {
    const changed = packed.slice();
    changed[packed.length >> 1]! ^= 0x55;
    for (const damaged of [packed.slice(0, -1), packed.slice(0, 5), changed, plain.slice(0, 99)])
      await t.throwsAsync(gunzip(damaged, 2 ** 23), {
        instanceOf: GunzipError,
        message: /is damaged|after its end/,
      });
  });

  test(`${where} hashes`, async t => {
    // FIPS 180-2, appendix B.1
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    t.is(await sha256(new TextEncoder().encode('abc')), abc);
  });
}

test('two gzips one after the other are what both hold', async t => {
  const both = Uint8Array.from(Buffer.concat([gzipSync('one'), gzipSync('two')]));
  t.is(new TextDecoder().decode(await node.gunzip(both, 100)), 'onetwo');
});
