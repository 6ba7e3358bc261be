import test from 'ava';
import { Task } from '../src/index.js';

/** Counts to `end`; tells whether it was started, and whether its `finally` ran. */
function counter(end: number) {
  const seen = { starts: 0, ends: 0 };
  const task = new Task(async function* () {
    seen.starts++;
    try {
      for (let i = 1; i <= end; i++) yield i;
      return `counted to ${end}`;
    } finally {
      seen.ends++;
    }
  });
  return { task, seen };
}

test('nothing runs until a task is awaited or iterated', async t => {
  const { task, seen } = counter(3);
  await new Promise(resolve => setImmediate(resolve));
  t.is(seen.starts, 0);
  t.is(await task, 'counted to 3');
  t.deepEqual(seen, { starts: 1, ends: 1 });
});

test('its events come in order, and awaiting afterwards gives the result of the same run', async t => {
  const { task, seen } = counter(3);
  const events: number[] = [];
  for await (const event of task) events.push(event);
  t.deepEqual(events, [1, 2, 3]);
  t.is(await task, 'counted to 3');
  t.is(await task, 'counted to 3');
  t.is(seen.starts, 1);
});

test('leaving the loop stops the work; awaiting it then says so', async t => {
  const { task, seen } = counter(100);
  for await (const event of task) if (event === 2) break;
  t.deepEqual(seen, { starts: 1, ends: 1 });
  await t.throwsAsync(async () => task, { message: /loop was left before the end/ });
});

test('it cannot be iterated twice', async t => {
  const { task } = counter(1);
  for await (const _ of task);
  await t.throwsAsync(
    async () => {
      for await (const _ of task);
    },
    { message: /runs once/ },
  );
});

test('a failure is thrown out of the loop and out of await', async t => {
  const failing = () =>
    // biome-ignore lint/correctness/useYield: it fails before its first event
    new Task<number, void>(async function* () {
      throw new RangeError('too much');
    });
  await t.throwsAsync(async () => failing(), { instanceOf: RangeError, message: 'too much' });
  await t.throwsAsync(
    async () => {
      for await (const _ of failing());
    },
    { instanceOf: RangeError, message: 'too much' },
  );
});
