// What the kernels of native/*_cuda.cu have in common: sums of a block in a fixed order, and how much the device runs at once.
#pragma once
#include <cuda_runtime.h>

#include <map>
#include <tuple>

#include "pade_walk.h"

namespace pade {
namespace cuda {

constexpr int kWarp = 32;

__device__ __forceinline__ double sumOfWarp(double v) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) v += __shfl_down_sync(0xffffffffu, v, offset);
  return v;
}

/// Adds up what the threads of a block have of each sum, a warp for each; `store(sum, total)` in its first lane.
template <int Sums, typename Store>
__device__ __forceinline__ void sumsOfThreads(const double (*own)[kThreads], const Store& store) {
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  const int threads = static_cast<int>(blockDim.x);  // whole warps
#pragma unroll 1
  for (int i = warp; i < Sums; i += threads / kWarp) {
    double sum = 0;
    for (int j = 0; j < threads; j += kWarp) sum += own[i][j + lane];
    sum = sumOfWarp(sum);
    if (lane == 0) store(i, sum);
  }
}

/// Stores the finished sum of an unrolled kernel's coefficient, if the call has that coefficient.
template <typename U>
__device__ __forceinline__ void storeSum(const Call& call, float* numerator, float* denominator, int64_t set, int sum,
                                         double value) {
  if (sum <= U::m) {
    if (sum <= call.m) numerator[set * (call.m + 1) + sum] = static_cast<float>(value);
    return;
  }
  const int k = sum - (U::m + 1), first = call.firstB();
  if (k < first || k > call.n) return;
  const int64_t at = set * call.denominators() + k - first;
  if (call.form == Form::SumOfAbsolutes) {  // d|b|/db, 0 at 0
    const float b = call.denominator[at];
    value *= (b > 0) - (b < 0);
  }
  denominator[at] = static_cast<float>(value);
}

/// How many blocks of a kernel the current device runs at once. Asked once: the answer takes longer than a launch.
template <typename Kernel>
int64_t residentBlocks(Kernel kernel, int threads = kThreads) {
  thread_local std::map<std::tuple<int, Kernel, int>, int64_t> known;
  int device = 0;
  cudaGetDevice(&device);
  const auto found = known.find({device, kernel, threads});
  if (found != known.end()) return found->second;
  int processors = 1, blocks = 1;
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, 0);
  return known[{device, kernel, threads}] = static_cast<int64_t>(processors) * (blocks > 0 ? blocks : 1);
}

inline const char* problem() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

inline dim3 gridOf(const Plan& plan) { return dim3(static_cast<unsigned>(plan.blocks), static_cast<unsigned>(plan.tiles)); }

}  // namespace cuda
}  // namespace pade
