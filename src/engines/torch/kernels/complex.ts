/** Complex numbers and Fourier transforms; a real or imaginary part is a view of the complex tensor. */
import type { Kernels } from '../kernel.js';

export const complexKernels: Kernels = {
  Complex: ({ inputs: { real, imag }, aten }) => aten('complex', real!, imag!),
  Real: ({ inputs: { input }, aten }) => (input!.dtype === 'complex64' ? aten('real', input!) : input!),
  Imag: ({ inputs: { input }, aten }) =>
    input!.dtype === 'complex64' ? aten('imag', input!) : aten('zeros_like', input!),
  ComplexAbs: ({ inputs: { x }, aten }) => aten('abs', x!),
  FFT: ({ inputs: { input }, aten }) => aten('fft_fft', input!),
  IFFT: ({ inputs: { input }, aten }) => aten('fft_ifft', input!),
};
