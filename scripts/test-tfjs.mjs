#!/usr/bin/env node
/**
 * Holds the torch engine to tfjs-core's own tests, which its package ships; run `npm run test:tfjs`.
 *
 *   --filter TEXT   only the tests whose full name contains it
 *   --device NAME   where torch calculates: cuda (default: cpu)
 *   --json          { passed, failed: [{ test, messages }], excluded } on standard output, instead of text
 */
import { createRequire, register } from 'node:module';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    device: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

// tfjs's files ask for these two as bundlers give them.
globalThis.require = createRequire(import.meta.url);
register('../test/tfjs/loader.mjs', import.meta.url);

// Version 7 no longer lets tfjs's own test file at the part of it that it requires.
const jasmine = globalThis.require('jasmine-core').boot();
const environment = jasmine.getEnv();
environment.configure({ random: false, forbidDuplicateNames: false }); // the suite has a few
jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000; // ms a test; the longest takes one second on a machine that is not busy
await import('@tensorflow/tfjs-core');
await import('@tensorflow/tfjs-core/dist/register_all_gradients');
await import('@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops');
const { setTestEnvs } = await import('@tensorflow/tfjs-core/dist/jasmine_util');
const { engine } = await import('../dist/src/engines/index.js');
if (options.device) await engine.use('torch', { device: options.device });
else await import('../dist/src/engines/torch/index.js');
const { EXCLUSIONS } = await import('../dist/test/tfjs/exclusions.js');

setTestEnvs([{ name: 'torch', backendName: 'torch', flags: {}, isDataSync: true }]);
await import('@tensorflow/tfjs-core/dist/tests');

const passed = [];
const failed = [];
const excluded = [];
const isWanted = spec => spec.getFullName().includes(options.filter);
const isExcluded = spec => EXCLUSIONS.some(({ test }) => spec.getFullName().includes(test));

environment.configure({ specFilter: spec => isWanted(spec) && !isExcluded(spec) });
environment.addReporter({
  specDone({ fullName: test, status, failedExpectations }) {
    if (status === 'passed') passed.push(test);
    else if (status === 'failed')
      failed.push({
        test,
        messages: failedExpectations.map(({ message, stack }) =>
          options.json ? message : (stack ?? message),
        ),
      });
    else if (test.includes(options.filter)) excluded.push(test);
  },
  suiteDone({ fullName: test, failedExpectations }) {
    if (failedExpectations.length)
      failed.push({ test, messages: failedExpectations.map(({ message }) => message) });
  },
});
// What tests print is not their result.
const print = console.log;
for (const method of ['log', 'info', 'warn', 'error', 'debug']) console[method] = () => {};
const { failedExpectations = [] } = await environment.execute();
for (const { message } of failedExpectations) failed.push({ test: 'outside any test', messages: [message] });

for (const test of excluded)
  if (!EXCLUSIONS.some(exclusion => test.includes(exclusion.test)))
    failed.push({ test, messages: ['did not run, and test/tfjs/exclusions.ts gives no reason'] });
if (!options.filter) {
  for (const { test } of EXCLUSIONS)
    if (!excluded.some(name => name.includes(test)))
      failed.push({ test, messages: ['is in test/tfjs/exclusions.ts, but not in the suite'] });
}
if (options.json) {
  print(JSON.stringify({ passed: passed.length, failed, excluded }, null, 1));
} else {
  for (const { test, messages } of failed) print(`failed: ${test}\n${messages.join('\n')}\n`);
  print(`tfjs-core: ${passed.length} passed, ${failed.length} failed, ${excluded.length} excluded`);
}
process.exitCode = failed.length || !passed.length ? 1 : 0;
