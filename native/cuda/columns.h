// Walking through a matrix [rows, channels] on a GPU: a thread keeps a column of V channels side by side, goes through its rows
// and adds up two sums for each channel.
#pragma once
#include <cuda_runtime.h>

#include "launch.h"

namespace pade {
namespace cuda {

constexpr int kRowsAtOnce = 2;

/// A grid of `blocks` x `tiles` blocks over the rows. @param fewest rows that a thread should find
template <int V>
Plan planOfRows(int64_t rows, int64_t channels, int64_t resident, int64_t fewest = kRowsAtOnce) {
  Plan plan;
  plan.vectors = rows * (channels / V);
  plan.columns = channels / V;
  plan.rows = plan.columns < kThreads ? static_cast<int>(kThreads / plan.columns) : 1;
  plan.tiles = static_cast<int>((plan.width() + kThreads - 1) / kThreads);
  const int64_t wanted = (rows + plan.rows * fewest - 1) / (plan.rows * fewest);
  const int64_t most = resident / plan.tiles > 0 ? resident / plan.tiles : 1;
  plan.blocks = wanted < most ? wanted : most;
  return plan;
}

/// The vectors of one thread: its first and its column.
struct Way {
  int64_t first, column, step;
  bool active;
};
__device__ __forceinline__ Way wayOf(const Plan& plan) {
  const int64_t within = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  return {blockIdx.x * plan.width() + within, within % plan.columns, plan.blocks * plan.width(), within < plan.width()};
}

/// Numbers of a thread's channels.
template <int V>
struct Numbers {
  float of[V];
  __device__ __forceinline__ Numbers() {
#pragma unroll
    for (int e = 0; e < V; e++) of[e] = 0;
  }
  __device__ __forceinline__ Numbers(const float* channels, int64_t column) {
#pragma unroll
    for (int e = 0; e < V; e++) of[e] = channels[column * V + e];
  }
};

/// Calls body(vector's number) for the rows of a thread, some at once so that their reads overlap.
template <typename Load, typename Body>
__device__ __forceinline__ void forRows(const Way& way, const Plan& plan, const Load& load, const Body& body) {
#pragma unroll 1
  for (int64_t v = way.first; v < plan.vectors; v += kRowsAtOnce * way.step) {
    decltype(load(v)) rows[kRowsAtOnce];
#pragma unroll
    for (int j = 0; j < kRowsAtOnce; j++)
      if (v + j * way.step < plan.vectors) rows[j] = load(v + j * way.step);
#pragma unroll
    for (int j = 0; j < kRowsAtOnce; j++)
      if (v + j * way.step < plan.vectors) body(v + j * way.step, rows[j]);
  }
}

/// Two float32 sums for each channel of a thread, and where they go on in float64.
template <int V>
struct ColumnSums {
  Numbers<V> first, second;
  __device__ __forceinline__ void add(double (*own)[kThreads]) {
#pragma unroll
    for (int e = 0; e < V; e++) {
      own[e][threadIdx.x] += first.of[e];
      own[V + e][threadIdx.x] += second.of[e];
    }
    first = second = Numbers<V>();
  }
};

/// The sums of a block's rows, one after the other, into its partial sums.
template <int V>
__device__ __forceinline__ void storeColumns(double (*own)[kThreads], const Way& way, const Plan& plan,
                                             int64_t channels, double* partials) {
  const int64_t within = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (within >= plan.columns) return;
#pragma unroll 1
  for (int i = 0; i < 2 * V; i++) {
    double sum = 0;
    for (int row = 0; row < plan.rows; row++) sum += own[i][threadIdx.x + row * plan.columns];
    partials[(blockIdx.x * int64_t{2} + i / V) * channels + way.column * V + i % V] = sum;
  }
}

}  // namespace cuda
}  // namespace pade
