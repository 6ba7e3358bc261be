// pade::forward and pade::backward on CUDA tensors: checks, memory and the current stream, then the kernels of pade_cuda.cu.
// It needs the toolkit's headers for the stream alone, whose handle older libtorch give only to who knows CUDA.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "../operators/composed.h"
#include "../operators/pade_call.h"
#include "pade_cuda.h"

namespace pade {
namespace {

namespace composed = padezoo::composed;
using Triple = std::tuple<Tensor, Tensor, Tensor>;

cuda::Type typeOf(const Tensor& x) {
  if (x.scalar_type() == at::kFloat) return cuda::Type::Float32;
  if (x.scalar_type() == at::kBFloat16) return cuda::Type::Bfloat16;
  TORCH_CHECK(x.scalar_type() == at::kHalf, "x must be float32, bfloat16, float16 or float64, got ", x.scalar_type());
  return cuda::Type::Float16;
}

/// The kernels' view of a call, and the tensors that it points to.
struct OnDevice {
  Tensor x, numerator, denominator, key;
  cuda::Call call;

  OnDevice(const Tensor& input, const Tensor& a, const Tensor& b, c10::string_view form, double q, const OptionalTensor& words,
           double noise) {
    call.form = parseForm(form);
    const int64_t first = call.firstB();
    TORCH_CHECK((a.dim() == 1 || a.dim() == 2) && a.size(-1) >= 1 && a.size(-1) <= kMaxDegree + 1,
                "numerator must be [m + 1] or [groups, m + 1] with m from 0 to ", kMaxDegree, ", got ", a.sizes());
    TORCH_CHECK(b.dim() == a.dim() && b.size(-1) >= 1 - first && b.size(-1) <= kMaxDegree + 1 - first &&
                    (a.dim() == 1 || (a.size(0) == b.size(0) && a.size(0) > 0)),
                "denominator must have n coefficients, n from 0 to ", kMaxDegree, ", for each set, got ", b.sizes());
    TORCH_CHECK(q > 0 && q <= 1, "q must be in (0, 1], got ", q);
    TORCH_CHECK(noise >= 0 && noise <= 1, "noise must be in [0, 1], got ", noise);
    for (const Tensor* each : {&a, &b})
      TORCH_CHECK(each->device() == input.device(), "coefficients must be where x is, ", input.device(), ", got ", each->device());
    call.sets = a.dim() == 1 ? 1 : a.size(0);
    TORCH_CHECK(call.sets == 1 || (input.dim() > 0 && call.sets <= input.size(-1)),
                "there must be no more groups than channels (x's last axis), got ", call.sets, " for ", input.sizes());
    call.channels = call.sets == 1 ? 1 : input.size(-1);
    call.m = static_cast<int>(a.size(-1)) - 1;
    call.n = static_cast<int>(b.size(-1)) - 1 + static_cast<int>(first);
    call.q = q;
    call.amplitude = static_cast<float>(noise);
    const bool rowMajor = call.sets > 1 || noise > 0;
    x = !rowMajor && input.is_non_overlapping_and_dense() ? input : input.contiguous();
    numerator = a.to(at::kFloat).contiguous();
    denominator = b.to(at::kFloat).contiguous();
    if (noise > 0) {
      TORCH_CHECK(words && words->dim() == 1 && words->numel() == 2 && words->device() == input.device() &&
                      (words->scalar_type() == at::kInt || words->scalar_type() == at::kLong),
                  "noise needs a key where x is, int32 or int64 [2]");
      TORCH_CHECK(input.numel() <= int64_t{1} << 32, "noise is for tensors of up to 2^32 elements, got ", input.numel());
      key = words->contiguous();
      call.key = key.data_ptr();
      call.longKey = key.scalar_type() == at::kLong;
    }
    call.x = x.data_ptr();
    call.elements = x.numel();
    call.numerator = numerator.data_ptr<float>();
    call.denominator = denominator.data_ptr<float>();
  }
};

void* currentStream(const Tensor& x) {
  return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
}

void check(const char* problem) { TORCH_CHECK(!problem, "CUDA: ", problem); }

Tensor forward(const Tensor& input, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
               const OptionalTensor& key, double noise) {
  if (input.scalar_type() == at::kDouble) return composed::pade(input, numerator, denominator, form, q, key, noise);
  const c10::DeviceGuard guard(input.device());
  const cuda::Type type = typeOf(input);
  OnDevice on(input, numerator, denominator, form, q, key, noise);
  Tensor y = at::empty_like(on.x);
  if (y.numel() == 0) return y;
  on.call.out = y.data_ptr();
  check(cuda::forward(on.call, type, currentStream(input)));
  return y;
}

Triple backward(const Tensor& gradient, const Tensor& input, const Tensor& numerator, const Tensor& denominator,
                c10::string_view form, double q, const OptionalTensor& key, double noise) {
  if (input.scalar_type() == at::kDouble)
    return composed::padeBackward(gradient, input, numerator, denominator, form, q, key, noise);
  TORCH_CHECK(gradient.sizes() == input.sizes() && gradient.scalar_type() == input.scalar_type() &&
                  gradient.device() == input.device(),
              "the gradient must look like x, got ", gradient.scalar_type(), " ", gradient.sizes(), " for ",
              input.scalar_type(), " ", input.sizes());
  const c10::DeviceGuard guard(input.device());
  const cuda::Type type = typeOf(input);
  OnDevice on(input, numerator, denominator, form, q, key, noise);
  const Tensor g = gradient.strides() == on.x.strides() ? gradient : at::empty_like(on.x).copy_(gradient);
  Tensor dx = at::empty_like(on.x), da = at::empty_like(on.numerator), db = at::empty_like(on.denominator);
  if (dx.numel() == 0)
    return {dx, da.zero_().to(numerator.scalar_type()), db.zero_().to(denominator.scalar_type())};
  on.call.gradient = g.data_ptr();
  on.call.out = dx.data_ptr();
  const Tensor scratch = at::empty({cuda::scratchBytes(on.call, type)}, input.options().dtype(at::kByte));
  check(cuda::backward(on.call, type, scratch.data_ptr(), da.data_ptr<float>(), db.data_ptr<float>(), currentStream(input)));
  return {dx, da.to(numerator.scalar_type()), db.to(denominator.scalar_type())};
}

}  // namespace

TORCH_LIBRARY_IMPL(pade, CUDA, library) {
  library.impl("forward", &forward);
  library.impl("backward", &backward);
}

}  // namespace pade
