// What the operators on CUDA tensors have in common: their types, the current stream, a call's coefficients.
// It needs the toolkit's headers for the stream alone, whose handle older libtorch give only to who knows CUDA.
#pragma once
#include <ATen/ATen.h>
#include <c10/cuda/CUDAStream.h>

#include "../operators/pade_call.h"
#include "pade_cuda.h"

namespace pade {

inline cuda::Type typeOf(const at::Tensor& x) {
  if (x.scalar_type() == at::kFloat) return cuda::Type::Float32;
  if (x.scalar_type() == at::kBFloat16) return cuda::Type::Bfloat16;
  TORCH_CHECK(x.scalar_type() == at::kHalf, "x must be float32, bfloat16, float16 or float64, got ", x.scalar_type());
  return cuda::Type::Float16;
}

inline void* currentStream(const at::Tensor& x) {
  return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
}

inline void check(const char* problem) { TORCH_CHECK(!problem, "CUDA: ", problem); }

/// The orders, sets, form and q of a call on x, checked; it does not point to its coefficients yet.
inline cuda::Call readOrders(const at::Tensor& x, const at::Tensor& a, const at::Tensor& b, c10::string_view form,
                                   double q) {
  cuda::Call call;
  call.form = parseForm(form);
  const int64_t first = call.firstB();
  TORCH_CHECK((a.dim() == 1 || a.dim() == 2) && a.size(-1) >= 1 && a.size(-1) <= kMaxDegree + 1,
              "numerator must be [m + 1] or [groups, m + 1] with m from 0 to ", kMaxDegree, ", got ", a.sizes());
  TORCH_CHECK(b.dim() == a.dim() && b.size(-1) >= 1 - first && b.size(-1) <= kMaxDegree + 1 - first &&
                  (a.dim() == 1 || (a.size(0) == b.size(0) && a.size(0) > 0)),
              "denominator must have n coefficients, n from 0 to ", kMaxDegree, ", for each set, got ", b.sizes());
  TORCH_CHECK(q > 0 && q <= 1, "q must be in (0, 1], got ", q);
  for (const at::Tensor* each : {&a, &b})
    TORCH_CHECK(each->device() == x.device(), "coefficients must be where x is, ", x.device(), ", got ", each->device());
  call.sets = a.dim() == 1 ? 1 : a.size(0);
  TORCH_CHECK(call.sets == 1 || (x.dim() > 0 && call.sets <= x.size(-1)),
              "there must be no more groups than channels (x's last axis), got ", call.sets, " for ", x.sizes());
  call.channels = call.sets == 1 ? 1 : x.size(-1);
  call.m = static_cast<int>(a.size(-1)) - 1;
  call.n = static_cast<int>(b.size(-1)) - 1 + static_cast<int>(first);
  call.q = q;
  return call;
}

}  // namespace pade
