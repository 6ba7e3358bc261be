// The two published schemes of a rational activation's backward pass, written anew for bench-cuda.py to compare with; float32,
// order [5, 4], sum-of-absolutes denominator, one set of coefficients. sums: [10] float64 (reference) or float32 (tiles).
#include <cuda_runtime.h>

namespace {

struct Terms {
  float dx, da[6], db[4];
};

__device__ Terms termsOf(float x, float g, const float* a, const float* b) {
  float power[6] = {1};
  for (int i = 1; i < 6; i++) power[i] = power[i - 1] * x;
  float p = 0, dp = 0, q = 1, dq = 0;
  for (int i = 0; i < 6; i++) p += a[i] * power[i];
  for (int i = 1; i < 6; i++) dp += i * a[i] * power[i - 1];
  for (int k = 1; k < 5; k++) q += fabsf(b[k - 1] * power[k]);
  for (int k = 1; k < 5; k++) dq += copysignf(1, b[k - 1] * power[k]) * k * b[k - 1] * power[k - 1];
  Terms t;
  t.dx = g * (dp / q - p / q * (dq / q));
  for (int i = 0; i < 6; i++) t.da[i] = g * power[i] / q;
  for (int k = 1; k < 5; k++) t.db[k - 1] = -g * (p / q) * copysignf(1, b[k - 1] * power[k]) * power[k] / q;
  return t;
}

/// Rational activations' scheme: 16 blocks whatever the size; ten double atomics of every thread on the same shared words.
__global__ void referenceKernel(const float* g, const float* x, float* dx, long long n, const float* a, const float* b,
                                double* sums) {
  __shared__ double shared[10];
  if (threadIdx.x == 0)
    for (double& v : shared) v = 0;
  __syncthreads();
  float da[6] = {}, db[4] = {};
  for (long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x; i < n; i += static_cast<long long>(gridDim.x) * blockDim.x) {
    const Terms t = termsOf(x[i], g[i], a, b);
    dx[i] = t.dx;
    for (int j = 0; j < 6; j++) da[j] += t.da[j];
    for (int j = 0; j < 4; j++) db[j] += t.db[j];
  }
  for (int j = 0; j < 6; j++) atomicAdd(&shared[j], static_cast<double>(da[j]));
  for (int j = 0; j < 4; j++) atomicAdd(&shared[6 + j], static_cast<double>(db[j]));
  __syncthreads();
  if (threadIdx.x == 0)
    for (int j = 0; j < 10; j++) atomicAdd(&sums[j], shared[j]);
}

constexpr int kTileThreads = 256, kTile = 4096;  // FlashKAT's 64 rows of 64 channels

/// FlashKAT's scheme: a tile's sums in float32, then one float atomic for each coefficient.
__global__ void tileKernel(const float* g, const float* x, float* dx, long long n, const float* a, const float* b, float* sums) {
  float own[10] = {};
  const long long begin = blockIdx.x * static_cast<long long>(kTile);
  for (int i = threadIdx.x; i < kTile && begin + i < n; i += kTileThreads) {
    const Terms t = termsOf(x[begin + i], g[begin + i], a, b);
    dx[begin + i] = t.dx;
    for (int j = 0; j < 6; j++) own[j] += t.da[j];
    for (int j = 0; j < 4; j++) own[6 + j] += t.db[j];
  }
  __shared__ float warps[10][kTileThreads / 32];
  for (int j = 0; j < 10; j++) {
    for (int offset = 16; offset > 0; offset /= 2) own[j] += __shfl_down_sync(0xffffffffu, own[j], offset);
    if (threadIdx.x % 32 == 0) warps[j][threadIdx.x / 32] = own[j];
  }
  __syncthreads();
  if (threadIdx.x >= 10) return;
  float sum = 0;
  for (float v : warps[threadIdx.x]) sum += v;
  atomicAdd(&sums[threadIdx.x], sum);
}

}  // namespace

extern "C" int reference_backward(const float* g, const float* x, float* dx, long long n, const float* a, const float* b,
                                  double* sums, void* stream) {
  referenceKernel<<<16, 512, 0, static_cast<cudaStream_t>(stream)>>>(g, x, dx, n, a, b, sums);
  return cudaGetLastError();
}

extern "C" int tile_backward(const float* g, const float* x, float* dx, long long n, const float* a, const float* b,
                             float* sums, void* stream) {
  const unsigned blocks = static_cast<unsigned>((n + kTile - 1) / kTile);
  tileKernel<<<blocks, kTileThreads, 0, static_cast<cudaStream_t>(stream)>>>(g, x, dx, n, a, b, sums);
  return cudaGetLastError();
}
