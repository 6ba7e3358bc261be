/** The report's style sheet; figures take their colours from its variables. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fdfdfc; --panel: #ffffff; --text: #1d2126; --muted: #5b6570; --line: #d9dde2; --histogram: #e3e8ee;
  --accent: #0b5cad; --best: #eef5fc;
  --series-1: #0b5cad; --series-2: #a8440c; --series-3: #2f6f2f; --series-4: #7a3e9d; --series-5: #8a6100; --series-6: #a3245c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --panel: #1b1f25; --text: #e8eaed; --muted: #a3adb8; --line: #363d46; --histogram: #2d343d;
    --accent: #7db8f7; --best: #1c2a3a;
    --series-1: #7db8f7; --series-2: #f3a36b; --series-3: #8fd08f; --series-4: #cfa4ec; --series-5: #e5c15c; --series-6: #f294bb;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 40px 0 12px; }
h3 { font-size: 0.95rem; margin: 0 0 6px; overflow-wrap: anywhere; }
p { margin: 0 0 14px; max-width: 75ch; }
.lead, figcaption, .comment, .kind, .name { color: var(--muted); }
.lead { overflow-wrap: anywhere; }
a { color: var(--accent); }
.tiles { display: grid; gap: 14px; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); margin-top: 22px; }
.tile { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
.value { font-size: 1.8rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.comment, figcaption, .kind { font-size: 0.85rem; }
.kind { font-weight: 400; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 12px; text-align: right; white-space: nowrap; }
thead th { font-weight: 500; font-size: 0.85rem; color: var(--muted); border-bottom: 1px solid var(--line); }
tbody tr + tr > * { border-top: 1px solid var(--line); }
th:first-child, .text { text-align: left; }
tbody th { font-weight: 600; }
.best > * { background: var(--best); }
.mark { font-size: 0.75rem; font-weight: 500; border: 1px solid var(--accent); color: var(--accent); border-radius: 999px; padding: 1px 8px; margin-left: 6px; }
.figures { display: grid; gap: 20px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); }
.activations { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 250px), 1fr)); padding-top: 10px; }
figure { margin: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 14px; min-width: 0; break-inside: avoid; }
figure svg { display: block; width: 100%; max-width: 560px; height: auto; }
figure [aria-label$="tick"], figure [aria-label$="tick label"], figure [aria-label$="axis label"] { color: var(--muted); }
figure [aria-label$="grid"] { stroke: var(--line); stroke-opacity: 1; }
details + details { margin-top: 14px; }
summary { cursor: pointer; font-weight: 600; }
.coefficients { font-size: 0.85rem; margin-top: 8px; }
.coefficients summary { font-weight: 400; color: var(--muted); }
.coefficients dd { margin: 0 0 6px; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
dt { color: var(--muted); }
.recipe { display: grid; gap: 10px 24px; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); margin: 0; }
.recipe dd { margin: 0; overflow-wrap: anywhere; }
@media print { body { background: #fff; } details { display: block; } .scroll { overflow: visible; } }
`;
