/**
 * The initial coefficients of Table 6 of the PAU paper (Molina et al., ICLR 2020, Appendix A.1), order [5, 4].
 *
 * The ReLU and LeakyReLU columns are fits under `'sum-of-absolutes'`, the authors' released code, and miss their function
 * under the paper's own Eq. 2; sigmoid, tanh and swish are Padé approximants at 0, whose denominators have no odd powers:
 * they are the same in every form. Corrected: sigmoid's b₄ is printed as 1/10008; the approximant has 1/1008.
 */
import type { RationalForm } from './rational.js';

export interface PaperCoefficients {
  readonly numerator: readonly number[];
  readonly denominator: readonly number[];
  readonly forms: readonly RationalForm[];
}

const ALL: readonly RationalForm[] = ['absolute-sum', 'sum-of-absolutes', 'unsafe'];
const FITTED: readonly RationalForm[] = ['sum-of-absolutes'];

/** Swish's column has β in it: x / (1 + exp(-βx)). */
export function paperSwish(beta: number): PaperCoefficients {
  return {
    numerator: [0, 1 / 2, beta / 4, (3 * beta ** 2) / 56, beta ** 3 / 168, beta ** 4 / 3360],
    denominator: [0, (3 * beta ** 2) / 28, 0, beta ** 4 / 1680],
    forms: ALL,
  };
}

export const PAPER_COEFFICIENTS: Readonly<Record<string, PaperCoefficients>> = {
  sigmoid: {
    numerator: [1 / 2, 1 / 4, 1 / 18, 1 / 144, 1 / 2016, 1 / 60480],
    denominator: [0, 1 / 9, 0, 1 / 1008],
    forms: ALL,
  },
  tanh: {
    numerator: [0, 1, 0, 1 / 9, 0, 1 / 945],
    denominator: [0, 4 / 9, 0, 1 / 63],
    forms: ALL,
  },
  swish: paperSwish(1),
  relu: {
    numerator: [0.02996348, 0.61690165, 2.37539147, 3.06608078, 1.52474449, 0.25281987],
    denominator: [1.19160814, 4.40811795, 0.91111034, 0.34885983],
    forms: FITTED,
  },
  'lrelu:0.01': {
    numerator: [0.02979246, 0.61837738, 2.32335207, 3.0520266, 1.48548002, 0.25103717],
    denominator: [1.14201226, 4.39322834, 0.8715445, 0.34720652],
    forms: FITTED,
  },
  'lrelu:0.2': {
    numerator: [0.02557776, 0.66182815, 1.58182975, 2.94478759, 0.95287794, 0.23319681],
    denominator: [0.50962605, 4.1837689, 0.3783209, 0.32407314],
    forms: FITTED,
  },
  'lrelu:0.25': {
    numerator: [0.02423485, 0.67709718, 1.43858363, 2.9549799, 0.85679722, 0.23229612],
    denominator: [0.41014746, 4.14691964, 0.30292546, 0.3200285],
    forms: FITTED,
  },
  'lrelu:0.3': {
    numerator: [0.02282366, 0.69358438, 1.30847432, 2.97681599, 0.77165297, 0.23252265],
    denominator: [0.32849543, 4.11557902, 0.24155603, 0.31659365],
    forms: FITTED,
  },
  'lrelu:-0.5': {
    numerator: [0.02650441, 0.80772912, 13.56611639, 7.002179, 11.61477781, 0.68720375],
    denominator: [13.70648993, 6.07781733, 12.32535229, 0.5400688],
    forms: FITTED,
  },
};
