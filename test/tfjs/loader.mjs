/**
 * Module hooks that let plain Node load tfjs-core's ES modules, which its own tests import: they are written for bundlers,
 * without file extensions. Everybody's `@tensorflow/tfjs-core` becomes the same files, so that there is one engine.
 */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const CORE = dirname(require.resolve('@tensorflow/tfjs-core/package.json'));
const CORE_URL = `${pathToFileURL(CORE)}/dist/`;

const BUNDLED = '?bundled';

const isFile = (/** @type {string} */ path) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  if (specifier === '@tensorflow/tfjs-core') return next(`${CORE_URL}index.js`, context);
  if (specifier.startsWith('@tensorflow/tfjs-core/dist/')) return next(withExtension(specifier), context);
  if (specifier.startsWith('.') && context.parentURL?.startsWith(CORE_URL)) {
    const path = fileURLToPath(new URL(specifier, context.parentURL));
    return next(pathToFileURL(completed(path)).href, context);
  }
  const isOfPackage = context.parentURL?.startsWith(CORE_URL) && /^[a-z]/.test(specifier);
  if (isOfPackage)
    return { url: `${pathToFileURL(require.resolve(specifier))}${BUNDLED}`, shortCircuit: true };
  return next(specifier, context);
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  // The package does not declare its files to be ES modules.
  if (url.startsWith(CORE_URL) && !url.endsWith('.node.js'))
    return { format: 'module', source: await readFile(new URL(url)), shortCircuit: true };
  if (url.endsWith(BUNDLED)) return { format: 'module', source: wrapped(url), shortCircuit: true };
  return next(url, context);
}

/** A CommonJS package as a bundler gives it to `import * as`: every property is an export. */
function wrapped(/** @type {string} */ url) {
  const path = JSON.stringify(fileURLToPath(url.slice(0, -BUNDLED.length)));
  const names = Object.keys(require(JSON.parse(path))).filter(name => /^(?!default)[a-z_]\w*$/i.test(name));
  return `import { createRequire } from 'node:module';
const whole = createRequire(${path})(${path});
export default whole;
export const { ${names} } = whole;`;
}

function withExtension(/** @type {string} */ specifier) {
  return pathToFileURL(completed(join(CORE, specifier.slice('@tensorflow/tfjs-core/'.length)))).href;
}

function completed(/** @type {string} */ path) {
  return [path, `${path}.js`, join(path, 'index.js')].find(isFile) ?? path;
}
