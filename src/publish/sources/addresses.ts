/** What an address of a bundle means: a URL, a package of npm, a repository of the Hugging Face hub, or a path. */
import { NotABundleError } from '../errors.js';

export type Address =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'npm'; readonly name: string }
  | { readonly kind: 'path' };

/** Where the hub is. */
export const HUB = 'https://huggingface.co';
/** The bundle's folder in a package. */
export const PACKAGE_FOLDER = 'model';

const PACKAGE = /^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/;
const REPOSITORY = /^([\w.-]+\/[\w.-]+)(?:@([\w./-]+))?$/;

/**
 * `'https://...'`, `'npm:my-network'`, `'hub:me/my-network'` or `'hub:me/my-network@revision'`; anything else is a path.
 * @param hub another hub than Hugging Face's own
 * @throws NotABundleError for a name that cannot be one
 */
export function addressOf(given: string, hub: string = HUB): Address {
  if (/^https?:\/\//.test(given)) return { kind: 'url', url: given };
  if (given.startsWith('npm:')) {
    const name = given.slice('npm:'.length);
    if (!PACKAGE.test(name))
      throw new NotABundleError(given, 'the name', "is no package's, expected npm:NAME");
    return { kind: 'npm', name };
  }
  if (given.startsWith('hub:')) {
    const [, repository, revision = 'main'] = REPOSITORY.exec(given.slice('hub:'.length)) ?? [];
    if (!repository || repository.includes('..') || revision.includes('..'))
      throw new NotABundleError(given, 'the name', "is no repository's, expected hub:OWNER/NAME");
    return { kind: 'url', url: `${hub}/${repository}/resolve/${encodeURIComponent(revision)}/` };
  }
  return { kind: 'path' };
}

export const isArchive = (url: string): boolean => /\.(tar\.gz|tgz)$/.test(new URL(url).pathname);
