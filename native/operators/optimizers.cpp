// padezoo::sgd_ and padezoo::adam_: one call updates every variable in place.
//
// What changes from step to step (learning rate, Adam's step count) is a tensor, so that a recorded step can be replayed.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <cmath>

#include "optimizer_lists.h"

namespace padezoo {
namespace {

using at::Tensor;
using at::TensorList;

/// Whether there is a loss that is not a number: then the gradients are of no use, and nothing is changed.
bool isLost(const c10::optional<Tensor>& loss) { return loss && !std::isfinite(loss->item<double>()); }

constexpr int64_t kGrain = 16384;  // elements a thread takes at least

/// Stochastic gradient descent as PyTorch defines it: g += decay·p; v = momentum·v + g; p -= rate·(nesterov ? g + momentum·v : v).
void sgd(TensorList variables, TensorList gradients, TensorList velocities, const Tensor& learningRate,
         at::ArrayRef<double> factors, at::ArrayRef<double> decays, double momentum, bool nesterov,
         const c10::optional<Tensor>& loss) {
  checkLists(variables, gradients, {&velocities}, factors, decays, momentum != 0);
  if (isLost(loss)) return;
  const double base = learningRate.item<double>();
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor gradient = withLayoutOf(variables[i], gradients[i]);
    const auto velocity = momentum ? c10::make_optional(Moment(variables[i], velocities[i])) : c10::nullopt;
    float* p = variables[i].data_ptr<float>();
    float* v = velocity ? velocity->walked().data_ptr<float>() : nullptr;
    const float* g = gradient.data_ptr<float>();
    const float rate = base * factors[i], decay = decays[i], mu = momentum;
    at::parallel_for(0, variables[i].numel(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j++) {
        float step = g[j] + decay * p[j];
        if (v) {
          v[j] = mu * v[j] + step;
          step = nesterov ? step + mu * v[j] : v[j];
        }
        p[j] -= rate * step;
      }
    });
    if (velocity) velocity->putBack();
  }
}

/// Adam (Kingma & Ba 2015, Algorithm 1), which counts its step; `decoupled` makes the weight decay AdamW's (Loshchilov & Hutter 2019).
void adam(TensorList variables, TensorList gradients, TensorList firstMoments, TensorList secondMoments,
          const Tensor& stepCount, const Tensor& learningRate, at::ArrayRef<double> factors, at::ArrayRef<double> decays,
          double beta1, double beta2, double epsilon, bool decoupled, const c10::optional<Tensor>& loss) {
  checkLists(variables, gradients, {&firstMoments, &secondMoments}, factors, decays, true);
  TORCH_CHECK(stepCount.scalar_type() == at::kInt && stepCount.numel() == 1, "the step count must be one int32, got ",
              stepCount.scalar_type(), " ", stepCount.sizes());
  if (isLost(loss)) return;
  const int32_t step = ++*stepCount.data_ptr<int32_t>();
  const double base = learningRate.item<double>();
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
  const float correction2 = std::sqrt(1 - std::pow(beta2, static_cast<double>(step)));
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor gradient = withLayoutOf(variables[i], gradients[i]);
    const Moment first(variables[i], firstMoments[i]), second(variables[i], secondMoments[i]);
    float* p = variables[i].data_ptr<float>();
    float* m = first.walked().data_ptr<float>();
    float* v = second.walked().data_ptr<float>();
    const float* g = gradient.data_ptr<float>();
    const double own = base * factors[i];
    const float rate = own / correction1, old2 = beta2, new1 = 1 - beta1, new2 = 1 - beta2, eps = epsilon;
    const float shrink = decoupled ? 1 - own * decays[i] : 1, decay = decoupled ? 0 : decays[i];
    at::parallel_for(0, variables[i].numel(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j++) {
        const float slope = g[j] + decay * p[j];
        m[j] += new1 * (slope - m[j]);
        v[j] = old2 * v[j] + new2 * slope * slope;
        p[j] = shrink * p[j] - rate * m[j] / (std::sqrt(v[j]) / correction2 + eps);
      }
    });
    first.putBack();
    second.putBack();
  }
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def(
      "sgd_(Tensor(a!)[] variables, Tensor[] gradients, Tensor(b!)[] velocities, Tensor learning_rate,"
      " float[] rate_factors, float[] weight_decays, float momentum, bool nesterov, Tensor? loss)"
      " -> ()");
  library.def(
      "adam_(Tensor(a!)[] variables, Tensor[] gradients, Tensor(b!)[] first_moments, Tensor(c!)[] second_moments,"
      " Tensor(d!) step, Tensor learning_rate, float[] rate_factors, float[] weight_decays, float beta1, float beta2,"
      " float epsilon, bool decoupled, Tensor? loss) -> ()");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("sgd_", &sgd);
  library.impl("adam_", &adam);
}

}  // namespace padezoo
