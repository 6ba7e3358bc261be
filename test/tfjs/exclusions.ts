/**
 * The tests of tfjs-core's suite that the torch engine is not held to, each with its reason. Not in the list, because
 * they do not exist outside a browser: fromPixels, draw, IndexedDB, local storage, downloads.
 */

export interface Exclusion {
  /** Part of the full names of the tests: `'conv2d torch {} x=[...'`. */
  readonly test: string;
  readonly reason: string;
  /** Who else leaves the test out: tfjs-node (`IGNORE_LIST` in its src/run_tests.ts), or the suite itself (`xit`). */
  readonly alsoBy: 'tfjs-node' | 'tfjs-core';
}

export const EXCLUSIONS: readonly Exclusion[] = [
  {
    test: 'pool torch {} max x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding',
    reason:
      "expects the input itself: tfjs-backend-cpu skips a 1x1 pooling whose result has the input's shape, although the " +
      'stride is 2 and three of the four windows lie in the padding',
    alsoBy: 'tfjs-node',
  },
  {
    test: 'pool torch {} avg x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding',
    reason: 'the same shortcut',
    alsoBy: 'tfjs-node',
  },
  {
    test: 'avgPool torch {} gradient x=[3,3,1] f=[3,3] s=1 p=explicit',
    reason:
      'expects a gradient that divides by the whole window (9), although the forward pass divides by the elements inside ' +
      "the image (6 or 4); ours is the forward pass's gradient",
    alsoBy: 'tfjs-node',
  },
  {
    test: 'conv2dTranspose torch {} input=8x8x8,output=4x4x8,f=8,s=1,inDepth=8,p=same vec4',
    reason:
      "gives an 8x8 input where stride 1 and pad 'same' make a 4x4 output from a 4x4 input; tfjs-backend-cpu reads a " +
      'corner of it, libtorch reports the shapes',
    alsoBy: 'tfjs-node',
  },
  {
    test: 'debug on torch {} A x B',
    reason: 'switched off in the suite; multiplies matrices in debug mode',
    alsoBy: 'tfjs-core',
  },
  {
    test: 'IS_BROWSER isBrowser: true',
    reason: 'switched off in the suite; asks tfjs-core where it runs, no engine takes part',
    alsoBy: 'tfjs-core',
  },
  { test: 'IS_BROWSER isBrowser: false', reason: 'the same', alsoBy: 'tfjs-core' },
  {
    test: 'kernel_registry torch {} errors when registering the same kernel twice',
    reason: 'switched off in the suite; two copies of a package may register the same kernel today',
    alsoBy: 'tfjs-core',
  },
  {
    test: 'gradient registry torch {} warning when registering the same gradient twice',
    reason: 'the same for gradients',
    alsoBy: 'tfjs-core',
  },
];
