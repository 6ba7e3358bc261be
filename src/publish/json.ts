/** Reads JSON that a stranger wrote: UTF-8, bounded in depth, without `__proto__`, and of the shape that a schema says. */
import type { z } from 'zod';
import { ManifestError } from './errors.js';
import type { Bytes } from './manifest.js';

/** Levels of nesting: far above a network's topology (about 12); keeps recursive readers off the end of the stack. */
export const MAX_JSON_DEPTH = 100;

/**
 * @param bundle the bundle and
 * @param file the file to name in errors
 * @throws ManifestError
 */
export function parseJson(bundle: string, file: string, bytes: Bytes): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new ManifestError(bundle, file, '', `is not JSON: ${(cause as Error).message}`, { cause });
  }
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_JSON_DEPTH) {
      throw new ManifestError(bundle, file, '', `nests deeper than ${MAX_JSON_DEPTH} levels`);
    }
    const next: unknown[] = [];
    for (const node of level) {
      if (typeof node !== 'object' || node === null) continue;
      if (Object.hasOwn(node, '__proto__')) {
        throw new ManifestError(bundle, file, '', 'has a key "__proto__", which no checkpoint needs');
      }
      for (const child of Object.values(node)) next.push(child);
    }
    level = next;
  }
  return value;
}

/** @throws ManifestError that names the first field that is wrong */
export function checkJson<Schema extends z.ZodType>(
  bundle: string,
  file: string,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const parsed = schema.safeParse(value, { reportInput: false });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new ManifestError(bundle, file, fieldName(issue.path), issue.message);
}

function fieldName(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`))
    .join('');
}
