/** The report of a run: one HTML page that needs nothing else, for light and dark, narrow and wide, screen and paper. */
import type { Explanation } from '../../pruning/explain.js';
import { activationFigure } from './activationFigure.js';
import { couplingFigure } from './couplingFigure.js';
import { accuracyAgainstSize, accuracyCurves, lossCurves, sizeBars } from './figures.js';
import { count, duration, percent, points, stepName } from './format.js';
import { Html, html, pageHead } from './html.js';
import { accuracyInterval } from './interval.js';
import { recipeList } from './recipeList.js';
import type { ActivationRecord, RunRecord, StepRecord } from './record.js';
import { STYLE } from './style.js';
import { coefficientTable, filterTable, stepTable } from './tables.js';

/** @returns a complete HTML document; the same record gives the same text */
export function renderReport(record: RunRecord): string {
  const { title, steps } = record;
  const page = html`${pageHead({ title, style: STYLE })}
<body>
<main>
${headline(record)}
${steps.length > 0 ? results(record) : undefined}
${activationSections(record)}
${record.coupling && coupling(record.coupling)}
<section>
<h2>Recipe</h2>
${recipeList({ ...record.recipe, seed: record.seed })}
</section>
</main>
</body>
</html>
`;
  return page.text;
}

function headline({ title, architecture, dataset, engine, seed, created }: RunRecord): Html {
  const facts = {
    network: architecture,
    data: `${dataset.name} (${dataset.source}), ${count(dataset.train)} training and ${count(dataset.test)} test images`,
    engine,
    seed: String(seed),
    date: created.slice(0, 10),
  };
  return html`<header>
<h1>${title}</h1>
<dl class="facts">
${Object.entries(facts).map(([term, fact]) => html`<div><dt>${term}</dt><dd>${fact}</dd></div>`)}
</dl>
</header>`;
}

function results(record: RunRecord): Html {
  return html`${tiles(record)}
<section>
<h2>Steps</h2>
${stepTable(record)}
${certainty(record)}
</section>
<section>
<h2>Training and size</h2>
${figures(record)}
</section>`;
}

/** The published pruned network, else the most accurate pruned one. */
function bestPruned({ steps, best }: RunRecord): StepRecord | undefined {
  const pruned = steps.slice(1);
  if (best !== undefined && best > 0 && steps[best]) return steps[best];
  return pruned.reduce<StepRecord | undefined>(
    (most, step) => (most && !(step.testAccuracy > most.testAccuracy) ? most : step),
    undefined,
  );
}

function tiles(record: RunRecord): Html {
  const { steps } = record;
  const first = steps[0]!;
  const chosen = bestPruned(record);
  const tile = (name: string, value: string, comment: string) =>
    html`<div class="tile"><div class="name">${name}</div><div class="value">${value}</div><div class="comment">${comment}</div></div>`;
  const saved = (now: number, before: number) => percent(1 - now / before);
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
  const time = tile(
    'Time',
    duration(seconds),
    steps.length === 1 ? 'for training it' : `for training ${count(steps.length)} networks`,
  );
  if (!chosen) {
    return html`<div class="tiles">
${tile('Test accuracy', percent(first.testAccuracy), stepName(first.percent))}
${tile('Parameters', count(first.parameters), `${count(first.activationParameters)} of them in activations`)}
${tile('MACs', count(first.macs), 'for one image')}
${time}
</div>`;
  }
  const gain = points(chosen.testAccuracy - first.testAccuracy);
  return html`<div class="tiles">
${tile(`Test accuracy, ${stepName(chosen.percent)}`, percent(chosen.testAccuracy), `${gain} against ${percent(first.testAccuracy)} unpruned`)}
${tile('Parameters saved', saved(chosen.parameters, first.parameters), `${count(chosen.parameters)} of ${count(first.parameters)} remain`)}
${tile('MACs saved', saved(chosen.macs, first.macs), `${count(chosen.macs)} of ${count(first.macs)} remain`)}
${time}
</div>`;
}

/** How much of a difference in accuracy is chance. */
function certainty({ steps, dataset }: RunRecord): Html | undefined {
  const [low, high] = accuracyInterval(steps[0]!.testAccuracy, dataset.test);
  const half = ((high - low) / 2) * 100;
  if (!(half > 0)) return undefined;
  return html`<p class="note">MACs: multiply-accumulates of convolutions and dense layers, for one image. On ${count(dataset.test)}
test images an accuracy is known to ±${half.toFixed(1)} points (95\u00a0% interval).</p>`;
}

function key(...entries: readonly (readonly [sample: string, meaning: string])[]): Html {
  const spans = entries.map(
    ([sample, meaning]) => html`<span><i class="sample ${sample}" aria-hidden="true"></i>${meaning}</span>`,
  );
  return html`<span class="key">${spans}</span>`;
}

function figures(record: RunRecord): Html {
  const { steps, dataset } = record;
  const figure = (title: string, drawing: Html, caption?: string | Html, kind = '') =>
    html`<figure class="${kind}"><h3>${title}</h3>${drawing}${caption ? html`<figcaption>${caption}</figcaption>` : undefined}</figure>`;
  const trained = steps.some(({ epochs }) => epochs.length > 0);
  const lines = steps.some(({ epochs }) => epochs.length > 1);
  const samples = key(
    [lines ? 'solid' : 'filled', 'test images'],
    [lines ? 'dotted' : 'hollow', 'training images'],
  );
  const filters = filterTable(steps);
  const bars = `Labels: filters pruned. Bars: the 95\u00a0% interval that ${count(dataset.test)} test images leave.`;
  const against = (title: string, what: string, size: (step: StepRecord) => number) =>
    figure(title, accuracyAgainstSize(record, what, size), bars, 'trade');
  return html`<div class="figures">
${trained ? figure('Accuracy, %', accuracyCurves(record), samples) : undefined}
${trained ? figure('Cross-entropy, nats', lossCurves(record), samples) : undefined}
${figure(
  'Parameters',
  sizeBars(record, 'Parameters', step => step.parameters),
  'All that are trained, the activations’ included.',
  'size',
)}
${figure(
  'Multiply-accumulates',
  sizeBars(record, 'Multiply-accumulates', step => step.macs),
  'Of convolutions and dense layers, for one image.',
  'size',
)}
${steps.length > 1 ? against('Test accuracy, %, against parameters', 'parameters', step => step.parameters) : undefined}
${steps.length > 1 ? against('Test accuracy, %, against multiply-accumulates', 'MACs', step => step.macs) : undefined}
${filters && figure('Filters', filters, 'Of each convolution, by the share pruned; shaded: what is left of the original ones.', 'size')}
</div>`;
}

function coupling(explanation: Explanation): Html {
  return html`<section id="coupling">
<h2>Coupling</h2>
<p class="note">Convolutions from input to output. Tied on the left: they lose the same channels. Arrows on the right: who
reads them.</p>
<details><summary>${count(explanation.groups.length)} groups</summary>
${couplingFigure(explanation)}</details>
</section>`;
}

function activationSections(record: RunRecord): Html | undefined {
  const { steps } = record;
  const all = steps.flatMap(({ activations }) => activations);
  if (all.length === 0) return undefined;
  const shown = [steps[0], bestPruned(record)];
  const entries: (readonly [string, string])[] = [['learned', 'after training']];
  if (all.some(({ band }) => band)) entries.push(['ribbon', 'its noise']);
  if (all.some(({ initial }) => initial.length > 0)) entries.push(['initial', 'at the start']);
  entries.push(['histogram', 'its inputs on test images']);
  return html`<section id="activations">
<h2>Activations</h2>
<p class="note">${key(...entries)}</p>
${steps.map(step => activationSection(step, shown.includes(step)))}
</section>`;
}

function activationSection({ percent: pruned, activations }: StepRecord, open: boolean): Html {
  if (activations.length === 0) return html``;
  const coefficients = coefficientTable(activations);
  return html`<details${open ? new Html(' open') : undefined}><summary>${stepName(pruned)}</summary>
<div class="activations">${activations.map(activation)}</div>
${coefficients && html`<details class="inner"><summary>Coefficients</summary>${coefficients}</details>`}
</details>`;
}

function activation(record: ActivationRecord): Html {
  return html`<figure><h3>${record.layer} <span class="kind">${record.kind}</span></h3>${activationFigure(record)}</figure>`;
}
