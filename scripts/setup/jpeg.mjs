/** Looks for libjpeg-turbo, headers and library, as the C++ compiler sees them. */
import { spawnSync } from 'node:child_process';
import { devNull } from 'node:os';

const OLDEST = 2_001_000; // 2.1.0: partial decoding gives the pixels of a whole decoding
const INSTALL = 'libjpeg62-turbo-dev (Debian), libjpeg-turbo8-dev (Ubuntu) or jpeg-turbo (Homebrew)';

const PROGRAM = `#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
#if LIBJPEG_TURBO_VERSION_NUMBER < ${OLDEST}
#error too old
#endif
#pragma message("libjpeg-turbo " TEXT_OF(LIBJPEG_TURBO_VERSION) " found")
int main() {
  jpeg_decompress_struct jpeg{};
  JDIMENSION x = 0, width = 1;
  jpeg_crop_scanline(&jpeg, &x, &width);
  return jpeg_skip_scanlines(&jpeg, 1) == 0;
}
`;

/**
 * Compiles and links a program of a few lines. CPATH and LIBRARY_PATH lead the compiler to other places than its own.
 *
 * @param {string[]} compiler
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ version: string | undefined, found: string }} `found` is a line that says so
 */
export function findJpeg([program = '', ...options], env = process.env) {
  const without = (/** @type {string} */ reason) => ({
    version: undefined,
    found: `JPEG: ${reason}: sharp decodes, at about half the speed`,
  });
  if (env.PADEZOO_NO_JPEG === '1') return without('libjpeg-turbo is switched off by PADEZOO_NO_JPEG=1');
  const { status, stderr } = spawnSync(program, [...options, '-x', 'c++', '-', '-ljpeg', '-o', devNull], {
    input: PROGRAM,
    encoding: 'utf8',
    env: { ...env, LC_ALL: 'C' },
  });
  const version = /libjpeg-turbo (\d\S*) found/.exec(stderr ?? '')?.[1];
  if (status === 0 && version) return { version, found: `JPEG: libjpeg-turbo ${version}` };
  if (version) return without(`headers of libjpeg-turbo ${version}, but its library does not link`);
  if (/too old/.test(stderr ?? '')) return without('this libjpeg is not libjpeg-turbo 2.1 or newer');
  return without(`no libjpeg-turbo; ${INSTALL} has it`);
}
