/** Prints src/activations/coefficients.ts: initial coefficients of order [5, 4] for every form, with their errors. */
import { fitPade } from '../dist/src/activations/fit.js';
import { functionByName } from '../dist/src/activations/functions.js';

const NAMES = ['lrelu:0.01', 'lrelu:0.2', 'relu', 'tanh', 'sigmoid', 'swish', 'gelu', 'elu'];
const FORMS = ['absolute-sum', 'sum-of-absolutes'];

const digits = values => `[${values.map(value => Number(value.toPrecision(9))).join(', ')}]`;

console.log(`/**
 * Initial coefficients of order [5, 4], fitted on [-3, 3] with q = 1; made by \`node scripts/fit-coefficients.mjs\`.
 *
 * The paper's Table 6 is in paperCoefficients.ts: its LeakyReLU columns belong to the authors' released code
 * ('sum-of-absolutes'), and under Eq. 2 ('absolute-sum') they miss their function by 0.066 (slope 0.01) and 0.279
 * (slope 0.20). Errors of these fits are in the comments: maximum, then root mean square.
 */
import type { RationalForm } from './rational.js';

interface Coefficients {
  readonly numerator: readonly number[];
  readonly denominator: readonly number[];
}

export const INITIAL_COEFFICIENTS: Readonly<
  Record<string, Readonly<Partial<Record<RationalForm, Coefficients>>>>
> = {`);
for (const name of NAMES) {
  console.log(`  '${name}': {`);
  for (const form of FORMS) {
    const fit = fitPade(functionByName(name), { form });
    console.log(`    // ${fit.maximumError.toExponential(1)}, ${fit.rmsError.toExponential(1)}`);
    console.log(
      `    '${form}': {\n      numerator: ${digits(fit.numerator)},\n      denominator: ${digits(fit.denominator)},\n    },`,
    );
  }
  console.log('  },');
}
console.log('};');
