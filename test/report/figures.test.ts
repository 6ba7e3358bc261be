import test from 'ava';
import { declutter } from '../../src/report/declutter.js';
import { compact, count, decimal, duration, percent, points, stepName } from '../../src/report/format.js';
import { accuracyInterval } from '../../src/report/interval.js';

test('labels that are far enough apart stay where they are', t => {
  t.deepEqual(declutter([1, 20, 40], 10), [1, 20, 40]);
});

test('labels that are too close move apart around their middle', t => {
  t.deepEqual(declutter([10, 10, 10, 100], 10), [0, 10, 20, 100]);
});

test('a label that is pushed pushes on', t => {
  t.deepEqual(declutter([0, 9, 12], 10), [-3, 7, 17]);
});

test('no label is no label', t => {
  t.deepEqual(declutter([], 10), []);
});

test('the interval of 86.2 % on 1,000 images is that of Wilson', t => {
  const [low, high] = accuracyInterval(0.862, 1000);
  t.is(low.toFixed(4), '0.8392');
  t.is(high.toFixed(4), '0.8820');
});

test('an interval stays inside [0, 1]', t => {
  t.true(accuracyInterval(1, 10)[1] <= 1 + 1e-12);
  t.true(accuracyInterval(0, 10)[0] >= -1e-12);
});

test('numbers look the same everywhere', t => {
  t.is(count(61_746), '61,746');
  t.is(percent(0.8453), '84.5 %');
  t.is(decimal(-0.5, 1), '−0.5');
  t.is(compact(2_340_000), '2.34M');
  t.is(compact(40_000), '40k');
  t.is(points(0.0032), '+0.3 points');
  t.is(points(-0.005), '−0.5 points');
  t.is(points(-0.0001), '±0.0 points');
  t.is(duration(93.4), '1 min 33 s');
  t.is(duration(59.97), '1 min 0 s');
  t.is(duration(7380), '2 h 3 min');
  t.is(stepName(100 / 3), '33.3 % pruned');
});

test('what is not a number is a dash', t => {
  for (const format of [count, percent, decimal, points, duration]) t.is(format(Number.NaN), '–');
});
