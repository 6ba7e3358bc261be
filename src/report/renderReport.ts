/** The report of a run: one HTML page that needs nothing else, for light and dark, narrow and wide, screen and paper. */
import { accuracyAgainstSize, accuracyCurves, activationFigure, lossCurves, sizeBars } from './figures.js';
import { count, decimal, duration, percent, stepName } from './format.js';
import { Html, html } from './html.js';
import type { ActivationRecord, RunRecord, StepRecord } from './record.js';
import { STYLE } from './style.js';

/** @returns a complete HTML document; the same record gives the same text */
export function renderReport(record: RunRecord): string {
  const { title, steps, best } = record;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
${headline(record)}
${steps.length > 0 ? tiles(steps, best) : undefined}
<section>
<h2>Steps</h2>
${stepTable(record)}
</section>
${steps.length > 0 ? figures(steps) : undefined}
${activationSections(steps, best)}
<section>
<h2>Recipe</h2>
${recipe(record)}
</section>
</main>
</body>
</html>
`;
  return page.text;
}

function headline({ title, architecture, dataset, engine, seed, created }: RunRecord): Html {
  return html`<header>
<h1>${title}</h1>
<p class="lead">${architecture} on ${dataset.name} (${dataset.source}): ${count(dataset.train)} training and
${count(dataset.test)} test images. Engine: ${engine}. Seed ${seed}. ${created.slice(0, 10)}.</p>
</header>`;
}

function tiles(steps: readonly StepRecord[], best: number | undefined): Html {
  const [first] = steps as [StepRecord];
  const chosen = best === undefined ? undefined : steps[best];
  const tile = (name: string, value: string, comment: string) =>
    html`<div class="tile"><div class="name">${name}</div><div class="value">${value}</div><div class="comment">${comment}</div></div>`;
  if (!chosen || chosen === first) {
    return html`<div class="tiles">
${tile('Test accuracy', percent(first.testAccuracy), stepName(first.percent))}
${tile('Parameters', count(first.parameters), `${count(first.activationParameters)} of them in activations`)}
${tile('MACs', count(first.macs), 'for one image')}
</div>`;
  }
  const saved = (now: number, before: number) => percent(1 - now / before);
  const points = (chosen.testAccuracy - first.testAccuracy) * 100;
  return html`<div class="tiles">
${tile('Best pruned network', percent(chosen.testAccuracy), `${stepName(chosen.percent)}; ${points < 0 ? '−' : '+'}${decimal(Math.abs(points), 1)} points against ${percent(first.testAccuracy)} unpruned`)}
${tile('Parameters saved', saved(chosen.parameters, first.parameters), `${count(chosen.parameters)} of ${count(first.parameters)}`)}
${tile('MACs saved', saved(chosen.macs, first.macs), `${count(chosen.macs)} of ${count(first.macs)}`)}
</div>`;
}

function stepTable({ steps, best }: RunRecord): Html {
  const [first] = steps;
  const row = (
    step: StepRecord,
    index: number,
  ) => html`<tr${index === best ? new Html(' class="best"') : undefined}>
<th scope="row">${stepName(step.percent)}${index === best ? html` <span class="mark">published</span>` : undefined}</th>
<td>${count(step.parameters)}</td><td>${percent(step.parameters / first!.parameters)}</td><td>${count(step.activationParameters)}</td>
<td>${count(step.macs)}</td><td>${percent(step.macs / first!.macs)}</td>
<td>${percent(step.testAccuracy)}</td><td>${decimal(step.testLoss)}</td><td>${duration(step.seconds)}</td>
<td class="text">${step.checkpoint ? html`<a href="${step.checkpoint}/README.md">${step.checkpoint}</a>` : '–'}</td>
</tr>`;
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">network</th><th scope="col">parameters</th><th scope="col">of unpruned</th><th scope="col">in activations</th>
<th scope="col">MACs</th><th scope="col">of unpruned</th><th scope="col">test accuracy</th><th scope="col">test loss</th><th scope="col">time</th>
<th scope="col" class="text">checkpoint</th></tr></thead>
<tbody>
${steps.map(row)}
</tbody>
</table></div>`;
}

function figures(steps: readonly StepRecord[]): Html {
  const figure = (title: string, drawing: Html, caption: string) =>
    html`<figure><h3>${title}</h3>${drawing}<figcaption>${caption}</figcaption></figure>`;
  const trained = steps.some(({ epochs }) => epochs.length > 0);
  return html`<section>
<h2>Training and size</h2>
<div class="figures">
${trained ? figure('Accuracy', accuracyCurves(steps), 'Per epoch; solid on test images, dotted on training images.') : undefined}
${trained ? figure('Loss', lossCurves(steps), 'Per epoch; solid on test images, dotted on training images.') : undefined}
${figure(
  'Parameters',
  sizeBars(steps, 'Parameters', step => step.parameters),
  'All trainable parameters, the activations’ included.',
)}
${figure(
  'Multiply-accumulates',
  sizeBars(steps, 'MACs', step => step.macs),
  'Of convolutions and dense layers, for one image.',
)}
${steps.length > 1 ? figure('Accuracy against size', accuracyAgainstSize(steps), 'Test accuracy of every step’s network.') : undefined}
${filterTable(steps)}
</div>
</section>`;
}

function filterTable(steps: readonly StepRecord[]): Html | undefined {
  const layers = steps[0]?.filters ?? [];
  if (layers.length === 0) return undefined;
  return html`<figure><h3>Filters</h3>
<div class="scroll"><table>
<thead><tr><th scope="col">network</th>${layers.map(({ layer }) => html`<th scope="col">${layer}</th>`)}</tr></thead>
<tbody>
${steps.map(
  step =>
    html`<tr><th scope="row">${stepName(step.percent)}</th>${step.filters.map(({ now }) => html`<td>${count(now)}</td>`)}</tr>`,
)}
</tbody>
</table></div>
<figcaption>That each convolution has.</figcaption></figure>`;
}

function activationSections(steps: readonly StepRecord[], best: number | undefined): Html | undefined {
  if (!steps.some(({ activations }) => activations.length > 0)) return undefined;
  const shown = new Set([0, best ?? 0]);
  const sections = steps.map((step, index) => {
    if (step.activations.length === 0) return html``;
    const body = html`<div class="activations">${step.activations.map(activation)}</div>`;
    return html`<details${shown.has(index) ? new Html(' open') : undefined}><summary>${stepName(step.percent)}</summary>${body}</details>`;
  });
  return html`<section id="activations">
<h2>Learned activations</h2>
<p>Solid: the function after training; dashed: what it started as; behind them how often each input occurs on test images.</p>
${sections}
</section>`;
}

function activation(record: ActivationRecord): Html {
  const { layer, kind, rational } = record;
  const numbers = (values: readonly number[]) => values.map(value => decimal(value, 4)).join(', ');
  const coefficients =
    rational &&
    html`<details class="coefficients"><summary>coefficients</summary><dl>
<dt>numerator, from degree 0</dt><dd>${numbers(rational.numerator)}</dd>
<dt>denominator, from degree 1</dt><dd>${numbers(rational.denominator)}</dd>
<dt>form</dt><dd>${rational.form}, Q ≥ ${rational.q}</dd>
</dl></details>`;
  return html`<figure class="activation"><h3>${layer} <span class="kind">${kind}</span></h3>${activationFigure(record)}${coefficients}</figure>`;
}

function recipe({ recipe, seed }: RunRecord): Html {
  const entries = Object.entries({ ...recipe, seed });
  const text = (value: unknown) =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([key, inner]) => `${key} ${String(inner)}`)
          .join(', ')
      : String(value);
  return html`<dl class="recipe">
${entries.map(([key, value]) => html`<div><dt>${key}</dt><dd>${text(value)}</dd></div>`)}
</dl>`;
}
