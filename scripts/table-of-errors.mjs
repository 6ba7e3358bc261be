#!/usr/bin/env node
/** Prints docs/activations.md: what every set of initial coefficients misses its function by. */
import { INITIAL_COEFFICIENTS } from '../dist/src/activations/coefficients.js';
import { reportOf } from '../dist/src/activations/fit.js';
import { functionByName } from '../dist/src/activations/functions.js';
import { PAPER_COEFFICIENTS } from '../dist/src/activations/paperCoefficients.js';
import { fitPade } from '../dist/src/index.js';

const RANGE = [-3, 3];
const short = value => (Object.is(value, -0) ? '0' : Number(value.toPrecision(2)).toString());
const row = (name, form, { maximumError, rmsError, atZero, tailSlopes }) =>
  `| ${name} | ${form} | ${short(maximumError)} | ${short(rmsError)} | ${short(atZero)} | ${tailSlopes.map(short).join(', ')} |`;

const fits = Object.entries(INITIAL_COEFFICIENTS).flatMap(([name, forms]) =>
  Object.entries(forms).map(([form, coefficients]) =>
    row(name, form, reportOf({ ...coefficients, form, q: 1 }, functionByName(name), RANGE)),
  ),
);
const paper = Object.entries(PAPER_COEFFICIENTS).map(([name, { forms, ...coefficients }]) => {
  const form = forms.includes('absolute-sum') ? 'absolute-sum' : forms[0];
  return row(`paper:${name}`, form, reportOf({ ...coefficients, form, q: 1 }, functionByName(name), RANGE));
});
const methods = ['lrelu:0.01', 'gelu'].flatMap(name =>
  [
    ['least-squares', {}],
    ['minimax', { method: 'minimax' }],
    ["atZero: 'exact', tailSlope: 1", { atZero: 'exact', tailSlope: 1 }],
  ].map(([how, options]) => row(`${name}, ${how}`, 'absolute-sum', fitPade(functionByName(name), options))),
);
const head = `| init | form | largest error | rms error | f(0) | slope at -∞, ∞ |
| --- | --- | --- | --- | --- | --- |`;

console.log(`# Initial coefficients and their errors

Order [5, 4], q = 1; errors on [${RANGE.join(', ')}]. Outside, no fit is its function: P/Q goes to the slopes in the last column,
which in the safe forms are the same on both sides when n is even. Made by \`node scripts/table-of-errors.mjs > docs/activations.md\`.

## Fits of padezoo (\`init: 'relu'\`, ...)

${head}
${fits.join('\n')}

## Table 6 of the PAU paper (\`init: 'paper:relu'\`, ...)

Corrected: sigmoid's b₄ is printed as 1/10008, the Padé approximant has 1/1008.

${head}
${paper.join('\n')}

## What \`fitPade\` can be asked for

${head}
${methods.join('\n')}`);
