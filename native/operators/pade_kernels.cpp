// Compiles the tile kernels of pade_kernel.h for several instruction sets and picks the best that the CPU has.
#include "pade_kernels.h"

#include "pade_reference.h"

namespace pade {
namespace {

Coefficients<double> widen(const Coefficients<float>& c) {
  Coefficients<double> wide;
  for (int i = 0; i <= c.m; i++) wide.a[i] = c.a[i];
  for (int k = 0; k < c.n; k++) wide.b[k] = c.b[k];
  wide.q = c.q;
  wide.m = c.m;
  wide.n = c.n;
  wide.form = c.form;
  return wide;
}

bool isRare(float x, const Coefficients<float>& c) { return !(std::fabs(x) <= c.limit); }

void forwardRare(const float* x, float* y, int64_t count, const Coefficients<float>& c) {
  const auto wide = widen(c);
  for (int64_t i = 0; i < count; i++)
    if (isRare(x[i], c)) y[i] = static_cast<float>(element(x[i], wide).y);
}

void backwardRare(const float* g, const float* x, float* dx, int64_t count, const Coefficients<float>& c, Sums& sums) {
  const auto wide = widen(c);
  for (int64_t i = 0; i < count; i++) {
    if (!isRare(x[i], c)) continue;
    const Element e = element(x[i], wide);
    dx[i] = static_cast<float>(g[i] * e.slope);
    addGradients(g[i], x[i], e, wide, sums);
  }
}

// A 64-byte vector passed between inlined functions never crosses an ABI.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace baseline {
#include "pade_kernel.h"
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define PADE_MULTIVERSIONED
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#include "pade_kernel.h"
}
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#include "pade_kernel.h"
}
#pragma GCC pop_options
#endif

}  // namespace

TileKernels tileKernels(Form form, int m, int n) {
#ifdef PADE_MULTIVERSIONED
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return avx512::pick(form, m, n);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::pick(form, m, n);
#endif
  return baseline::pick(form, m, n);
}

}  // namespace pade
