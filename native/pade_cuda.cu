// The Padé activation on NVIDIA GPUs, forward and backward; its arithmetic and indexing: native/cuda/pade_*.h.
//
// Backward reads x and the gradient once and writes dx once. Each thread adds the coefficients' gradients up in registers,
// goes on in float64 in its own place in shared memory, and a block writes one partial sum for each coefficient (of each
// column, with several sets); a second, tiny pass adds those up in a fixed order. There are no atomics: two runs on one
// device agree in every bit. Needs no torch: `nvcc -c native/pade_cuda.cu`.
#include <cuda_runtime.h>

#include <type_traits>

#include "cuda/launch.h"
#include "cuda/pade_cuda.h"
#include "cuda/pade_types.h"
#include "cuda/pade_walk.h"

namespace pade {
namespace cuda {
namespace {

/// Blocks of a multiprocessor at least, which bounds a thread's registers at 128; the large kernels may take 255.
template <typename U>
constexpr int kResidentBlocks = isLarge<U> ? 1 : 2;

/// Where the coefficients' gradients go.
struct Target {
  double* partials;      // [blocks, sums], or [blocks, sums, columns] with several sets
  double* columnSums;    // [sums, columns] with several sets
  float* numerator;
  float* denominator;
};

template <typename U>
__device__ __forceinline__ const Noise& blockNoise(const Call& call, Noise& noise) {
  if (U::noisy) {
    if (threadIdx.x < Noise::kPairs) readNoise(call, noise, static_cast<int>(threadIdx.x));
    __syncthreads();
  }
  return noise;
}

template <typename T, int V, typename U>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<U>) forwardKernel(const Call call, const Plan plan) {
  __shared__ Noise shared;
  const Noise& noise = blockNoise<U>(call, shared);
  const Place place = placeOf<V>(call, plan, blockIdx.x, static_cast<int>(blockIdx.y), static_cast<int>(threadIdx.x));
  walk<T, V, U, false>(call, plan, place, noise, [](int, double) {});
}

template <typename T, int V, typename U>
__global__ void __launch_bounds__(kThreads, kResidentBlocks<U>)
    backwardKernel(const Call call, const Plan plan, const Target target) {
  __shared__ Noise shared;
  __shared__ double own[U::sums][kThreads];  // a place for each thread
  const int thread = static_cast<int>(threadIdx.x);
  const Noise& noise = blockNoise<U>(call, shared);
#pragma unroll
  for (int i = 0; i < U::sums; i++) own[i][thread] = 0;
  const Place place = placeOf<V>(call, plan, blockIdx.x, static_cast<int>(blockIdx.y), thread);
  walk<T, V, U, true>(call, plan, place, noise, [&](int sum, double value) { own[sum][thread] += value; });
  __syncthreads();
  if (call.sets > 1) {  // a column's sum over the rows of this block
    const int64_t column = static_cast<int64_t>(blockIdx.y) * kThreads + thread;
    if (column >= plan.columns) return;
#pragma unroll 1
    for (int i = 0; i < U::sums; i++) {
      double sum = 0;
      for (int row = 0; row < plan.rows; row++) sum += own[i][thread + row * plan.columns];
      target.partials[(blockIdx.x * static_cast<int64_t>(U::sums) + i) * plan.columns + column] = sum;
    }
    return;
  }
  sumsOfThreads<U::sums>(own, [&](int sum, double value) {
    if (plan.blocks == 1) storeSum<U>(call, target.numerator, target.denominator, 0, sum, value);
    else target.partials[blockIdx.x * static_cast<int64_t>(U::sums) + sum] = value;
  });
}

/// The second pass with one set: a warp for each coefficient.
template <typename U>
__global__ void finishKernel(const Call call, const Plan plan, const Target target) {
  const int sum = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  double total = 0;
  for (int64_t block = lane; block < plan.blocks; block += kWarp) total += target.partials[block * U::sums + sum];
  total = sumOfWarp(total);
  if (lane == 0) storeSum<U>(call, target.numerator, target.denominator, 0, sum, total);
}

/// The second pass with several sets, first half: a column's sums over all blocks. Threads: [8 parts of the blocks, 32 columns].
__global__ void columnsKernel(const Plan plan, const Target target, int sums) {
  __shared__ double parts[8][kWarp];
  const int64_t column = blockIdx.x * static_cast<int64_t>(kWarp) + threadIdx.x;
  const int sum = static_cast<int>(blockIdx.y);
  double total = 0;
  if (column < plan.columns)
    for (int64_t block = threadIdx.y; block < plan.blocks; block += 8)
      total += target.partials[(block * sums + sum) * plan.columns + column];
  parts[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y > 0 || column >= plan.columns) return;
  for (int part = 1; part < 8; part++) total += parts[part][threadIdx.x];
  target.columnSums[sum * plan.columns + column] = total;
}

/// Second half: a set's sums over its columns, a warp for each set and coefficient.
template <int V, typename U>
__global__ void setsKernel(const Call call, const Plan plan, const Target target) {
  const int64_t item = (blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (item >= call.sets * U::sums) return;
  const int64_t set = item / U::sums, end = firstColumn<V>(call, set + 1);
  const int sum = static_cast<int>(item % U::sums);
  double total = 0;
  for (int64_t column = firstColumn<V>(call, set) + lane; column < end; column += kWarp)
    total += target.columnSums[sum * plan.columns + column];
  total = sumOfWarp(total);
  if (lane == 0) storeSum<U>(call, target.numerator, target.denominator, set, sum, total);
}

/// Calls body(element type, vector's length, unrolled kernel) with what fits the call.
template <typename Body>
void choose(const Call& call, Type type, const Body& body) {
  const auto typed = [&](auto element) {
    using T = decltype(element);
    const auto wide = [&](auto u) {  // the largest kernel calculates for so long that reading element by element does
      using U = decltype(u);
      constexpr int V = U::noisy && U::m == kMaxDegree ? 1 : kWide<T>;
      body(element, std::integral_constant<int, V>{}, u);
    };
    if (isWide<T>(call)) forUnrolled<!std::is_same<T, Float16>::value>(call, wide);
    else forUnrolled<false>(call, [&](auto u) { body(element, std::integral_constant<int, 1>{}, u); });
  };
  if (type == Type::Float32) typed(float{});
  else if (type == Type::Bfloat16) typed(Bfloat16{});
  else typed(Float16{});
}

template <typename T, int V, typename U>
Plan backwardPlan(const Call& call) {
  Plan plan = planOf<V>(call, residentBlocks(backwardKernel<T, V, U>));
  if (call.sets == 1 && plan.vectors <= kOneBlockVectors) plan.blocks = 1;
  return plan;
}

int64_t partialsOf(const Plan& plan, const Call& call, int sums) {
  return plan.blocks * sums * (call.sets > 1 ? plan.columns : 1);
}

}  // namespace

int64_t scratchBytes(const Call& call, Type type) {
  int64_t bytes = 0;
  choose(call, type, [&](auto element, auto v, auto u) {
    using U = decltype(u);
    const Plan plan = backwardPlan<decltype(element), decltype(v)::value, U>(call);
    bytes = (partialsOf(plan, call, U::sums) + (call.sets > 1 ? U::sums * plan.columns : 0)) * sizeof(double);
  });
  return bytes;
}

const char* forward(const Call& call, Type type, void* stream) {
  choose(call, type, [&](auto element, auto v, auto u) {
    using T = decltype(element);
    using U = decltype(u);
    constexpr int V = decltype(v)::value;
    const Plan plan = planOf<V>(call, residentBlocks(forwardKernel<T, V, U>));
    forwardKernel<T, V, U><<<gridOf(plan), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(call, plan);
  });
  return problem();
}

const char* backward(const Call& call, Type type, void* scratch, float* numerator, float* denominator, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  choose(call, type, [&](auto element, auto v, auto u) {
    using T = decltype(element);
    using U = decltype(u);
    constexpr int V = decltype(v)::value;
    const Plan plan = backwardPlan<T, V, U>(call);
    double* partials = static_cast<double*>(scratch);
    const Target target{partials, partials + partialsOf(plan, call, U::sums), numerator, denominator};
    backwardKernel<T, V, U><<<gridOf(plan), kThreads, 0, queue>>>(call, plan, target);
    if (call.sets == 1) {
      if (plan.blocks > 1) finishKernel<U><<<1, U::sums * kWarp, 0, queue>>>(call, plan, target);
      return;
    }
    const dim3 columns(static_cast<unsigned>((plan.columns + kWarp - 1) / kWarp), U::sums);
    columnsKernel<<<columns, dim3(kWarp, 8), 0, queue>>>(plan, target, U::sums);
    const int64_t threads = call.sets * U::sums * kWarp;
    setsKernel<V, U><<<static_cast<unsigned>((threads + kThreads - 1) / kThreads), kThreads, 0, queue>>>(call, plan, target);
  });
  return problem();
}

}  // namespace cuda
}  // namespace pade
