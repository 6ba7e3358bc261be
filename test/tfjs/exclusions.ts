/** The tests of tfjs-core's suite that the torch engine is not held to, each with its reason. */

export interface Exclusion {
  /** Part of the full names of the tests: `'conv2d torch {} x=[...'`. */
  readonly test: string;
  readonly reason: string;
  /** Whether tfjs-node leaves the test out as well (`IGNORE_LIST` in its src/run_tests.ts). */
  readonly alsoInTfjsNode: boolean;
}

export const EXCLUSIONS: readonly Exclusion[] = [
  {
    test: 'pool torch {} max x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding',
    reason:
      "expects the input itself: tfjs-backend-cpu skips a 1x1 pooling whose result has the input's shape, although the " +
      'stride is 2 and three of the four windows lie in the padding',
    alsoInTfjsNode: true,
  },
  {
    test: 'pool torch {} avg x=[2,2,3] f=[1,1] s=2 p=1 fractional outputs default rounding',
    reason: 'the same shortcut',
    alsoInTfjsNode: true,
  },
  {
    test: 'avgPool torch {} gradient x=[3,3,1] f=[3,3] s=1 p=explicit',
    reason:
      'expects a gradient that divides by the whole window (9), although the forward pass divides by the elements inside ' +
      "the image (6 or 4); ours is the forward pass's gradient",
    alsoInTfjsNode: true,
  },
  {
    test: 'conv2dTranspose torch {} input=8x8x8,output=4x4x8,f=8,s=1,inDepth=8,p=same vec4',
    reason:
      "gives an 8x8 input where stride 1 and pad 'same' make a 4x4 output from a 4x4 input; tfjs-backend-cpu reads a " +
      'corner of it, libtorch reports the shapes',
    alsoInTfjsNode: true,
  },
];
