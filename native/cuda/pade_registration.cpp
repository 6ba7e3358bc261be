// pade::forward and pade::backward on CUDA tensors: checks, memory and the current stream, then the kernels of pade_cuda.cu.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "../operators/composed.h"
#include "on_device.h"

namespace pade {
namespace {

namespace composed = padezoo::composed;
using Triple = std::tuple<Tensor, Tensor, Tensor>;

/// The kernels' view of a call, and the tensors that it points to.
struct OnDevice {
  Tensor x, numerator, denominator, key;
  cuda::Call call;

  OnDevice(const Tensor& input, const Tensor& a, const Tensor& b, c10::string_view form, double q, const OptionalTensor& words,
           double noise) {
    numerator = a.to(at::kFloat).contiguous();
    denominator = b.to(at::kFloat).contiguous();
    call = readOrders(input, numerator, denominator, form, q);
    call.numerator = numerator.data_ptr<float>();
    call.denominator = denominator.data_ptr<float>();
    TORCH_CHECK(noise >= 0 && noise <= 1, "noise must be in [0, 1], got ", noise);
    call.amplitude = static_cast<float>(noise);
    const bool rowMajor = call.sets > 1 || noise > 0;
    x = !rowMajor && input.is_non_overlapping_and_dense() ? input : input.contiguous();
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
  }
};

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
