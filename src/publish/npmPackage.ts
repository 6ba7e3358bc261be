/** A bundle as a package of npm that holds its weights: `import model from 'NAME'`, every file declared with its digest. */
import { createRequire } from 'node:module';
import { OptionsError } from '../errors.js';
import type { Bytes, Manifest } from './manifest.js';
import { placeBundle } from './placeBundle.js';
import { PACKAGE_FOLDER } from './sources/addresses.js';

/** npm's own rule. */
const NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const MAX_NAME = 214;

export interface PackageOptions {
  /** `'lenet-pade'`, `'@me/lenet-pade'` */
  readonly name: string;
  /** Of the package; default `'1.0.0'`. */
  readonly version?: string;
}

/** @throws OptionsError when npm would not take the name */
export function checkPackageName(name: string): void {
  if (NAME.test(name) && name.length <= MAX_NAME) return;
  throw new OptionsError(
    `publish: npm takes no package '${name}'; expected lower-case letters, digits, '-', '.', '_', as in '@me/lenet-pade'`,
  );
}

/**
 * Writes a folder that `npm publish` takes as it is.
 * @param files the bundle's, by path
 * @param to the folder; a package of a network that stands there is replaced
 * @returns its absolute path
 */
export async function writePackage(
  files: ReadonlyMap<string, Bytes>,
  manifest: Manifest,
  to: string,
  { name, version = '1.0.0' }: PackageOptions,
): Promise<string> {
  checkPackageName(name);
  const { architecture, versions, licence } = manifest;
  const digests = Object.fromEntries(
    manifest.files.map(({ path, sha256 }) => [`${PACKAGE_FOLDER}/${path}`, `sha256-${toBase64(sha256)}`]),
  );
  const description = {
    name,
    version,
    description: `${architecture.name}: a network made with padezoo, with its weights`,
    ...(licence && { license: npmLicence(licence) }),
    type: 'module',
    keywords: ['padezoo', 'model', 'tensorflow.js', 'image-classification'],
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './package.json': './package.json',
      [`./${PACKAGE_FOLDER}/*`]: `./${PACKAGE_FOLDER}/*`,
    },
    files: ['index.js', 'index.d.ts', PACKAGE_FOLDER],
    peerDependencies: { padezoo: `>=${versions.padezoo}` },
    padezoo: { manifest: `${PACKAGE_FOLDER}/padezoo.json`, files: digests },
  };
  const entries = new Map<string, Bytes>([
    ['package.json', utf8(`${JSON.stringify(description, null, 2)}\n`)],
    ['index.js', utf8(INDEX)],
    ['index.d.ts', utf8(TYPES)],
    ['README.md', files.get('README.md')!],
    ...[...files].map(([path, bytes]) => [`${PACKAGE_FOLDER}/${path}`, bytes] as const),
  ]);
  const { directory } = await placeBundle(to, entries, { marker: PACKAGE_FOLDER });
  return directory;
}

/** As npm spells it; hubs have ids of their own (`'openrail'`), which npm would refuse: the card has those. */
export function npmLicence(licence: string): string {
  const ids: readonly string[] = createRequire(import.meta.url)('spdx-license-ids');
  return ids.find(id => id.toLowerCase() === licence.toLowerCase()) ?? 'SEE LICENSE IN README.md';
}

const INDEX = `/** The network, loaded and checked against its digests. */
import { load } from 'padezoo';

const folder = new URL('./${PACKAGE_FOLDER}/', import.meta.url);
/** A path in Node, a URL in a browser. */
const place = folder.protocol === 'file:' ? (await import('node:url')).fileURLToPath(folder) : folder.href;

export default await load(place);
`;

const TYPES = `import type { load } from 'padezoo';

/** The network, loaded and checked against its digests; it belongs to whoever imports it. */
declare const model: Awaited<ReturnType<typeof load>>;
export default model;
`;

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);
const toBase64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
