/** The report's tables; each scrolls in its own box where it is wider than the page. */
import { firstDegree, orderOf } from '../activations/rational.js';
import { count, decimal, duration, percent, shortStepName, significant, stepName } from './format.js';
import { type Html, html } from './html.js';
import type { ActivationRecord, RunRecord, StepRecord } from './record.js';

/** A box that scrolls, by keyboard too. */
function scrollable(label: string, table: Html): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${label}">${table}</div>`;
}

/** Room for the longest name, as far as there is any; longer ones wrap. */
function nameWidth(names: readonly string[]): string {
  const longest = names.reduce((most, name) => Math.max(most, name.length), 0);
  return `${Math.min(longest, 18)}ch`;
}

/** One row per network of the run. */
export function stepTable({ steps, best }: RunRecord): Html {
  const [first] = steps;
  const row = (step: StepRecord, index: number) => html`<tr class="${index === best ? 'best' : ''}">
<th scope="row">${stepName(step.percent)}${index === best ? html` <span class="mark">published</span>` : undefined}</th>
<td>${count(step.parameters)}</td><td class="share">${percent(step.parameters / first!.parameters)}</td>
<td>${count(step.activationParameters)}</td>
<td>${count(step.macs)}</td><td class="share">${percent(step.macs / first!.macs)}</td>
<td>${percent(step.testAccuracy)}</td><td>${decimal(step.testLoss)}</td><td>${duration(step.seconds)}</td>
<td class="text">${checkpointLink(step.checkpoint)}</td>
</tr>`;
  return scrollable(
    'Steps',
    html`<table class="steps">
<thead><tr><th scope="col">network</th><th scope="col">parameters</th><th scope="col">% of unpruned</th>
<th scope="col">in activations</th><th scope="col">MACs</th><th scope="col">% of unpruned</th>
<th scope="col">test accuracy</th><th scope="col">test loss</th><th scope="col">time</th>
<th scope="col" class="text">checkpoint</th></tr></thead>
<tbody>
${steps.map(row)}
</tbody>
</table>`,
  );
}

/** Relative whatever its name is: a folder called `javascript:x` is a folder. */
function checkpointLink(checkpoint: string | undefined): Html | string {
  if (checkpoint === undefined) return '–';
  const path = checkpoint.split('/').map(encodeURIComponent).join('/');
  return html`<a href="./${path}/">${checkpoint}</a>`;
}

/** Filters of each convolution at every step; a bar behind each number is its share of the original. */
export function filterTable(steps: readonly StepRecord[]): Html | undefined {
  const layers = new Set(steps.flatMap(({ filters }) => filters.map(({ layer }) => layer)));
  if (layers.size === 0) return undefined;
  const now = steps.map(({ filters }) => new Map(filters.map(entry => [entry.layer, entry])));
  const cell = (entry: StepRecord['filters'][number] | undefined) => {
    if (!entry) return html`<td>–</td>`;
    const share = Math.min(100, Math.max(0, (entry.now / entry.original) * 100 || 0));
    return html`<td class="bar" style="--share:${share.toFixed(1)}%">${count(entry.now)}</td>`;
  };
  return scrollable(
    'Filters of each convolution',
    html`<table class="filters" style="--name:${nameWidth([...layers])}">
<thead><tr><th scope="col">layer</th>${steps.map(step => html`<th scope="col">${shortStepName(step.percent)}</th>`)}</tr></thead>
<tbody>
${[...layers].map(layer => html`<tr><th scope="row">${layer}</th>${now.map(step => cell(step.get(layer)))}</tr>`)}
</tbody>
</table>`,
  );
}

/** Coefficients of every Padé activation of one network. */
export function coefficientTable(activations: readonly ActivationRecord[]): Html | undefined {
  const rows = activations.flatMap(({ layer, rational }) => (rational ? [{ layer, rational }] : []));
  if (rows.length === 0) return undefined;
  const rationals = rows.map(({ rational }) => rational);
  const degrees = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const m = degrees(
    0,
    rationals.reduce((most, rational) => Math.max(most, orderOf(rational)[0]), 0),
  );
  const n = degrees(
    rationals.reduce((least, { form }) => Math.min(least, firstDegree(form)), 1),
    rationals.reduce((most, rational) => Math.max(most, orderOf(rational)[1]), 0),
  );
  const cell = (value: number | undefined) => html`<td>${value === undefined ? '' : significant(value)}</td>`;
  return scrollable(
    'Coefficients',
    html`<table class="coefficients" style="--name:${nameWidth(rows.map(({ layer }) => layer))}">
<thead><tr><th scope="col">activation</th><th scope="col" class="text">form of Q</th><th scope="col">q</th>
${m.map(i => html`<th scope="col"><i>a</i><sub>${i}</sub></th>`)}${n.map(i => html`<th scope="col"><i>b</i><sub>${i}</sub></th>`)}</tr></thead>
<tbody>
${rows.map(
  ({ layer, rational }) => html`<tr><th scope="row">${layer}</th><td class="text">${rational.form}</td>
${cell(rational.q)}${m.map(i => cell(rational.numerator[i]))}${n.map(i => cell(rational.denominator[i - firstDegree(rational.form)]))}</tr>`,
)}
</tbody>
</table>`,
  );
}
