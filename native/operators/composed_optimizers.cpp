// padezoo::sgd_ and padezoo::adam_ for devices without a kernel of ours: ATen's fused optimizers, which take all variables of one
// rate factor and weight decay at once, or, in a libtorch that has none, its operators one by one. Nothing is read back to the
// CPU, so that a whole step can be captured as a graph.
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

/// Whether the loss is a number: else no variable changes. It stays on the device.
Tensor useful(const OptionalTensor& loss, const Tensor& like) {
  if (!loss) return at::ones({}, like.options().dtype(at::kBool));
  return loss->sub(*loss).eq(0).reshape({});  // as isfinite, which is four operators
}

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)

/// What one call of a fused optimizer updates.
struct Group {
  std::vector<Tensor> variables, gradients;
  std::vector<std::vector<Tensor>> moments;
};

/// The gradients with their variables' type and memory layout: themselves, or copies, all that only change type at once.
std::vector<Tensor> likeVariables(at::TensorList variables, at::TensorList gradients) {
  std::vector<Tensor> result, wide, narrow;
  for (size_t i = 0; i < variables.size(); i++) {
    const bool isWalkedAlike = gradients[i].strides() == variables[i].strides();
    if (!isWalkedAlike || gradients[i].scalar_type() == at::kFloat) {
      result.push_back(withLayoutOf(variables[i], gradients[i]));
      continue;
    }
    result.push_back(at::empty_like(variables[i]));
    wide.push_back(result.back());
    narrow.push_back(gradients[i]);
  }
  if (!wide.empty()) at::_foreach_copy_(wide, narrow);
  return result;
}

/// Runs `update(group, rate factor, weight decay)` for the variables that have these in common.
/// @param moments lists that have one for each variable
template <typename Update>
void forGroups(at::TensorList variables, at::TensorList gradients, std::initializer_list<at::TensorList> moments,
               Numbers factors, Numbers decays, const Update& update) {
  std::map<std::pair<double, double>, Group> groups;
  std::vector<Moment> walked;
  const std::vector<Tensor> alike = likeVariables(variables, gradients);
  for (size_t i = 0; i < variables.size(); i++) {
    Group& group = groups[{factors[i], decays[i]}];
    group.variables.push_back(variables[i]);
    group.gradients.push_back(alike[i]);
    group.moments.resize(moments.size());
    size_t which = 0;
    for (const at::TensorList& list : moments) {
      walked.emplace_back(variables[i], list[i]);
      group.moments[which++].push_back(walked.back().walked());
    }
  }
  for (const auto& [numbers, group] : groups) update(group, numbers.first, numbers.second);
  for (const Moment& moment : walked) moment.putBack();
}

Tensor rateOf(const Tensor& base, double factor) { return factor == 1 ? base : base.mul(factor); }

/// 1 where nothing may change, as the fused optimizers want it.
Tensor useless(const Tensor& isUseful) {
  Tensor result = at::empty({1}, isUseful.options().dtype(at::kFloat));
  return at::logical_not_out(result, isUseful.reshape({1}));
}

void sgd(at::TensorList variables, at::TensorList gradients, at::TensorList velocities, const Tensor& learningRate,
         Numbers factors, Numbers decays, double momentum, bool nesterov, const OptionalTensor& loss) {
  checkLists(variables, gradients, {&velocities}, factors, decays, momentum != 0);
  const Tensor keep = useless(useful(loss, learningRate)), base = learningRate.to(at::kFloat).reshape({});
  const auto update = [&](const Group& group, double factor, double decay) {
    const at::TensorList own = group.moments.empty() ? at::TensorList() : at::TensorList(group.moments[0]);
    at::_fused_sgd_(group.variables, group.gradients, own, decay, momentum, rateOf(base, factor), 0, nesterov, false, false, {}, keep);
  };
  if (momentum) forGroups(variables, gradients, {velocities}, factors, decays, update);
  else forGroups(variables, gradients, {}, factors, decays, update);
}

void adam(at::TensorList variables, at::TensorList gradients, at::TensorList firstMoments, at::TensorList secondMoments,
          const Tensor& stepCount, const Tensor& learningRate, Numbers factors, Numbers decays, double beta1, double beta2,
          double epsilon, bool decoupled, const OptionalTensor& loss) {
  checkLists(variables, gradients, {&firstMoments, &secondMoments}, factors, decays, true);
  const Tensor isUseful = useful(loss, learningRate), keep = useless(isUseful);
  stepCount.add_(isUseful.reshape(stepCount.sizes()));
  const Tensor count = stepCount.to(at::kFloat).reshape({}), base = learningRate.to(at::kFloat).reshape({});
  forGroups(variables, gradients, {firstMoments, secondMoments}, factors, decays,
            [&](const Group& group, double factor, double decay) {
              const std::vector<Tensor> counts(group.variables.size(), count);
              const auto run = [&](const auto& fused) {
                fused(group.variables, group.gradients, group.moments[0], group.moments[1], at::TensorList(), counts,
                      rateOf(base, factor), beta1, beta2, decay, epsilon, false, false, OptionalTensor(), OptionalTensor(keep));
              };
              if (decoupled) run([](const auto&... arguments) { at::_fused_adamw_(arguments...); });
              else run([](const auto&... arguments) { at::_fused_adam_(arguments...); });
            });
}

#else

void keepOrTake(const Tensor& target, const Tensor& isUseful, const Tensor& value) {
  target.copy_(at::where(isUseful, value, target));
}

void sgd(at::TensorList variables, at::TensorList gradients, at::TensorList velocities, const Tensor& learningRate,
         Numbers factors, Numbers decays, double momentum, bool nesterov, const OptionalTensor& loss) {
  checkLists(variables, gradients, {&velocities}, factors, decays, momentum != 0);
  const Tensor isUseful = useful(loss, learningRate), base = learningRate.to(at::kFloat).reshape({});
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor& p = variables[i];
    Tensor step = gradients[i].to(at::kFloat).add(p, decays[i]);
    if (momentum) {
      const Tensor v = velocities[i].mul(momentum).add(step);
      step = nesterov ? step.add(v, momentum) : v;
      keepOrTake(velocities[i], isUseful, v);
    }
    keepOrTake(p, isUseful, p.sub(step.mul(base.mul(factors[i]))));
  }
}

void adam(at::TensorList variables, at::TensorList gradients, at::TensorList firstMoments, at::TensorList secondMoments,
          const Tensor& stepCount, const Tensor& learningRate, Numbers factors, Numbers decays, double beta1, double beta2,
          double epsilon, bool decoupled, const OptionalTensor& loss) {
  checkLists(variables, gradients, {&firstMoments, &secondMoments}, factors, decays, true);
  const Tensor isUseful = useful(loss, learningRate);
  stepCount.add_(isUseful.reshape(stepCount.sizes()));
  // In float64, where 1 - beta^1 keeps its digits.
  const Tensor step = stepCount.to(at::kDouble).reshape({}), base = learningRate.to(at::kDouble).reshape({});
  const Tensor correction1 = at::pow(beta1, step).neg().add(1), correction2 = at::pow(beta2, step).neg().add(1).sqrt();
  const Tensor root = correction2.to(at::kFloat);
  for (size_t i = 0; i < variables.size(); i++) {
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

#endif

}  // namespace

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) {
  library.impl("sgd_", &sgd);
  library.impl("adam_", &adam);
}

}  // namespace composed
}  // namespace padezoo
