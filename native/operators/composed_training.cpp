// Batch normalisation, its pair with the Padé activation, the optimizers' steps and sums, composed of ATen operators for
// devices without a kernel of ours. Nothing is read back to the CPU, so that a whole step can be captured as a graph.
#include <torch/library.h>
#include <torch/version.h>

#include <map>
#include <utility>
#include <vector>

#include "composed.h"
#include "optimizer_lists.h"

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

Triple batchNormPade(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                     const Tensor& runningVariance, double momentum, double epsilon, const Tensor& numerator,
                     const Tensor& denominator, c10::string_view form, double q) {
  static const auto normalise = operatorOf<decltype(batchNorm)>("padezoo::batch_norm");
  const auto [z, mean, inverse] = normalise.call(x, gamma, beta, runningMean, runningVariance, momentum, epsilon);
  static const auto activation = operatorOf<decltype(pade)>("pade::forward");
  return {activation.call(z, numerator, denominator, form, q, {}, 0), mean, inverse};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> batchNormPadeBackward(
    const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inverse,
    const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q) {
  const Tensor scale = gamma.mul(inverse);
  const Tensor z = x.to(at::kFloat).sub(mean).mul(scale).add(beta).to(x.scalar_type());
  static const auto activation = operatorOf<decltype(padeBackward)>("pade::backward");
  static const auto normalisation = operatorOf<decltype(batchNormBackward)>("padezoo::batch_norm_backward");
  const auto [dz, da, db] = activation.call(dy, z, numerator, denominator, form, q, {}, 0);
  const auto [dx, dgamma, dbeta] = normalisation.call(dz, x, gamma, mean, inverse);
  return {dx, dgamma, dbeta, da, db};
}

namespace {

Tensor channelSums(const Tensor& x) { return rows(x).sum(at::IntArrayRef{0}, false, at::kFloat); }

/// 1 where the loss is a number, else 0: then no variable changes. It stays on the device.
Tensor useful(const OptionalTensor& loss, const Tensor& like) {
  return loss ? at::isfinite(*loss).reshape({}) : at::ones({}, like.options().dtype(at::kBool));
}

void keepOrTake(const Tensor& target, const Tensor& isUseful, const Tensor& value) {
  target.copy_(at::where(isUseful, value, target));
}

/// Memory that ATen's fused optimizers walk together: float32 of the same layout.
bool areAlike(const Tensor& variable, std::initializer_list<const Tensor*> others) {
  for (const Tensor* other : others)
    if (other->scalar_type() != at::kFloat || other->sizes() != variable.sizes() || other->strides() != variable.strides())
      return false;
  return variable.scalar_type() == at::kFloat && variable.is_non_overlapping_and_dense();
}

Tensor likeVariable(const Tensor& variable, const Tensor& gradient) {
  return areAlike(variable, {&gradient}) ? gradient : at::empty_like(variable).copy_(gradient);
}

/// The variables with one rate factor and weight decay, which one call of a fused optimizer updates.
struct Group {
  std::vector<Tensor> variables, gradients, first, second;
};
using Groups = std::map<std::pair<double, double>, Group>;

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
#define PADEZOO_FUSED_OPTIMIZERS
#endif

void sgd(at::TensorList variables, at::TensorList gradients, at::TensorList velocities, const Tensor& learningRate,
         Numbers factors, Numbers decays, double momentum, bool nesterov, const OptionalTensor& loss) {
  checkLists(variables, gradients, {&velocities}, factors, decays, momentum != 0);
  const Tensor isUseful = useful(loss, learningRate), base = learningRate.to(at::kFloat).reshape({});
  Groups groups;
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor& p = variables[i];
#ifdef PADEZOO_FUSED_OPTIMIZERS
    if (momentum ? areAlike(p, {&velocities[i]}) : areAlike(p, {})) {
      Group& group = groups[{factors[i], decays[i]}];
      group.variables.push_back(p);
      group.gradients.push_back(likeVariable(p, gradients[i]));
      if (momentum) group.first.push_back(velocities[i]);
      continue;
    }
#endif
    Tensor step = gradients[i].to(at::kFloat).add(p, decays[i]);
    if (momentum) {
      const Tensor v = velocities[i].mul(momentum).add(step);
      step = nesterov ? step.add(v, momentum) : v;
      keepOrTake(velocities[i], isUseful, v);
    }
    keepOrTake(p, isUseful, p.sub(step.mul(base.mul(factors[i]))));
  }
#ifdef PADEZOO_FUSED_OPTIMIZERS
  const Tensor useless = isUseful.logical_not().to(at::kFloat).reshape({1});
  for (const auto& [numbers, group] : groups)
    at::_fused_sgd_(group.variables, group.gradients, group.first, numbers.second, momentum, base.mul(numbers.first), 0,
                    nesterov, false, false, {}, useless);
#endif
}

void adam(at::TensorList variables, at::TensorList gradients, at::TensorList firstMoments, at::TensorList secondMoments,
          const Tensor& stepCount, const Tensor& learningRate, Numbers factors, Numbers decays, double beta1, double beta2,
          double epsilon, bool decoupled, const OptionalTensor& loss) {
  checkLists(variables, gradients, {&firstMoments, &secondMoments}, factors, decays, true);
  const Tensor isUseful = useful(loss, learningRate);
  stepCount.add_(isUseful.to(stepCount.scalar_type()).reshape(stepCount.sizes()));
  Groups groups;
  std::vector<size_t> others;
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor& p = variables[i];
#ifdef PADEZOO_FUSED_OPTIMIZERS
    if (areAlike(p, {&firstMoments[i], &secondMoments[i]})) {
      Group& group = groups[{factors[i], decays[i]}];
      group.variables.push_back(p);
      group.gradients.push_back(likeVariable(p, gradients[i]));
      group.first.push_back(firstMoments[i]);
      group.second.push_back(secondMoments[i]);
      continue;
    }
#endif
    others.push_back(i);
  }
#ifdef PADEZOO_FUSED_OPTIMIZERS
  const Tensor useless = isUseful.logical_not().to(at::kFloat).reshape({1}), count = stepCount.to(at::kFloat).reshape({});
  const Tensor wide = learningRate.to(at::kFloat).reshape({});
  for (const auto& [numbers, group] : groups) {
    const std::vector<Tensor> counts(group.variables.size(), count);
    const auto update = [&](const auto& fused) {
      fused(group.variables, group.gradients, group.first, group.second, at::TensorList(), counts, wide.mul(numbers.first),
            beta1, beta2, numbers.second, epsilon, false, false, OptionalTensor(), OptionalTensor(useless));
    };
    if (decoupled) update([](auto&&... each) { at::_fused_adamw_(each...); });
    else update([](auto&&... each) { at::_fused_adam_(each...); });
  }
#endif
  if (others.empty()) return;
  // In float64, where 1 - beta^1 keeps its digits.
  const Tensor step = stepCount.to(at::kDouble).reshape({}), base = learningRate.to(at::kDouble).reshape({});
  const Tensor correction1 = at::pow(beta1, step).neg().add(1), correction2 = at::pow(beta2, step).neg().add(1).sqrt();
  const Tensor root = correction2.to(at::kFloat);
  for (const size_t i : others) {
    const Tensor& p = variables[i];
    const Tensor own = base.mul(factors[i]), rate = own.div(correction1).to(at::kFloat);
    const Tensor g = decoupled ? gradients[i].to(at::kFloat) : gradients[i].to(at::kFloat).add(p, decays[i]);
    const Tensor m = firstMoments[i].add(g.sub(firstMoments[i]).mul(1 - beta1));
    const Tensor v = secondMoments[i].mul(beta2).add(g.mul(g).mul(1 - beta2));
    const Tensor kept = decoupled ? p.mul(own.mul(-decays[i]).add(1).to(at::kFloat)) : p;
    keepOrTake(p, isUseful, kept.sub(m.mul(rate).div(v.sqrt().div(root).add(epsilon))));
    keepOrTake(firstMoments[i], isUseful, m);
    keepOrTake(secondMoments[i], isUseful, v);
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) {
  library.impl("batch_norm", &batchNorm);
  library.impl("batch_norm_backward", &batchNormBackward);
  library.impl("batch_norm_pade", &batchNormPade);
  library.impl("batch_norm_pade_backward", &batchNormPadeBackward);
  library.impl("channel_sums", &channelSums);
  library.impl("sgd_", &sgd);
  library.impl("adam_", &adam);
}

}  // namespace composed
}  // namespace padezoo
