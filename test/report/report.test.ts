import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DOMParser, parseHTML } from 'linkedom';
import type { RunRecord } from '../../src/report/record.js';
import { renderReport } from '../../src/report/renderReport.js';
import { writeReport } from '../../src/report/writeReport.js';
import { activation, sampleRun } from './sampleRun.js';

const page = renderReport(sampleRun);
const { document } = parseHTML(page);
const [unpruned] = sampleRun.steps as [RunRecord['steps'][number]];
const { best: _, ...unpublished } = sampleRun;

const texts = (selector: string, root: ParentNode = document) =>
  [...root.querySelectorAll(selector)].map(element => element.textContent!.replaceAll(/\s+/g, ' ').trim());

test('the report needs nothing from elsewhere: no script, no import, no address', t => {
  t.is(document.querySelectorAll('script, link, img, iframe, object, [onclick], [onload]').length, 0);
  t.notRegex(page.replaceAll(/xmlns(:\w+)?="[^"]*"/g, ''), /https?:|@import|url\(/);
});

test('every element that is opened is closed, in order', t => {
  const open: string[] = [];
  const body = page.replace('<!doctype html>', '').replace(/<style>[\s\S]*?<\/style>/, '');
  for (const [tag, slash, name, closed] of body.matchAll(
    /<(\/?)([a-zA-Z][\w-]*)(?:"[^"]*"|[^">])*?(\/?)>/g,
  )) {
    if (slash) t.is(open.pop(), name, tag);
    else if (!closed && name !== 'meta') open.push(name!);
  }
  t.deepEqual(open, []);
});

test('every figure is an SVG that reads as XML', t => {
  const drawings = page.match(/<svg [\s\S]*?<\/svg>/g)!;
  t.is(drawings.length, 7 + 4 * 4);
  for (const drawing of drawings) {
    const { documentElement } = new DOMParser().parseFromString(drawing, 'image/svg+xml');
    t.is(documentElement.localName, 'svg');
    t.true(documentElement.querySelectorAll('path, rect, circle').length > 0);
  }
});

test('the coupling figure names every convolution and its reader, and counts the groups', t => {
  const drawing = document.querySelector('#coupling svg')!;
  for (const name of ['conv1 (6)', 'conv2 (16)', 'conv3 (120)', 'dense1']) {
    t.true(drawing.textContent!.includes(name), name);
  }
  t.regex(drawing.getAttribute('aria-label')!, /3 convolutions in 3 groups/);
});

test('every figure says what it shows to those who cannot see it', t => {
  for (const figure of document.querySelectorAll('figure svg')) {
    t.is(figure.getAttribute('role'), 'img');
    t.regex(figure.getAttribute('aria-label')!, /\w{4,}.*\d/);
  }
});

test('every header of a table says what it is the header of', t => {
  for (const header of document.querySelectorAll('th')) t.regex(header.getAttribute('scope')!, /^(row|col)$/);
});

test('the headline says what was trained, on what, with what and when', t => {
  t.deepEqual(texts('h1'), ['LeNet with Padé activations on Fashion-MNIST']);
  t.deepEqual(texts('.facts dd'), [
    'lenet',
    'fashion-mnist (embedded subset), 6,000 training and 1,000 test images',
    'torch 2.13.0, CPU, 2 threads',
    '1',
    '2026-01-02',
  ]);
});

test('the tiles compare the published network with the unpruned one', t => {
  t.deepEqual(texts('.tile'), [
    'Test accuracy, 20 % pruned85.6 %−0.5 points against 86.2 % unpruned',
    'Parameters saved31.8 %42,102 of 61,746 remain',
    'MACs saved27.8 %300,604 of 416,520 remain',
    'Time31.6 sfor training 4 networks',
  ]);
});

test('without a published network the tiles show the most accurate pruned one', t => {
  const { document } = parseHTML(renderReport(unpublished));
  t.regex(texts('.tile', document)[0]!, /10 % pruned86\.0 %/);
  t.deepEqual(texts('.mark', document), []);
});

test('every step is a row with its numbers', t => {
  t.deepEqual(texts('.steps tbody tr'), [
    'unpruned 61,746100.0 % 40 416,520100.0 % 86.2 %0.3989.4 s unpruned',
    '10 % pruned 53,07586.0 % 40 393,01294.4 % 86.0 %0.4038.4 s step-10',
    '20 % pruned published 42,10268.2 % 40 300,60472.2 % 85.6 %0.4247.4 s step-20',
    '30 % pruned 34,95656.6 % 40 281,09667.5 % 85.0 %0.4376.4 s step-30',
  ]);
});

test('the published step alone is marked', t => {
  t.deepEqual(texts('.best .mark'), ['published']);
});

test('a checkpoint is a link relative to the report, whatever its name', t => {
  const hrefs = (record: RunRecord) =>
    [...parseHTML(renderReport(record)).document.querySelectorAll('a')].map(link =>
      link.getAttribute('href'),
    );
  t.deepEqual(hrefs(sampleRun), ['./unpruned/', './step-10/', './step-20/', './step-30/']);
  const named = (checkpoint: string) => hrefs({ ...unpublished, steps: [{ ...unpruned, checkpoint }] });
  t.deepEqual(named('javascript:alert(1)'), ['./javascript%3Aalert(1)/']);
  t.deepEqual(named('a b/50%#?'), ['./a%20b/50%25%23%3F/']);
});

test('filters of every layer at every step, one row a layer', t => {
  t.deepEqual(texts('.filters tbody tr'), ['conv16 6 5 5', 'conv216 15 13 12', 'conv3120 108 96 84']);
});

test('the unpruned and the best network show their activations, the others fold them away', t => {
  const open = [...document.querySelectorAll('#activations > details')].map(details =>
    details.hasAttribute('open'),
  );
  t.deepEqual(open, [true, false, true, false]);
});

test('coefficients are in a table, as many columns as the highest order has', t => {
  const table = document.querySelector('.coefficients')!;
  t.deepEqual(texts('thead th', table), [
    ...['activation', 'form of Q', 'q'],
    ...['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'b3', 'b4'],
  ]);
  t.is(table.querySelectorAll('tbody tr').length, 4);
});

test('noise is drawn as a band, and only then explained', t => {
  const noisy = { ...activation('act1'), band: activation('act1').learned.map(() => 0.1) };
  const text = renderReport({ ...unpublished, steps: [{ ...unpruned, activations: [noisy] }] });
  t.true(text.includes('its noise</span>'));
  t.false(page.includes('its noise</span>'));
});

test('nested recipes are spelt out', t => {
  const entries = [...document.querySelectorAll('.recipe div')].map(entry => texts('dt, dd', entry));
  t.deepEqual(entries.slice(-3), [
    ['optimizer', 'name adam, learningRate 0.002, betas (0.9, 0.999)'],
    ['weightDecay', 'none'],
    ['seed', '1'],
  ]);
});

test('no number is missing: neither NaN nor undefined is printed', t => {
  t.notRegex(page, /NaN|undefined|Infinity|\[object/);
});

test('names cannot carry markup', t => {
  const name = `<script>alert("1")</script>'&amp;`;
  const hostile = renderReport({
    ...unpublished,
    title: name,
    architecture: name,
    engine: name,
    created: name,
    dataset: { name, source: name, train: 1, test: 1 },
    recipe: { [name]: name, list: [name, { [name]: name }] },
    steps: [
      {
        ...unpruned,
        checkpoint: name,
        activations: [{ ...activation(name), kind: name }],
        filters: [{ layer: name, now: 1, original: 2 }],
      },
    ],
  });
  t.notRegex(hostile, /<script|alert\("1"/);
  const { document } = parseHTML(hostile);
  t.deepEqual(texts('h1', document), [name]);
  t.regex(hostile, /aria-label="&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt;&#39;&amp;amp;, /);
  t.deepEqual(texts('.filters tbody th', document), [name]);
});

const many = Array.from({ length: 100 }, (_, i) => activation(`act${i}`));
const records: Readonly<Record<string, RunRecord>> = {
  'no step': { ...unpublished, steps: [] },
  'one step of one epoch': {
    ...unpublished,
    steps: [{ ...unpruned, epochs: unpruned.epochs.slice(0, 1) }],
  },
  'no training': { ...unpublished, steps: [{ ...unpruned, epochs: [] }] },
  'no filters and no activations': {
    ...sampleRun,
    steps: sampleRun.steps.map(step => ({ ...step, filters: [], activations: [] })),
  },
  'activations without parameters': {
    ...unpublished,
    steps: [
      {
        ...unpruned,
        activations: many
          .slice(0, 2)
          .map(({ rational, ...rest }) => ({ ...rest, kind: 'relu', initial: [] })),
      },
    ],
  },
  'a hundred activation layers': { ...unpublished, steps: [{ ...unpruned, activations: many }] },
  'eleven steps': {
    ...sampleRun,
    best: 7,
    steps: Array.from({ length: 11 }, (_, i) => ({ ...sampleRun.steps[i % 4]!, percent: i * 9 })),
  },
  'a best network that is not there': { ...sampleRun, best: 9 },
  'the unpruned network published': { ...sampleRun, best: 0 },
  'no test images': { ...sampleRun, dataset: { ...sampleRun.dataset, test: 0 } },
  'nothing that is a number': {
    ...sampleRun,
    recipe: { momentum: Number.NaN },
    steps: sampleRun.steps.map(step => ({
      ...step,
      parameters: Number.NaN,
      macs: 0,
      filters: [{ layer: 'conv1', now: Number.NaN, original: 0 }],
      testAccuracy: Number.NaN,
      testLoss: Number.POSITIVE_INFINITY,
      seconds: Number.NaN,
      epochs: step.epochs.map(epoch => ({ ...epoch, testLoss: Number.NaN, testAccuracy: Number.NaN })),
      activations: [
        {
          ...activation('act1'),
          learned: [[0, Number.NaN] as const, [1, Number.POSITIVE_INFINITY] as const],
          band: [Number.NaN],
          inputs: { min: Number.NaN, max: Number.NaN, counts: [] },
        },
      ],
    })),
  },
  'an activation that sees one value only': {
    ...unpublished,
    steps: [
      {
        ...unpruned,
        activations: [{ ...activation('act1'), inputs: { min: 2, max: 2, counts: [5] }, learned: [[2, 0]] }],
      },
    ],
  },
};

for (const [what, record] of Object.entries(records)) {
  test(`a record with ${what} makes a report`, t => {
    const text = renderReport(record);
    t.regex(text, /<\/html>\n$/);
    t.notRegex(text, /NaN|undefined|Infinity|\[object/);
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
