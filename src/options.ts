/** Checks options once, where a user's call comes in. */
import { z } from 'zod';
import { OptionsError } from './errors.js';

/**
 * The options with their defaults filled in.
 * @param where the call as the user wrote it, e.g. `'datasets.fashionMnist'`
 * @param apart options of that call that are checked elsewhere, so that an error names all there are
 * @throws OptionsError that names each wrong option, what was given and what was expected
 */
export function checkOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  where: string,
  apart: readonly string[] = [],
): z.output<Schema> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap(specific).map(issue => {
    const path = issue.path.join('.');
    if (issue.code === 'unrecognized_keys') {
      if (path) return `${path}: no option ${issue.keys.join(', ')}`;
      const known =
        schema instanceof z.ZodObject
          ? `, expected one of ${[...Object.keys(schema.shape), ...apart].join(', ')}`
          : '';
      return `no option ${issue.keys.join(', ')}${known}`;
    }
    if (!path) return issue.message;
    const given = issue.path.reduce<unknown>(
      (value, key) => (value as Record<PropertyKey, unknown>)?.[key],
      options,
    );
    return `${path}: ${issue.message}, got ${shown(given)}`;
  });
  throw new OptionsError(`${where}: ${problems.join('; ')}`, { cause: result.error });
}

type Issue = z.core.$ZodIssue;

/** Of a union only 'Invalid input' is said; what the user meant is the alternative that fits deepest. */
function specific(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const depth = (issues: readonly Issue[]) => Math.max(...issues.map(({ path }) => path.length));
  const alternatives = issue.errors.map(errors => errors.flatMap(specific));
  const nearest = alternatives.reduce((a, b) => (depth(b) > depth(a) ? b : a));
  return nearest.map(inner => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

const MAX_SHOWN = 60; // characters; an error is read by people

function shown(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`;
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
