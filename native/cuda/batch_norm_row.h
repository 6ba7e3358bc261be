// What the kernels of batch normalisation read and what they make of it before the activation: a row of a thread's channels,
// normalised, with the residual, and the gradient by the result. Each step is rounded as it would be in memory.
#pragma once
#include "batch_norm_cuda.h"
#include "columns.h"
#include "pade_types.h"

namespace pade {
namespace cuda {

/// What is added: nothing, a residual before the activation, and with it another term of the gradient.
constexpr int kNothing = 0, kResidual = 1, kTwoGradients = 2;

/// As it would be in memory.
template <typename T>
__device__ __forceinline__ float roundedTo(float v) {
  T narrowed;
  narrow(narrowed, v);
  return widen(narrowed);
}

/// z = (x - mean) * scale + beta
template <typename T, int V>
struct Normaliser {
  Numbers<V> mean, scale, beta;
  __device__ __forceinline__ Normaliser(const BatchNorm& call, int64_t column)
      : mean(call.mean, column), scale(call.inverse, column), beta(call.beta, column) {
    const Numbers<V> gamma(call.gamma, column);
#pragma unroll
    for (int e = 0; e < V; e++) scale.of[e] *= gamma.of[e];
  }
  __device__ __forceinline__ float operator()(float x, int e) const {
    return roundedTo<T>((x - mean.of[e]) * scale.of[e] + beta.of[e]);
  }
};

/// What is activated, from memory, for the rare elements that `fast` does not take.
template <typename T, int Added>
__device__ __forceinline__ float activatedAt(const BatchNorm& call, int64_t channel, int64_t at) {
  const float x = widen(static_cast<const T*>(call.x)[at]);
  const float scale = call.gamma[channel] * call.inverse[channel];
  const float z = roundedTo<T>((x - call.mean[channel]) * scale + call.beta[channel]);
  return Added >= kResidual ? roundedTo<T>(z + widen(static_cast<const T*>(call.residual)[at])) : z;
}

/// The gradient by the result, from memory as well.
template <typename T, int Added>
__device__ __forceinline__ float gradientAt(const BatchNorm& call, int64_t at) {
  const float given = widen(static_cast<const T*>(call.gradient)[at]);
  return Added == kTwoGradients ? roundedTo<T>(given + widen(static_cast<const T*>(call.otherGradient)[at])) : given;
}

/// The vectors of a row that a kernel reads; the others are not there.
template <typename T, int V>
struct Row {
  Words<T, V> x, residual, gradient, otherGradient;
};
template <typename T, int V, bool Backward, int Added>
__device__ __forceinline__ Row<T, V> loadRow(const BatchNorm& call, const void* gradient, int64_t v) {
  Row<T, V> row;
  row.x = loadWords<T, V>(static_cast<const T*>(call.x) + v * V);
  if (Added >= kResidual) row.residual = loadWords<T, V>(static_cast<const T*>(call.residual) + v * V);
  if (Backward) row.gradient = loadWords<T, V>(static_cast<const T*>(gradient) + v * V);
  if (Added == kTwoGradients) row.otherGradient = loadWords<T, V>(static_cast<const T*>(call.otherGradient) + v * V);
  return row;
}

/// The gradient by an element of the result.
template <typename T, int V, int Added>
__device__ __forceinline__ float gradientOf(const Row<T, V>& row, int e) {
  const float given = widenAt(row.gradient, e);
  return Added == kTwoGradients ? roundedTo<T>(given + widenAt(row.otherGradient, e)) : given;
}

/// What is activated of a row. @return whether `fast` takes all of it
template <typename T, int V, int Added>
__device__ __forceinline__ bool activatedOf(const Row<T, V>& row, const Normaliser<T, V>& normal, float limit, Numbers<V>& z) {
  bool fits = true;
#pragma unroll
  for (int e = 0; e < V; e++) {
    z.of[e] = normal(widenAt(row.x, e), e);
    if (Added >= kResidual) z.of[e] = roundedTo<T>(z.of[e] + widenAt(row.residual, e));
    fits = fits && fabsf(z.of[e]) <= limit;
  }
  return fits;
}

/// Around what a channel is summed, so that a mean far from 0 costs no digits: the middle one of three values, which a single
/// outlier is not. Elevenths of a batch are seldom the corners of images.
template <typename T, int V>
__device__ __forceinline__ Numbers<V> centreOf(const BatchNorm& call, int64_t column) {
  const auto rowAt = [&](int64_t elevenths) {
    return loadWords<T, V>(static_cast<const T*>(call.x) + call.values * elevenths / 11 * call.channels + column * V);
  };
  const Words<T, V> rows[] = {rowAt(3), rowAt(6), rowAt(9)};
  Numbers<V> centre;
#pragma unroll
  for (int e = 0; e < V; e++) {
    const float a = widenAt(rows[0], e), b = widenAt(rows[1], e);
    centre.of[e] = fmaxf(fminf(a, b), fminf(fmaxf(a, b), widenAt(rows[2], e)));
  }
  return centre;
}

}  // namespace cuda
}  // namespace pade
