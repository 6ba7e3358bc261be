/** Checks options once, where a user's call comes in. */
import { z } from 'zod';
import { OptionsError } from './errors.js';

/**
 * The options with their defaults filled in.
 * @param where the call as the user wrote it, e.g. `'datasets.fashionMnist'`
 * @throws OptionsError that names each wrong option, what was given and what was expected
 */
export function checkOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  where: string,
): z.output<Schema> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.map(issue => {
    if (issue.code === 'unrecognized_keys' && schema instanceof z.ZodObject)
      return `no option ${issue.keys.join(', ')}, expected one of ${Object.keys(schema.shape).join(', ')}`;
    if (issue.path.length === 0) return issue.message;
    const given = issue.path.reduce<unknown>(
      (value, key) => (value as Record<PropertyKey, unknown>)?.[key],
      options,
    );
    return `${issue.path.join('.')}: ${issue.message}, got ${shown(given)}`;
  });
  throw new OptionsError(`${where}: ${problems.join('; ')}`, { cause: result.error });
}

const MAX_SHOWN = 60; // characters; an error is read by people

function shown(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`;
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
