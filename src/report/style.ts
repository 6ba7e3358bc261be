/** The report's style sheet; figures take their colours from its variables. */
export const STYLE = `
:root {
  --page: #fcfcfb; --panel: #ffffff; --text: #1d2126; --muted: #59636e; --faint: #7a848f; --line: #dde1e5; --histogram: #dbe3ec;
  --accent: #0b5cad; --best: #eef5fc; --bar: #e4ecf5; --shade: rgb(20 30 40 / 0.18);
  --series-1: #3d4752; --series-2: #0b5cad; --series-3: #a8440c; --series-4: #7a3e9d; --series-5: #2f6f2f; --series-6: #a3245c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --page: #14171b; --panel: #1b1f25; --text: #e8eaed; --muted: #a5afba; --faint: #808b97; --line: #39414b; --histogram: #36414e;
    --accent: #7db8f7; --best: #1e2c3c; --bar: #2a3644; --shade: rgb(0 0 0 / 0.55);
    --series-1: #c3cbd4; --series-2: #7db8f7; --series-3: #f3a36b; --series-4: #cfa4ec; --series-5: #8fd08f; --series-6: #f294bb;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: clamp(16px, 3vw, 36px) clamp(12px, 2.5vw, 32px) 56px; }
h1 { font-size: clamp(1.35rem, 1.1rem + 1.2vw, 1.9rem); line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 14px; text-wrap: balance; }
h1, h3, dd, th, a { overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 38px 0 12px; }
h3 { font-size: 0.95rem; margin: 0 0 8px; }
.activations h3 { font-size: 0.9rem; margin-bottom: 4px; }
dl { margin: 0; }
dt, .name, .comment, .kind, .note, figcaption { color: var(--muted); font-size: 0.85rem; }
dd { margin: 0; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 32px; }
.kind { font-weight: 400; }
.note { margin: 10px 0 0; max-width: 100ch; }
#activations .note { margin: 0 0 14px; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(2, 1fr); margin-top: 22px; }
@media (min-width: 900px) { .tiles { grid-template-columns: repeat(4, 1fr); } }
.tile, figure, .scroll { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
.tile { padding: clamp(8px, 1.5vw, 12px) clamp(10px, 2vw, 16px); min-width: 0; break-inside: avoid; }
.value { font-size: clamp(1.35rem, 1.1rem + 1vw, 1.75rem); font-weight: 600; line-height: 1.3; }
.value, table, svg { font-variant-numeric: tabular-nums; }
.scroll { overflow: auto; }
.scroll {
  background: linear-gradient(to left, var(--panel) 30%, transparent) right / 36px 100% no-repeat local,
    linear-gradient(to left, var(--shade), transparent) right / 12px 100% no-repeat scroll, var(--panel);
}
figure .scroll, .inner .scroll { max-height: 22rem; }
table { border-collapse: separate; border-spacing: 0; width: 100%; }
th, td { padding: 7px 10px; text-align: right; white-space: nowrap; }
thead th { position: sticky; top: 0; z-index: 1; background: var(--panel); font-weight: 500; font-size: 0.82rem; color: var(--muted); vertical-align: bottom; border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
th:first-child { position: sticky; left: 0; background: var(--panel); max-width: 16rem; }
.filters th:first-child, .coefficients th:first-child { white-space: normal; min-width: calc(var(--name) + 20px); }
thead th:first-child { z-index: 2; }
th:first-child, .text { text-align: left; }
tbody th { font-weight: 600; }
td.share { color: var(--muted); }
.best > th, .best > td { background: var(--best); }
.mark { display: inline-block; font-size: 0.75rem; font-weight: 500; line-height: 1.4; border: 1px solid var(--accent); color: var(--accent); border-radius: 999px; padding: 0 8px; }
.filters th, .filters td { padding: 5px 8px; }
.filters { font-size: 0.9rem; }
@media (max-width: 600px) {
  th, td { padding: 6px 9px; }
  .mark { display: table; }
}
td.bar { background: linear-gradient(var(--bar), var(--bar)) 0 0 / var(--share) 100% no-repeat content-box; }
.coefficients { font-size: 0.85rem; }
figure .scroll { border-radius: 6px; }
.figures, .activations { display: grid; gap: 14px; }
.figures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.activations { grid-template-columns: repeat(auto-fill, minmax(min(100%, 240px), 1fr)); padding-top: 10px; }
figure { margin: 0; padding: 12px 14px; min-width: 0; break-inside: avoid; display: flex; flex-direction: column; }
figure svg { display: block; width: 100%; max-width: 460px; height: auto; }
figcaption { margin-top: auto; padding-top: 8px; }
figure [aria-label$="tick label"], figure [aria-label$="axis label"] { color: var(--muted); }
figure [aria-label$="grid"] { stroke: var(--line); stroke-opacity: 1; }
.key { display: inline-flex; flex-wrap: wrap; gap: 2px 18px; }
.sample { display: inline-block; width: 24px; height: 0; margin-right: 7px; vertical-align: middle; border-top: 2px solid var(--muted); }
.sample.dotted { border-top-style: dotted; }
.sample.filled, .sample.hollow { width: 9px; height: 9px; border: 1.5px solid var(--muted); border-radius: 50%; }
.sample.filled { background: var(--muted); }
.sample.learned { border-top: 3px solid var(--accent); }
.sample.initial { border-top: 2px dashed var(--text); }
.sample.histogram, .sample.ribbon { height: 11px; border: 0; background: var(--histogram); }
.sample.ribbon { background: var(--accent); opacity: 0.3; }
details + details { margin-top: 14px; }
summary { cursor: pointer; font-weight: 600; }
.inner { margin-top: 10px; }
.inner > summary { font-weight: 400; font-size: 0.85rem; color: var(--muted); margin-bottom: 6px; }
.recipe { display: grid; gap: 10px 24px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 180px), 1fr)); }
@media (min-width: 1080px) {
  .figures > .size { order: 1; }
}
@media print {
  body { background: #fff; font-size: 12px; }
  main { max-width: none; padding: 0; }
  .figures { grid-template-columns: repeat(2, 1fr); }
  .tiles, .activations { grid-template-columns: repeat(4, 1fr); gap: 8px; }
  .activations figure { padding: 6px 8px; }
  .scroll, figure .scroll, .inner .scroll { overflow: visible; max-height: none; background: none; }
  th, td { padding: 4px 6px; }
  h2, h3, summary { break-after: avoid; }
  .tile, .bar, .best > *, .sample, svg { print-color-adjust: exact; }
  details::details-content { content-visibility: visible; height: auto; }
}
`;
