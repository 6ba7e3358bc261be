/** What the report sees of a network's activations. */
import test from 'ava';
import { observeActivations, pau, rational, rpau, zoo } from '../../src/index.js';
import { coefficientTable } from '../../src/report/tables.js';
import '../support/engine.js';
import { squares } from '../support/images.js';

for (const [activation, kind, head] of [
  [pau(), 'pau [5/4]', 'b1 b2 b3 b4'],
  [pau({ order: [3, 2], form: 'sum-of-absolutes' }), 'pau [3/2]', 'b1 b2'],
  [rational({ version: 'C' }), 'pau [5/4]', 'b0 b1 b2 b3 b4'],
  [rpau({ noise: 0.1 }), 'rpau [5/4]', 'b1 b2 b3 b4'],
] as const) {
  test.serial(`${JSON.stringify(activation.config)} is ${kind}, its denominator ${head}`, async t => {
    const model = zoo.lenet({ activation, classes: 4 });
    const records = await observeActivations(model, squares({ count: 8 }));
    model.dispose();
    t.deepEqual(
      records.map(record => record.kind),
      Array(4).fill(kind),
    );
    const heads = coefficientTable(records)!
      .text.match(/<th scope="col"><i>b<\/i><sub>\d+<\/sub>/g)!
      .map(cell => cell.replaceAll(/<[^>]*>/g, ''));
    t.is(heads.join(' '), head);
  });
}

test.serial(
  'an activation that is called in several places has one record, of the inputs of all of them',
  async t => {
    const model = zoo.lenet({ activation: pau({ shared: 'network' }), classes: 4 });
    const records = await observeActivations(model, squares({ count: 8 }));
    const alone = await observeActivations(
      zoo.lenet({ activation: pau(), classes: 4 }),
      squares({ count: 8 }),
    );
    model.dispose();
    t.is(records.length, 1);
    const counted = (record: (typeof records)[number]) =>
      record.inputs.counts.reduce((sum, count) => sum + count, 0);
    const all = alone.map(counted).reduce((sum, count) => sum + count, 0);
    t.true(counted(records[0]!) > 0.99 * all, `${counted(records[0]!)} of ${all}`);
  },
);
