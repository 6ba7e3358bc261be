/** A template tag for HTML in which every value is escaped, unless it is HTML that this tag or a figure made. */

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = string | number | Html | readonly Html[] | undefined;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character]!);
}

export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  const filled = parts.map((part, i) => part + (i < values.length ? textOf(values[i]) : ''));
  return new Html(filled.join(''));
}

export interface PageHead {
  readonly title: string;
  readonly style: string;
  /** A link: for a page without one browsers ask the server for `/favicon.ico`. */
  readonly icon?: Html;
}

/** What both our pages begin with. */
export function pageHead({ title, style, icon }: PageHead): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${icon}
<style>${new Html(style)}</style>
</head>`;
}

function textOf(value: Value): string {
  if (value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(item => item.text).join('\n');
  return escapeHtml(String(value));
}
