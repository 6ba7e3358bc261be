/** Puts a bundle on the Hugging Face hub, where its folder is a repository as it stands: card, config.json, weights. */
import { OptionsError, PadezooError } from '../errors.js';
import type { Bytes } from './manifest.js';
import { HUB } from './sources/addresses.js';

/** The hub did not take the files; `cause` is its answer. */
export class HubError extends PadezooError {
  override readonly name = 'HubError';
}

export interface PushOptions {
  /** `'me/lenet-pade'` */
  readonly repository: string;
  /** Default: the environment's HF_TOKEN. */
  readonly token?: string;
  /** Default: the environment's HF_ENDPOINT, or huggingface.co. */
  readonly hub?: string;
}

/** @throws OptionsError when the hub would not take the name */
export function checkRepository(repository: string): void {
  if (/^[\w][\w.-]*\/[\w][\w.-]*$/.test(repository)) return;
  throw new OptionsError(`publish: the hub has no repository '${repository}'; expected OWNER/NAME`);
}

/**
 * Makes the repository if it is not there and commits all files at once.
 * @param files the bundle's, by path
 * @returns the URL of the commit; undefined without a token, when nothing is sent
 * @throws HubError
 */
export async function pushToHub(
  files: ReadonlyMap<string, Bytes>,
  { repository, token = process.env.HF_TOKEN, hub = process.env.HF_ENDPOINT ?? HUB }: PushOptions,
): Promise<string | undefined> {
  checkRepository(repository);
  if (!token) return undefined;
  const { createRepo, repoExists, uploadFiles } = await import('@huggingface/hub');
  const target = { repo: repository, accessToken: token, hubUrl: hub } as const;
  try {
    if (!(await repoExists(target))) await createRepo(target);
    const result = await uploadFiles({
      ...target,
      commitTitle: 'Publish with padezoo',
      files: [...files].map(([path, bytes]) => ({ path, content: new Blob([bytes]) })),
      useXet: false,
    });
    return result?.commit.url ?? `${hub}/${repository}`;
  } catch (cause) {
    throw new HubError(`publish: ${hub} did not take ${repository}: ${(cause as Error).message}`, { cause });
  }
}
