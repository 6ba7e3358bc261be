/**
 * Initial coefficients of order [5, 4], fitted on [-3, 3] with q = 1; made by `node scripts/fit-coefficients.mjs`.
 *
 * The paper's Table 6 is not used: its LeakyReLU columns belong to the authors' released code ('sum-of-absolutes'), and
 * under Eq. 2 ('absolute-sum') they miss their function by 0.066 (slope 0.01) and 0.279 (slope 0.20). Errors of these
 * fits are in the comments: maximum, then root mean square.
 */
import type { RationalForm } from './rational.js';

interface Coefficients {
  readonly numerator: readonly number[];
  readonly denominator: readonly number[];
}

export const INITIAL_COEFFICIENTS: Readonly<
  Record<string, Readonly<Partial<Record<RationalForm, Coefficients>>>>
> = {
  'lrelu:0.01': {
    // 3.4e-2, 5.6e-3
    'absolute-sum': {
      numerator: [0.033582615, 0.505000094, 1.65131516, 2.00451688, 0.927935914, 0.151537372],
      denominator: [9.16046984e-7, 3.96933909, 6.65119637e-7, 0.300073894],
    },
    // 3.0e-2, 5.0e-3
    'sum-of-absolutes': {
      numerator: [0.0297974152, 0.618462254, 2.32096779, 3.04459858, 1.47962858, 0.249658308],
      denominator: [1.14117291, 4.38226902, 0.868194918, 0.345290882],
    },
  },
  'lrelu:0.2': {
    // 2.7e-2, 4.5e-3
    'absolute-sum': {
      numerator: [0.0271374666, 0.600000078, 1.33439628, 2.38160398, 0.749847342, 0.180044383],
      denominator: [9.40865528e-7, 3.96933909, 6.83139783e-7, 0.300073894],
    },
    // 2.6e-2, 4.3e-3
    'sum-of-absolutes': {
      numerator: [0.0255905207, 0.661866576, 1.57996187, 2.93707751, 0.948934108, 0.231867241],
      denominator: [0.509169316, 4.17269562, 0.376793419, 0.322221363],
    },
  },
  relu: {
    // 3.4e-2, 5.6e-3
    'absolute-sum': {
      numerator: [0.0339218333, 0.500000087, 1.66799506, 1.98467013, 0.937308969, 0.150036999],
      denominator: [8.36371701e-7, 3.96933909, 6.07269336e-7, 0.300073894],
    },
    // 3.0e-2, 5.1e-3
    'sum-of-absolutes': {
      numerator: [0.0299675918, 0.616990748, 2.3729878, 3.05867219, 1.51876779, 0.251436372],
      denominator: [1.19075298, 4.39718391, 0.907627913, 0.346941575],
    },
  },
  tanh: {
    // 3.4e-6, 8.9e-7
    'absolute-sum': {
      numerator: [7.85524294e-18, 0.999994181, -4.44407837e-15, 0.107698051, -1.91368287e-16, 0.00087064032],
      denominator: [-4.51803589e-15, 0.441003309, -1.56644472e-15, 0.0145772507],
    },
    // 3.0e-6, 6.5e-7
    'sum-of-absolutes': {
      numerator: [-5.03452778e-18, 1.00001114, -2.00141362e-17, 0.107409086, 5.50981225e-18, 0.000860268255],
      denominator: [0.0000605422111, 0.440664483, 9.2803856e-12, 0.0144852461],
    },
  },
  sigmoid: {
    // 4.5e-9, 1.1e-9
    'absolute-sum': {
      numerator: [0.5, 0.249999994, 0.0554423973, 0.00688788246, 0.000484849388, 0.0000156433557],
      denominator: [-5.30371915e-14, 0.110884795, -5.31709435e-15, 0.000969698775],
    },
    // 4.5e-9, 1.1e-9
    'sum-of-absolutes': {
      numerator: [0.5, 0.249999995, 0.0554423383, 0.00688785286, 0.00048484357, 0.0000156429058],
      denominator: [3.34172672e-9, 0.110884673, 1.7433745e-9, 0.000969686886],
    },
  },
  swish: {
    // 1.1e-6, 2.9e-7
    'absolute-sum': {
      numerator: [3.29447526e-7, 0.5, 0.249997341, 0.0532644121, 0.00580220528, 0.000275087612],
      denominator: [3.03381987e-9, 0.106528823, 2.94234441e-10, 0.000550175201],
    },
    // 1.1e-6, 2.9e-7
    'sum-of-absolutes': {
      numerator: [3.10115193e-7, 0.500000786, 0.249997804, 0.0532652162, 0.00580253155, 0.000275127504],
      denominator: [0.00000410125669, 0.106526883, 0.00000125633132, 0.000550098098],
    },
  },
  gelu: {
    // 8.9e-4, 3.0e-4
    'absolute-sum': {
      numerator: [-0.000425166389, 0.500000001, 0.40270161, 0.0738325106, -0.0128343193, -0.00371896896],
      denominator: [-8.70775663e-8, 0.147665094, -1.99699832e-8, -0.00743793615],
    },
    // 3.2e-3, 8.3e-4
    'sum-of-absolutes': {
      numerator: [-0.000883182954, 0.499728272, 0.406611125, 0.109816079, 0.0116844675, 0.000671553253],
      denominator: [-0.00694387711, 0.205786072, -0.00779534784, 2.82635513e-17],
    },
  },
};
