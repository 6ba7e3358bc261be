// Batch normalisation in training on NVIDIA GPUs, alone or with the Padé activation behind it, and their gradients: the
// operators of native/operators/batch_norm.cpp, whose formulas these have, and which round z and dz where these do.
//
// Threads keep a column of x, four channels, and walk through its rows. z is never written to memory: the pair reads x twice
// and writes y once; its gradient reads x and dy and writes dz, then reads x and dz and writes dx. With a residual both read it
// once as well, and dz stays as its gradient. A thread adds its column's sums up in registers, goes on in float64 in shared memory, and a block writes one partial sum for each channel, which a
// second, tiny pass adds up in a fixed order: no atomics, every run has the same bits. Needs no torch.
#include <cuda_runtime.h>

#include "cuda/batch_norm_cuda.h"
#include "cuda/batch_norm_row.h"
#include "cuda/columns.h"
#include "cuda/pade_types.h"
#include "cuda/pade_walk.h"

namespace pade {
namespace cuda {
namespace {

/// Channels of a thread, where they divide the channels of x and memory is aligned.
constexpr int kColumn = 4;
/// Rows that each thread should find at least where it sums: its partial sums are written for every channel.
constexpr int64_t kFewestRows = 16;
/// Rows whose sums are float32 before they go on in float64: a channel's, and the coefficients' over a thread's channels.
constexpr int kRowChain = 32, kCoefficientChain = 128;

/// No activation.
struct Identity {
  static constexpr int sums = 0;
};
template <typename U>
constexpr bool isActivated = U::sums > 0;

/// Where the partial sums are: [blocks, 2, channels]; the factors of dx: [3, channels]; the coefficients': [blocks of the grid, sums].
struct Scratch {
  double* channels;
  double* coefficients;
  float* factors;
};

/// Sums of x and its squares, around its centre.
template <typename T, int V>
__global__ void __launch_bounds__(kThreads, 2) momentsKernel(const BatchNorm call, const Plan plan, const Scratch scratch) {
  __shared__ double own[2 * V][kThreads];
#pragma unroll
  for (int i = 0; i < 2 * V; i++) own[i][threadIdx.x] = 0;
  const Way way = wayOf(plan);
  if (way.active) {
    const T* x = static_cast<const T*>(call.x);
    const Numbers<V> centre = centreOf<T, V>(call, way.column);
    ColumnSums<V, 2> sums;
    int rows = 0;
    forRows(way, plan, [&](int64_t v) { return loadWords<T, V>(x + v * V); },
            [&](int64_t, const Words<T, V>& row) {
#pragma unroll
              for (int e = 0; e < V; e++) {
                const float d = widenAt(row, e) - centre.of[e];
                sums.of[0].of[e] += d;
                sums.of[1].of[e] += d * d;
              }
              if (++rows % kRowChain == 0) sums.add(own);
            });
    sums.add(own);
  }
  __syncthreads();
  storeColumns<V, 2>(own, way, plan, call.channels, scratch.channels);
}

template <typename T>
__global__ void statisticsKernel(const BatchNorm call, const Plan plan, const Scratch scratch) {
  __shared__ double parts[2][kParts][kWarp];
  const int64_t channel = blockIdx.x * int64_t{kWarp} + threadIdx.x;
  double sums[2];
  if (!sumsOfBlocks<2>(scratch.channels, plan.blocks, call.channels, channel, parts, sums)) return;
  const double values = static_cast<double>(call.values), offset = sums[0] / values;
  const double around = sums[1] / values - offset * offset;
  const double mean = centreOf<T, 1>(call, channel).of[0] + offset;
  const double variance = around < 0 ? 0 : around;  // rounding makes it negative; a NaN stays one
  call.mean[channel] = static_cast<float>(mean);
  call.inverse[channel] = static_cast<float>(1 / sqrt(variance + call.epsilon));
  const auto move = [&](float& running, double to) {
    running = static_cast<float>((1 - call.momentum) * running + call.momentum * to);
  };
  move(call.runningMean[channel], mean);
  move(call.runningVariance[channel], variance * values / (values - 1));
}

/// y = P(z)/Q(z), or z.
template <typename T, int V, typename U, int Added>
__global__ void __launch_bounds__(kThreads, 2) applyKernel(const BatchNorm call, const Plan plan) {
  const Way way = wayOf(plan);
  if (!way.active) return;
  T* out = static_cast<T*>(call.out);
  const Normaliser<T, V> normal(call, way.column);
  const auto load = [&](int64_t v) { return loadRow<T, V, false, Added>(call, nullptr, v); };
  if constexpr (isActivated<U>) {
    constexpr float limit = limitOf(U::most);
    __shared__ Noise none;  // which nobody reads
    const Set<U> set(call.activation, 0);
    const bool ordinary = set.isOrdinary(call.activation);
    forRows(way, plan, load, [&](int64_t v, const Row<T, V>& row) {
      Numbers<V> z;
      const bool fits = activatedOf<T, V, Added>(row, normal, limit, z);
      if (!fits || !ordinary) {
#pragma unroll 1
        for (int e = 0; e < V; e++) {
          const float given = activatedAt<T, Added>(call, way.column * V + e, v * V + e);
          narrow(out[v * V + e], careful<U>(given, 0, 0, call.activation, none, 0, false, [](int, double) {}));
        }
        return;
      }
      Pack<T, V> results;
#pragma unroll
      for (int e = 0; e < V; e++)
        narrow(results.of[e], fast<U, false>(z.of[e], 0, 0, call.activation, none, set, nullptr));
      storePack<T, V>(out + v * V, results);
    });
  } else {
    forRows(way, plan, load, [&](int64_t v, const Row<T, V>& row) {
      Pack<T, V> results;
#pragma unroll
      for (int e = 0; e < V; e++) narrow(results.of[e], normal(widenAt(row.x, e), e));
      storePack<T, V>(out + v * V, results);
    });
  }
}

/// dz, which waits where dx will be or is the gradient by the residual; its sums, those of dz (x - mean), and those of the coefficients' gradients.
template <typename T, int V, typename U, int Added>
__global__ void __launch_bounds__(kThreads, 2) gradientsKernel(const BatchNorm call, const Plan plan, const Scratch scratch) {
  __shared__ double own[2 * V + U::sums][kThreads];
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < 2 * V + U::sums; i++) own[i][thread] = 0;
  const Way way = wayOf(plan);
  if (way.active) {
    const T* x = static_cast<const T*>(call.x);
    T* out = static_cast<T*>(Added >= kResidual ? call.dresidual : call.out);
    ColumnSums<V, 2> sums;
    int rows = 0;
    const auto load = [&](int64_t v) { return loadRow<T, V, true, Added>(call, call.gradient, v); };
    if constexpr (isActivated<U>) {
      constexpr float limit = limitOf(U::most);
      __shared__ Noise none;  // which nobody reads
      const Normaliser<T, V> normal(call, way.column);
      const Set<U> set(call.activation, 0);
      const bool ordinary = set.isOrdinary(call.activation);
      Sums<U> coefficients;
      const auto add = [&](int sum, double value) { own[2 * V + sum][thread] += value; };
      const auto flush = [&] {
#pragma unroll
        for (int i = 0; i < U::sums; i++) add(i, coefficients.of[i]);
        coefficients = Sums<U>();
      };
      constexpr int atOnce = Added == kNothing ? kRowsAtOnce : 1;  // whose vectors are as many on their way
      forRows<atOnce>(way, plan, load, [&](int64_t v, const Row<T, V>& row) {
        Numbers<V> z;
        const bool fits = activatedOf<T, V, Added>(row, normal, limit, z);
        if (!fits || !ordinary) {
#pragma unroll 1
          for (int e = 0; e < V; e++) {
            const int64_t channel = way.column * V + e;
            const float value = widen(x[v * V + e]), given = activatedAt<T, Added>(call, channel, v * V + e);
            T dz;
            narrow(dz, careful<U>(given, gradientAt<T, Added>(call, v * V + e), 0, call.activation, none, 0, true, add));
            out[v * V + e] = dz;
            own[e][thread] += widen(dz);
            own[V + e][thread] += static_cast<double>(widen(dz)) * (value - call.mean[channel]);
          }
          return;
        }
        Pack<T, V> results;
#pragma unroll
        for (int e = 0; e < V; e++) {
          narrow(results.of[e], fast<U, true>(z.of[e], gradientOf<T, V, Added>(row, e), 0, call.activation, none, set, &coefficients));
          const float dz = widen(results.of[e]);
          sums.of[0].of[e] += dz;
          sums.of[1].of[e] += dz * (widenAt(row.x, e) - normal.mean.of[e]);
        }
        storePack<T, V>(out + v * V, results);
        if (++rows % kRowChain == 0) sums.add(own);
        if (rows % kCoefficientChain == 0) flush();
      });
      sums.add(own);
      flush();
    } else {
      const Numbers<V> mean(call.mean, way.column);
      forRows(way, plan, load, [&](int64_t, const Row<T, V>& row) {
#pragma unroll
        for (int e = 0; e < V; e++) {
          const float dz = widenAt(row.gradient, e);
          sums.of[0].of[e] += dz;
          sums.of[1].of[e] += dz * (widenAt(row.x, e) - mean.of[e]);
        }
        if (++rows % kRowChain == 0) sums.add(own);
      });
      sums.add(own);
    }
  }
  __syncthreads();
  storeColumns<V, 2>(own, way, plan, call.channels, scratch.channels);
  if constexpr (isActivated<U>) {
    const int64_t block = blockIdx.x * static_cast<int64_t>(plan.tiles) + blockIdx.y;
    double* totals = scratch.coefficients + block * U::sums;
    sumsOfThreads<U::sums>(own + 2 * V, [&](int sum, double value) { totals[sum] = value; });
  }
}

/// The gradients by gamma and beta, and the factors of dx; the last block adds up the coefficients' gradients.
template <typename U>
__global__ void finishKernel(const BatchNorm call, const Plan plan, const Scratch scratch) {
  __shared__ double parts[2][kParts][kWarp];
  if constexpr (isActivated<U>) {
    if (blockIdx.x == (call.channels + kWarp - 1) / kWarp) {
      const int64_t blocks = plan.blocks * plan.tiles;
#pragma unroll 1
      for (int sum = static_cast<int>(threadIdx.y); sum < U::sums; sum += kParts) {
        double total = 0;
        for (int64_t block = threadIdx.x; block < blocks; block += kWarp) total += scratch.coefficients[block * U::sums + sum];
        total = sumOfWarp(total);
        if (threadIdx.x == 0) storeSum<U>(call.activation, call.numerator, call.denominator, 0, sum, total);
      }
      return;
    }
  }
  const int64_t channel = blockIdx.x * int64_t{kWarp} + threadIdx.x;
  double sums[2];
  if (!sumsOfBlocks<2>(scratch.channels, plan.blocks, call.channels, channel, parts, sums)) return;
  const double gamma = call.gamma[channel], inverse = call.inverse[channel], values = static_cast<double>(call.values);
  const float dbeta = static_cast<float>(sums[0]), dgamma = static_cast<float>(sums[1] * inverse);
  call.dbeta[channel] = dbeta;
  call.dgamma[channel] = dgamma;
  scratch.factors[channel] = static_cast<float>(gamma * inverse);
  scratch.factors[call.channels + channel] = static_cast<float>(gamma * inverse * inverse * dgamma / values);
  scratch.factors[2 * call.channels + channel] = static_cast<float>(gamma * inverse * dbeta / values);
}

/// dx = a * dz - b * (x - mean) - k. `dz` may be where dx will be.
template <typename T, int V>
__global__ void __launch_bounds__(kThreads, 2) inputGradientKernel(const BatchNorm call, const Plan plan, const Scratch scratch,
                                                                const void* dz) {
  const Way way = wayOf(plan);
  if (!way.active) return;
  T* out = static_cast<T*>(call.out);
  const Numbers<V> mean(call.mean, way.column), a(scratch.factors, way.column);
  const Numbers<V> b(scratch.factors + call.channels, way.column), k(scratch.factors + 2 * call.channels, way.column);
  forRows(way, plan, [&](int64_t v) { return loadRow<T, V, true, kNothing>(call, dz, v); },
          [&](int64_t v, const Row<T, V>& row) {
            Pack<T, V> results;
#pragma unroll
            for (int e = 0; e < V; e++)
              narrow(results.of[e],
                     a.of[e] * widenAt(row.gradient, e) - b.of[e] * (widenAt(row.x, e) - mean.of[e]) - k.of[e]);
            storePack<T, V>(out + v * V, results);
          });
}

/// Calls body(Unrolled<...>, what is added) with the activation's kernel, or body(Identity, nothing) without one.
template <typename Body>
void forActivation(const BatchNorm& call, const Body& body) {
  const Call& a = call.activation;
  using Nothing = std::integral_constant<int, kNothing>;
  if (!call.isActivated) return body(Identity{}, Nothing{});
  const auto behind = [&](auto u) {
    if (call.otherGradient) body(u, std::integral_constant<int, kTwoGradients>{});
    else if (call.residual) body(u, std::integral_constant<int, kResidual>{});
    else body(u, Nothing{});
  };
  if (a.form == Form::AbsoluteSum && a.m <= 5 && a.n <= 4) return behind(Unrolled<5, 4, true, false>{});
  if (a.form == Form::AbsoluteSum) return behind(Unrolled<7, 6, true, false>{});
  behind(Unrolled<5, 4, false, false>{});
}

/// Calls body(element type, channels of a thread) with what fits the call.
template <typename Body>
void choose(const BatchNorm& call, Type type, const Body& body) {
  const auto typed = [&](auto element) {
    using T = decltype(element);
    const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % (kColumn * sizeof(T)) == 0; };
    const bool isAligned = aligned(call.x) && aligned(call.residual) && aligned(call.gradient) && aligned(call.otherGradient) &&
                           aligned(call.out) && aligned(call.dresidual);
    if (call.channels % kColumn == 0 && isAligned)
      body(element, std::integral_constant<int, kColumn>{});
    else body(element, std::integral_constant<int, 1>{});
  };
  if (type == Type::Float32) typed(float{});
  else if (type == Type::Bfloat16) typed(Bfloat16{});
  else typed(Float16{});
}

/// The plan of a call's sums, forward or backward, and how much they take.
template <typename T, int V>
Plan planOfSums(const BatchNorm& call) {
  Plan plan;
  if (!call.gradient) return planOfRows<V>(call.values, call.channels, momentsKernel<T, V>, kFewestRows);
  forActivation(call, [&](auto u, auto added) {
    const auto kernel = gradientsKernel<T, V, decltype(u), decltype(added)::value>;
    plan = planOfRows<V>(call.values, call.channels, kernel, kFewestRows);
  });
  return plan;
}

/// Elements of the parts of a scratch.
struct Sizes {
  int64_t channels, coefficients, factors;
};
Sizes sizesOf(const BatchNorm& call, const Plan& plan) {
  int sums = 0;
  if (call.gradient) forActivation(call, [&](auto u, auto) { sums = decltype(u)::sums; });
  return {plan.blocks * 2 * call.channels, plan.blocks * plan.tiles * sums, call.gradient ? 3 * call.channels : 0};
}
Scratch scratchOf(const BatchNorm& call, const Plan& plan, void* memory) {
  const Sizes sizes = sizesOf(call, plan);
  double* channels = static_cast<double*>(memory);
  double* coefficients = channels + sizes.channels;
  return {channels, coefficients, reinterpret_cast<float*>(coefficients + sizes.coefficients)};
}

/// Calls body(element type, channels of a thread, the sums' plan, their scratch, warps that have a channel a lane).
template <typename Body>
void withSums(const BatchNorm& call, Type type, void* memory, const Body& body) {
  choose(call, type, [&](auto element, auto v) {
    const Plan plan = planOfSums<decltype(element), decltype(v)::value>(call);
    body(element, v, plan, scratchOf(call, plan, memory), warpsOf(call.channels));
  });
}

}  // namespace

bool isFused(const BatchNorm& call) {
  const Call& a = call.activation;
  return !call.isActivated || (a.m <= 5 && a.n <= 4) || (a.form == Form::AbsoluteSum && a.m <= 7 && a.n <= 6);
}

int64_t scratchBytes(const BatchNorm& call, Type type) {
  int64_t bytes = 0;
  choose(call, type, [&](auto element, auto v) {
    const Sizes sizes = sizesOf(call, planOfSums<decltype(element), decltype(v)::value>(call));
    bytes = (sizes.channels + sizes.coefficients) * sizeof(double) + sizes.factors * sizeof(float);
  });
  return bytes;
}

const char* batchNormForward(const BatchNorm& call, Type type, void* memory, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  withSums(call, type, memory, [&](auto element, auto v, const Plan& sums, const Scratch& scratch, unsigned warps) {
    using T = decltype(element);
    constexpr int V = decltype(v)::value;
    momentsKernel<T, V><<<gridOf(sums), threadsOf(sums), 0, queue>>>(call, sums, scratch);
    statisticsKernel<T><<<warps, dim3(kWarp, kParts), 0, queue>>>(call, sums, scratch);
    forActivation(call, [&](auto u, auto given) {
      using U = decltype(u);
      constexpr int added = decltype(given)::value == kNothing ? kNothing : kResidual;
      const Plan plan = planOfRows<V>(call.values, call.channels, applyKernel<T, V, U, added>);
      applyKernel<T, V, U, added><<<gridOf(plan), threadsOf(plan), 0, queue>>>(call, plan);
    });
  });
  return problem();
}

const char* batchNormBackward(const BatchNorm& call, Type type, void* memory, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  withSums(call, type, memory, [&](auto element, auto v, const Plan& sums, const Scratch& scratch, unsigned warps) {
    using T = decltype(element);
    constexpr int V = decltype(v)::value;
    const void* dz = call.gradient;
    forActivation(call, [&](auto u, auto given) {
      using U = decltype(u);
      constexpr int added = decltype(given)::value;
      gradientsKernel<T, V, U, added><<<gridOf(sums), threadsOf(sums), 0, queue>>>(call, sums, scratch);
      finishKernel<U><<<warps + isActivated<U>, dim3(kWarp, kParts), 0, queue>>>(call, sums, scratch);
      if (isActivated<U>) dz = added == kNothing ? call.out : call.dresidual;
    });
    const Plan plan = planOfRows<V>(call.values, call.channels, inputGradientKernel<T, V>);
    inputGradientKernel<T, V><<<gridOf(plan), threadsOf(plan), 0, queue>>>(call, plan, scratch, dz);
  });
  return problem();
}

}  // namespace cuda
}  // namespace pade
