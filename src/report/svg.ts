/** A plot as SVG text that takes its colours from the page, so that it follows light and dark. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Html, html } from './html.js';

const { document } = parseHTML('<!doctype html><html><body></body></html>');

const STYLE = {
  background: 'none',
  color: 'var(--text)',
  fontSize: '12.5px',
  fontFamily: 'inherit',
  overflow: 'visible',
};

/** Colours of the style sheet; more steps than colours start over, told apart by symbols and labels. */
const SERIES = 6;
const SYMBOLS = ['circle', 'square', 'triangle', 'diamond2', 'star', 'wye'] as const;

export const colour = (series: number) => `var(--series-${(series % SERIES) + 1})`;
export const symbol = (series: number) => SYMBOLS[series % SYMBOLS.length]!;

/** @param label says what the figure shows to those who cannot see it */
export function svg(label: string, options: Plot.PlotOptions): Html {
  const figure = Plot.plot({ document: document as unknown as Document, style: STYLE, ...options });
  for (const style of figure.querySelectorAll('style')) style.remove(); // the page has its own
  const drawing = new Html(figure.outerHTML.slice('<svg'.length));
  return html`<svg role="img" aria-label="${label}"${drawing}`;
}
