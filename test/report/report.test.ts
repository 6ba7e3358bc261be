import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseHTML } from 'linkedom';
import { renderReport } from '../../src/report/renderReport.js';
import { writeReport } from '../../src/report/writeReport.js';
import { activation, sampleRun } from './sampleRun.js';

const page = renderReport(sampleRun);
const { document } = parseHTML(page);
const [unpruned] = sampleRun.steps;

test('the report needs nothing from elsewhere: no script, no import, no address', t => {
  t.is(document.querySelectorAll('script, link, img, iframe').length, 0);
  t.notRegex(page.replaceAll(/xmlns(:\w+)?="[^"]*"/g, ''), /https?:|@import|url\(/);
});

test('every step is a row with its parameters, MACs and accuracy', t => {
  const rows = [...document.querySelectorAll('section table')[0]!.querySelectorAll('tbody tr')].map(
    row => row.textContent,
  );
  t.is(rows.length, 4);
  for (const [i, words] of [
    ['unpruned', '61,746', '416,520', '83.5 %'],
    ['10 % pruned', '53,075', '393,012', '83.3 %'],
  ].entries()) {
    for (const word of words) t.true(rows[i]!.includes(word), `${word} in ${rows[i]}`);
  }
});

test('the published step alone is marked', t => {
  const marked = [...document.querySelectorAll('.best')];
  t.is(marked.length, 1);
  t.regex(marked[0]!.textContent!, /20 % pruned.*published/s);
});

test('every figure says what it shows to those who cannot see it', t => {
  const figures = [...document.querySelectorAll('figure svg')];
  t.is(figures.length, 5 + 4 * 4);
  for (const figure of figures) {
    t.is(figure.getAttribute('role'), 'img');
    t.true(figure.getAttribute('aria-label')!.length > 10);
  }
});

test('the unpruned and the best network show their activations, the others fold them away', t => {
  const open = [...document.querySelectorAll('#activations > details')].map(details =>
    details.hasAttribute('open'),
  );
  t.deepEqual(open, [true, false, true, false]);
});

test('no number is missing: neither NaN nor undefined is printed', t => {
  t.notRegex(page, /NaN|undefined|Infinity/);
});

test('values that are not numbers are dashes and gaps', t => {
  const broken = {
    ...unpruned!,
    testAccuracy: Number.NaN,
    testLoss: Number.POSITIVE_INFINITY,
    epochs: unpruned!.epochs.map(epoch => ({ ...epoch, testLoss: Number.NaN })),
    activations: [
      {
        ...activation('act1'),
        learned: [
          [0, Number.NaN],
          [1, 1],
        ] as const,
      },
    ],
  };
  t.notRegex(renderReport({ ...sampleRun, steps: [broken] }), /NaN|undefined|Infinity/);
});

test('names cannot carry markup', t => {
  const name = `<script>alert("1")</script>'&`;
  const hostile = renderReport({
    ...sampleRun,
    title: name,
    architecture: name,
    recipe: { [name]: name },
    steps: [
      {
        ...unpruned!,
        checkpoint: name,
        activations: [activation(name)],
        filters: [{ layer: name, now: 1, original: 2 }],
      },
    ],
  });
  t.notRegex(hostile, /<script/);
  t.is(parseHTML(hostile).document.querySelector('h1')!.textContent, name);
});

for (const [what, record] of [
  ['no step', { ...sampleRun, steps: [] }],
  [
    'one step of one epoch',
    { ...sampleRun, steps: [{ ...unpruned!, epochs: unpruned!.epochs.slice(0, 1) }] },
  ],
  ['no training', { ...sampleRun, steps: [{ ...unpruned!, epochs: [] }] }],
  ['no activations', { ...sampleRun, steps: sampleRun.steps.map(step => ({ ...step, activations: [] })) }],
  [
    'a hundred activation layers',
    {
      ...sampleRun,
      steps: [{ ...unpruned!, activations: Array.from({ length: 100 }, (_, i) => activation(`act${i}`)) }],
    },
  ],
] as const) {
  test(`a record with ${what} makes a report`, t => {
    const { best, ...rest } = record;
    const text = renderReport(best !== undefined && best < rest.steps.length ? record : rest);
    t.regex(text, /<\/html>\n$/);
    t.notRegex(text, /NaN|undefined|Infinity/);
  });
}

test('the same record makes the same report', t => {
  t.is(renderReport(sampleRun), page);
});

test('the file is written whole, into folders that did not exist', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'padezoo-report-'));
  await writeReport(sampleRun, join(folder, 'a/b/report.html'));
  t.is(await readFile(join(folder, 'a/b/report.html'), 'utf8'), page);
  t.deepEqual(await readdir(join(folder, 'a/b')), ['report.html']);
  await rm(folder, { recursive: true });
});
