// padezoo::batch_norm, batch_norm_pade, batch_norm_add_pade and their gradients on CUDA tensors: checks, memory and the current stream, then the
// kernels of batch_norm_cuda.cu.
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "../operators/composed.h"
#include "batch_norm_cuda.h"
#include "on_device.h"

namespace padezoo {
namespace {

using at::Tensor;
using Triple = std::tuple<Tensor, Tensor, Tensor>;
namespace cuda = pade::cuda;

/// The activation behind it, with one set of coefficients.
struct Activation {
  Tensor numerator, denominator;
  c10::string_view form;
  double q;
  Tensor residual = {};  // undefined where nothing is added before it
  Tensor other = {};     // undefined, or what is added to the gradient by the result

  cuda::Call on(const Tensor& x) const {
    TORCH_CHECK(numerator.dim() == 1, "one set of coefficients is taken here, got numerator ", numerator.sizes());
    return pade::readOrders(x, numerator, denominator, form, q);
  }
};

void checkLikeX(const char* what, const Tensor& t, const Tensor& x) {
  TORCH_CHECK(t.sizes() == x.sizes() && t.scalar_type() == x.scalar_type() && t.device() == x.device(), what,
              " must look like x, got ", t.scalar_type(), " ", t.sizes(), " on ", t.device(), " for ", x.scalar_type(), " ", x.sizes(),
              " on ", x.device());
}

/// The kernels' view of a call, and the tensors that it points to.
struct OnDevice {
  Tensor x, gamma, beta, numerator, denominator, residual, other;
  cuda::BatchNorm call;

  OnDevice(const Tensor& input, const Tensor& scale, const Tensor* offset, const Activation* activation) {
    const int64_t channels = input.dim() > 0 ? input.size(-1) : 0;
    TORCH_CHECK(channels > 0 && input.numel() / channels > 1, "training needs more than one value per channel, got ",
                input.sizes());
    x = input.contiguous();
    call.x = x.data_ptr();
    call.channels = channels;
    call.values = x.numel() / channels;
    call.gamma = perChannel(gamma, scale);
    if (offset) call.beta = perChannel(beta, *offset);
    if (!activation) return;
    numerator = activation->numerator.to(at::kFloat).contiguous();
    denominator = activation->denominator.to(at::kFloat).contiguous();
    call.isActivated = true;
    call.activation = activation->on(input);
    call.activation.numerator = numerator.data_ptr<float>();
    call.activation.denominator = denominator.data_ptr<float>();
    if (!activation->residual.defined()) return;
    checkLikeX("what is added", activation->residual, input);
    residual = activation->residual.contiguous();
    call.residual = residual.data_ptr();
    if (!activation->other.defined()) return;
    checkLikeX("the gradient's other term", activation->other, input);
    other = activation->other.contiguous();
    call.otherGradient = other.data_ptr();
  }
  const float* perChannel(Tensor& kept, const Tensor& given) const { return perChannelOf(kept = given.contiguous()); }
  float* perChannelOf(const Tensor& vector) const {
    TORCH_CHECK(vector.dim() == 1 && vector.size(0) == call.channels && vector.scalar_type() == at::kFloat &&
                    vector.is_contiguous() && vector.device() == x.device(),
                "numbers per channel must be float32 [", call.channels, "] where x is, got ", vector.scalar_type(), " ",
                vector.sizes(), " on ", vector.device());
    return vector.data_ptr<float>();
  }
  Tensor scratch(cuda::Type type) const {
    return at::empty({cuda::scratchBytes(call, type)}, x.options().dtype(at::kByte));
  }
};

Triple forward(const Tensor& input, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
               const Tensor& runningVariance, double momentum, double epsilon, const Activation* activation) {
  const c10::DeviceGuard guard(input.device());
  const cuda::Type type = pade::typeOf(input);
  OnDevice on(input, gamma, &beta, activation);
  const auto perChannel = gamma.options().dtype(at::kFloat);
  Tensor y = at::empty_like(on.x), mean = at::empty({on.call.channels}, perChannel), inverse = at::empty_like(mean);
  on.call.out = y.data_ptr();
  on.call.mean = mean.data_ptr<float>();
  on.call.inverse = inverse.data_ptr<float>();
  on.call.runningMean = on.perChannelOf(runningMean);
  on.call.runningVariance = on.perChannelOf(runningVariance);
  on.call.momentum = momentum;
  on.call.epsilon = epsilon;
  const Tensor scratch = on.scratch(type);
  pade::check(cuda::batchNormForward(on.call, type, scratch.data_ptr(), pade::currentStream(input)));
  return {y, mean, inverse};
}

struct Gradients {
  Tensor dx, dgamma, dbeta, numerator, denominator, residual;
};

Gradients backward(const Tensor& dy, const Tensor& input, const Tensor& gamma, const Tensor* beta, const Tensor& mean,
                   const Tensor& inverse, const Activation* activation) {
  checkLikeX("the gradient", dy, input);
  const c10::DeviceGuard guard(input.device());
  const cuda::Type type = pade::typeOf(input);
  OnDevice on(input, gamma, beta, activation);
  const Tensor g = dy.contiguous();
  Gradients result{at::empty_like(on.x), at::empty_like(on.gamma), at::empty_like(on.gamma), {}, {}, {}};
  on.call.gradient = g.data_ptr();
  on.call.out = result.dx.data_ptr();
  on.call.mean = on.perChannelOf(mean);
  on.call.inverse = on.perChannelOf(inverse);
  on.call.dgamma = result.dgamma.data_ptr<float>();
  on.call.dbeta = result.dbeta.data_ptr<float>();
  if (activation) {
    result.numerator = at::empty_like(on.numerator);
    result.denominator = at::empty_like(on.denominator);
    on.call.numerator = result.numerator.data_ptr<float>();
    on.call.denominator = result.denominator.data_ptr<float>();
    if (on.call.residual) on.call.dresidual = (result.residual = at::empty_like(on.x)).data_ptr();
  }
  const Tensor scratch = on.scratch(type);
  pade::check(cuda::batchNormBackward(on.call, type, scratch.data_ptr(), pade::currentStream(input)));
  if (activation) {
    result.numerator = result.numerator.to(activation->numerator.scalar_type());
    result.denominator = result.denominator.to(activation->denominator.scalar_type());
  }
  return result;
}

/// Whether the kernels take the type of x, and its activation's form and orders.
bool isTaken(const Tensor& x, const Activation* activation = nullptr) {
  if (x.scalar_type() == at::kDouble) return false;
  if (!activation) return true;
  cuda::BatchNorm call;
  call.isActivated = true;
  call.activation = activation->on(x);
  return cuda::isFused(call);
}

Triple batchNorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                 const Tensor& runningVariance, double momentum, double epsilon) {
  if (!isTaken(x)) return composed::batchNorm(x, gamma, beta, runningMean, runningVariance, momentum, epsilon);
  return forward(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, nullptr);
}

Triple batchNormBackward(const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& inverse) {
  if (!isTaken(x)) return composed::batchNormBackward(dy, x, gamma, mean, inverse);
  const Gradients result = backward(dy, x, gamma, nullptr, mean, inverse, nullptr);
  return {result.dx, result.dgamma, result.dbeta};
}

Triple batchNormPade(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                     const Tensor& runningVariance, double momentum, double epsilon, const Tensor& numerator,
                     const Tensor& denominator, c10::string_view form, double q) {
  const Activation activation{numerator, denominator, form, q};
  if (!isTaken(x, &activation))
    return composed::batchNormPade(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, numerator, denominator,
                                   form, q);
  return forward(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, &activation);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> batchNormPadeBackward(
    const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inverse,
    const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  const Activation activation{numerator, denominator, form, q};
  if (!isTaken(x, &activation))
    return composed::batchNormPadeBackward(dy, x, gamma, beta, mean, inverse, numerator, denominator, form, q);
  const Gradients result = backward(dy, x, gamma, &beta, mean, inverse, &activation);
  return {result.dx, result.dgamma, result.dbeta, result.numerator, result.denominator};
}

Triple batchNormAddPade(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                        const Tensor& runningVariance, double momentum, double epsilon, const Tensor& residual,
                        const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  const Activation activation{numerator, denominator, form, q, residual};
  if (!isTaken(x, &activation))
    return composed::batchNormAddPade(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, residual, numerator,
                                      denominator, form, q);
  return forward(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, &activation);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> batchNormAddPadeBackward(
    const Tensor& dy, const c10::optional<Tensor>& other, const Tensor& x, const Tensor& gamma, const Tensor& beta,
    const Tensor& mean, const Tensor& inverse, const Tensor& residual, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  const Activation activation{numerator, denominator, form, q, residual, other.value_or(Tensor())};
  if (!isTaken(x, &activation))
    return composed::batchNormAddPadeBackward(dy, other, x, gamma, beta, mean, inverse, residual, numerator, denominator, form, q);
  const Gradients result = backward(dy, x, gamma, &beta, mean, inverse, &activation);
  return {result.dx, result.dgamma, result.dbeta, result.residual, result.numerator, result.denominator};
}

}  // namespace

TORCH_LIBRARY_IMPL(padezoo, CUDA, library) {
  library.impl("batch_norm", &batchNorm);
  library.impl("batch_norm_backward", &batchNormBackward);
  library.impl("batch_norm_pade", &batchNormPade);
  library.impl("batch_norm_pade_backward", &batchNormPadeBackward);
  library.impl("batch_norm_add_pade", &batchNormAddPade);
  library.impl("batch_norm_add_pade_backward", &batchNormAddPadeBackward);
}

}  // namespace padezoo
