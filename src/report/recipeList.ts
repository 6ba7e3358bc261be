/** The training recipe as a list of terms, whatever is nested in it. */
import { type Html, html } from './html.js';

export function recipeList(recipe: Readonly<Record<string, unknown>>): Html {
  const entries = Object.entries(recipe).filter(([, value]) => value !== undefined);
  return html`<dl class="recipe">
${entries.map(([key, value]) => html`<div><dt>${key}</dt><dd>${text(value)}</dd></div>`)}
</dl>`;
}

function text(value: unknown): string {
  if (value === null) return 'none';
  if (typeof value === 'number' && !Number.isFinite(value)) return '–';
  if (Array.isArray(value)) return value.map(item => nested(item)).join(', ');
  if (typeof value === 'object') {
    return Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => `${key} ${nested(inner)}`)
      .join(', ');
  }
  return String(value);
}

function nested(value: unknown): string {
  return typeof value === 'object' && value !== null ? `(${text(value)})` : text(value);
}
