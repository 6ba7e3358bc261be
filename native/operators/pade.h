// The Padé activation's shared vocabulary: forms, coefficients, noise, and the kernels over a run of vectors.
#pragma once
#include <cstdint>

/// Before what runs on a GPU as well: nvcc compiles it for both.
#ifdef __CUDACC__
#define PADE_ANYWHERE __host__ __device__
#else
#define PADE_ANYWHERE
#endif

namespace pade {

constexpr int kMaxDegree = 10;
constexpr int kLanes = 16;
/// Vectors of a run: as many terms as each lane of a coefficient's gradient gets in float32 before it goes on in float64.
constexpr int64_t kRun = 128;

enum class Form { AbsoluteSum, AbsolutePolynomial, SumOfAbsolutes, Unsafe };

/// What a bfloat16 tensor consists of: the upper half of a float32.
struct Bfloat16 {
  uint16_t bits;
};

/// One set of coefficients, lowest degree first; b[k] belongs to x^k, and is |b_k| for SumOfAbsolutes.
struct Coefficients {
  double a[kMaxDegree + 1] = {};
  double b[kMaxDegree + 1] = {};  // b[0] only for AbsolutePolynomial
};

/// What all sets of a call have in common.
struct Shape {
  Form form = Form::AbsoluteSum;
  int m = 0;
  int n = 0;
  double q = 1;
  /// Beyond this |x| a float32 power could overflow: such elements are computed in float64, in powers of 1/x.
  float limit = 0;
};

/// The sets of coefficients that the lanes of a vector meet, side by side.
struct Pattern {
  alignas(64) float a[kMaxDegree + 1][kLanes];
  alignas(64) float b[kMaxDegree + 1][kLanes];
};

/// The coefficients' gradients of runs with one pattern, lane by lane (for SumOfAbsolutes still to be multiplied with
/// sign(b_k)). Those beyond the order are of no use.
struct LaneSums {
  alignas(64) double a[kMaxDegree + 1][kLanes] = {};
  alignas(64) double b[kMaxDegree + 1][kLanes] = {};
};

/// Every coefficient times 1 + amplitude * u, u uniform in (-1, 1), anew for every element (pade_noise.h).
struct Noise {
  static constexpr int kPairs = kMaxDegree + 1;
  float amplitude = 0;
  uint32_t before = 0;
  uint32_t shift[kPairs] = {};
};

/// Vectors of a tensor with the same pattern, `stride` elements apart; `first` is the index of the first element.
template <typename T>
struct Run {
  const T* gradient;  // only backward
  const T* x;
  T* out;  // y, or the gradient by x
  int64_t vectors;
  int64_t stride;
  uint32_t first;
};

/// Both return whether some |x| was above the limit or NaN: then what they wrote is to be replaced, and nothing was added
/// to the sums.
template <typename T>
using ForwardRun = bool (*)(const Run<T>&, const Shape&, const Pattern&, const Noise&);
template <typename T>
using BackwardRun = bool (*)(const Run<T>&, const Shape&, const Pattern&, const Noise&, LaneSums&);

/// The careful ones leave elements above the limit out of the sums and never report them.
template <typename T>
struct RunKernels {
  ForwardRun<T> forward;
  BackwardRun<T> backward, carefulBackward;
};

/// The best kernels that this CPU can run.
template <typename T>
RunKernels<T> runKernels(const Shape& shape, bool noisy);

}  // namespace pade
