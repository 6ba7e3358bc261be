// Batch normalisation, alone and with the Padé activation, and sums over channels, composed of ATen operators for devices without
// a kernel of ours. Nothing is read back to the CPU, so that a whole step can be captured as a graph.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "composed.h"

namespace padezoo {
namespace composed {
namespace {

using Triple = std::tuple<Tensor, Tensor, Tensor>;

/// The operator as the tensors' device has it: a kernel of ours, where there is one.
template <typename Function>
c10::TypedOperatorHandle<Function> operatorOf(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<Function>();
}

/// x as ATen's batch normalisation wants it: [values, channels].
Tensor rows(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

}  // namespace

Triple batchNorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                 const Tensor& runningVariance, double momentum, double epsilon) {
  TORCH_CHECK(x.dim() >= 1 && x.numel() / std::max<int64_t>(1, x.size(-1)) > 1,
              "training needs more than one value per channel, got ", x.sizes());
  const auto [y, mean, inverse] =
      at::native_batch_norm(rows(x), gamma, beta, runningMean, runningVariance, true, momentum, epsilon);
  return {y.reshape(x.sizes()), mean, inverse};
}

Triple batchNormBackward(const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& inverse) {
  // Its running statistics and epsilon are for evaluation alone.
  const auto [dx, dgamma, dbeta] = at::native_batch_norm_backward(rows(dy).contiguous(), rows(x), gamma, {}, {}, mean,
                                                                  inverse, true, 0, {true, true, true});
  return {dx.reshape(x.sizes()), dgamma, dbeta};
}

namespace {

/// z, rounded as in memory, and with the residual where there is one.
Tensor activatedOf(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inverse,
                   const Tensor& residual) {
  const Tensor z = x.to(at::kFloat).sub(mean).mul(gamma.mul(inverse)).add(beta).to(x.scalar_type());
  return residual.defined() ? z.add(residual) : z;
}

/// @param residual undefined where nothing is added
Triple activated(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                 const Tensor& runningVariance, double momentum, double epsilon, const Tensor& residual, const Tensor& numerator,
                 const Tensor& denominator, c10::string_view form, double q) {
  static const auto normalise = operatorOf<decltype(batchNorm)>("padezoo::batch_norm");
  const auto [z, mean, inverse] = normalise.call(x, gamma, beta, runningMean, runningVariance, momentum, epsilon);
  static const auto activation = operatorOf<decltype(pade)>("pade::forward");
  return {activation.call(residual.defined() ? z.add(residual) : z, numerator, denominator, form, q, {}, 0), mean, inverse};
}

}  // namespace

Triple batchNormPade(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                     const Tensor& runningVariance, double momentum, double epsilon, const Tensor& numerator,
                     const Tensor& denominator, c10::string_view form, double q) {
  return activated(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, {}, numerator, denominator, form, q);
}

Triple batchNormAddPade(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                        const Tensor& runningVariance, double momentum, double epsilon, const Tensor& residual,
                        const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  return activated(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, residual, numerator, denominator, form, q);
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> batchNormAddPadeBackward(
    const Tensor& dy, const c10::optional<Tensor>& other, const Tensor& x, const Tensor& gamma, const Tensor& beta,
    const Tensor& mean, const Tensor& inverse, const Tensor& residual, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  const Tensor z = activatedOf(x, gamma, beta, mean, inverse, residual);
  static const auto activation = operatorOf<decltype(padeBackward)>("pade::backward");
  static const auto normalisation = operatorOf<decltype(batchNormBackward)>("padezoo::batch_norm_backward");
  const auto [dz, da, db] = activation.call(other ? dy.add(*other) : dy, z, numerator, denominator, form, q, {}, 0);
  const auto [dx, dgamma, dbeta] = normalisation.call(dz, x, gamma, mean, inverse);
  return {dx, dgamma, dbeta, dz, da, db};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> batchNormPadeBackward(
    const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inverse,
    const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  const auto [dx, dgamma, dbeta, dz, da, db] =
      batchNormAddPadeBackward(dy, {}, x, gamma, beta, mean, inverse, {}, numerator, denominator, form, q);
  return {dx, dgamma, dbeta, da, db};
}

namespace {

Tensor channelSums(const Tensor& x) { return rows(x).sum(at::IntArrayRef{0}, false, at::kFloat); }

}  // namespace

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) {
  library.impl("batch_norm", &batchNorm);
  library.impl("batch_norm_backward", &batchNormBackward);
  library.impl("batch_norm_pade", &batchNormPade);
  library.impl("batch_norm_pade_backward", &batchNormPadeBackward);
  library.impl("batch_norm_add_pade", &batchNormAddPade);
  library.impl("batch_norm_add_pade_backward", &batchNormAddPadeBackward);
  library.impl("channel_sums", &channelSums);
}

}  // namespace composed
}  // namespace padezoo
