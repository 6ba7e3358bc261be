// The Padé activation's shared vocabulary: forms, coefficients, and the two per-tile kernels that pade_kernel.h defines.
#pragma once
#include <cstdint>

namespace pade {

constexpr int kMaxDegree = 10;
// Elements whose coefficient gradients are summed in float32 before the sums go on in float64.
constexpr int64_t kTile = 2048;

enum class Form { AbsoluteSum, SumOfAbsolutes, Unsafe };

/// Coefficients lowest degree first; b[k] belongs to x^(k + 1), and is |b_k| for SumOfAbsolutes.
template <typename T>
struct Coefficients {
  T a[kMaxDegree + 1] = {};
  T b[kMaxDegree] = {};
  T q = 1;
  int m = 0;
  int n = 0;
  Form form = Form::AbsoluteSum;
  // Beyond this |x| a float32 power could overflow: such elements are computed in float64, in powers of 1/x.
  T limit = 0;
};

/// Sums over a tile: da[0..m], db[0..n-1] (for SumOfAbsolutes still to be multiplied with sign(b_k)).
struct Sums {
  double a[kMaxDegree + 1] = {};
  double b[kMaxDegree] = {};
};

/// y[i] = P(x[i]) / Q(x[i]).
using ForwardTile = void (*)(const float* x, float* y, int64_t count, const Coefficients<float>& c);
/// dx[i] = g[i] * d(P/Q)/dx, and the tile's coefficient gradients added to `sums`.
using BackwardTile = void (*)(const float* g, const float* x, float* dx, int64_t count,
                              const Coefficients<float>& c, Sums& sums);

struct TileKernels {
  ForwardTile forward;
  BackwardTile backward;
};

}  // namespace pade
