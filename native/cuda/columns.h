// Walking through a matrix [rows, channels] on a GPU: a thread keeps a column of V channels side by side, goes through its rows
// and adds up sums for each channel, which a second pass adds up over the blocks: no atomics, every run has the same bits.
#pragma once
#include <cuda_runtime.h>

#include "launch.h"

namespace pade {
namespace cuda {

constexpr int kRowsAtOnce = 2;
/// Parts in which the second pass takes the blocks.
constexpr int kParts = 8;

inline int threadsOf(const Plan& plan) { return (plan.tile + kWarp - 1) / kWarp * kWarp; }

/// A grid of `blocks` x `tiles` blocks over the rows; their threads are no more than have a column, and whole warps.
/// @param kernel what will run in it
/// @param fewest rows that a thread should find
template <int V, typename Kernel>
Plan planOfRows(int64_t rows, int64_t channels, Kernel kernel, int64_t fewest = kRowsAtOnce) {
  Plan plan;
  plan.vectors = rows * (channels / V);
  plan.columns = channels / V;
  plan.rows = plan.columns < kThreads ? static_cast<int>(kThreads / plan.columns) : 1;
  plan.tiles = static_cast<int>((plan.width() + kThreads - 1) / kThreads);
  plan.tile = static_cast<int>((plan.width() + plan.tiles - 1) / plan.tiles);
  const int64_t wanted = (rows + plan.rows * fewest - 1) / (plan.rows * fewest);
  const int64_t resident = residentBlocks(kernel, threadsOf(plan));
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
  const int64_t within = static_cast<int64_t>(blockIdx.y) * plan.tile + threadIdx.x;
  const bool active = threadIdx.x < static_cast<unsigned>(plan.tile) && within < plan.width();
  return {blockIdx.x * plan.width() + within, within % plan.columns, plan.blocks * plan.width(), active};
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

/// Calls body(vector's number, what `load` gives for it) for the rows of a thread, some at once so that their reads overlap.
template <int AtOnce = kRowsAtOnce, typename Load, typename Body>
__device__ __forceinline__ void forRows(const Way& way, const Plan& plan, const Load& load, const Body& body) {
#pragma unroll 1
  for (int64_t v = way.first; v < plan.vectors; v += AtOnce * way.step) {
    decltype(load(v)) rows[AtOnce];
#pragma unroll
    for (int j = 0; j < AtOnce; j++)
      if (v + j * way.step < plan.vectors) rows[j] = load(v + j * way.step);
#pragma unroll
    for (int j = 0; j < AtOnce; j++)
      if (v + j * way.step < plan.vectors) body(v + j * way.step, rows[j]);
  }
}

/// Float32 sums for each channel of a thread, and where they go on in float64.
template <int V, int Sums>
struct ColumnSums {
  Numbers<V> of[Sums];
  __device__ __forceinline__ void add(double (*own)[kThreads]) {
#pragma unroll
    for (int sum = 0; sum < Sums; sum++) {
#pragma unroll
      for (int e = 0; e < V; e++) own[sum * V + e][threadIdx.x] += of[sum].of[e];
      of[sum] = Numbers<V>();
    }
  }
};

/// The sums of a block's rows, one after the other, into its partial sums: [blocks, Sums, channels].
template <int V, int Sums>
__device__ __forceinline__ void storeColumns(double (*own)[kThreads], const Way& way, const Plan& plan,
                                             int64_t channels, double* partials) {
  const bool isFirstRow = static_cast<int64_t>(blockIdx.y) * plan.tile + threadIdx.x < plan.columns;
  if (!way.active || !isFirstRow) return;
#pragma unroll 1
  for (int i = 0; i < Sums * V; i++) {
    double sum = 0;
    for (int row = 0; row < plan.rows; row++) sum += own[i][threadIdx.x + row * plan.columns];
    partials[(blockIdx.x * int64_t{Sums} + i / V) * channels + way.column * V + i % V] = sum;
  }
}

/// A channel's sums over all blocks. Threads: [kParts parts of the blocks, 32 channels].
/// @return whether the thread has them: one of the first part, for a channel that is there
template <int Sums>
__device__ __forceinline__ bool sumsOfBlocks(const double* partials, int64_t blocks, int64_t channels, int64_t channel,
                                             double (*parts)[kParts][kWarp], double* sums) {
#pragma unroll
  for (int which = 0; which < Sums; which++) {
    double total = 0;
    if (channel < channels)
      for (int64_t block = threadIdx.y; block < blocks; block += kParts)
        total += partials[(block * Sums + which) * channels + channel];
    parts[which][threadIdx.y][threadIdx.x] = total;
  }
  __syncthreads();
  if (threadIdx.y > 0 || channel >= channels) return false;
#pragma unroll
  for (int which = 0; which < Sums; which++) {
    sums[which] = 0;
    for (int part = 0; part < kParts; part++) sums[which] += parts[which][part][threadIdx.x];
  }
  return true;
}

/// Warps that have a channel a lane.
inline unsigned warpsOf(int64_t channels) { return static_cast<unsigned>((channels + kWarp - 1) / kWarp); }

}  // namespace cuda
}  // namespace pade
