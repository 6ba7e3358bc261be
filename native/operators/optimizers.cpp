// padezoo::sgd_ and padezoo::adam_: one call updates every variable in place.
//
// Lists are parallel: the i-th variable, its gradient, its moments, its learning rate and weight decay.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <cmath>

namespace padezoo {
namespace {

using at::Tensor;
using at::TensorList;

/// `t` with the memory layout of `like`; a copy only when they differ.
Tensor withLayoutOf(const Tensor& like, const Tensor& t) {
  TORCH_CHECK(t.sizes() == like.sizes() && t.scalar_type() == at::kFloat, "a gradient must look like its variable: got ",
              t.scalar_type(), " ", t.sizes(), " for ", like.sizes());
  return t.strides() == like.strides() ? t : at::empty_like(like).copy_(t);
}

void checkLists(TensorList variables, size_t gradients, size_t rates, size_t decays) {
  TORCH_CHECK(variables.size() == gradients && variables.size() == rates && variables.size() == decays,
              "every variable needs a gradient, a learning rate and a weight decay");
  for (const Tensor& variable : variables)
    TORCH_CHECK(variable.scalar_type() == at::kFloat && variable.is_non_overlapping_and_dense(),
                "variables must be dense float32");
}

constexpr int64_t kGrain = 16384;  // elements a thread takes at least

/// Stochastic gradient descent as PyTorch defines it: g += decay·p; v = momentum·v + g; p -= rate·(nesterov ? g + momentum·v : v).
void sgd(TensorList variables, TensorList gradients, TensorList velocities, at::ArrayRef<double> rates,
         at::ArrayRef<double> decays, double momentum, bool nesterov) {
  checkLists(variables, gradients.size(), rates.size(), decays.size());
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor gradient = withLayoutOf(variables[i], gradients[i]);
    float* p = variables[i].data_ptr<float>();
    float* v = momentum ? velocities[i].data_ptr<float>() : nullptr;
    const float* g = gradient.data_ptr<float>();
    const float rate = rates[i], decay = decays[i], mu = momentum;
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
  }
}

/// Adam (Kingma & Ba 2015, Algorithm 1); `decoupled` makes the weight decay AdamW's (Loshchilov & Hutter 2019).
void adam(TensorList variables, TensorList gradients, TensorList firstMoments, TensorList secondMoments,
          at::ArrayRef<double> rates, at::ArrayRef<double> decays, double beta1, double beta2, double epsilon, int64_t step,
          bool decoupled) {
  checkLists(variables, gradients.size(), rates.size(), decays.size());
  const double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
  const float correction2 = std::sqrt(1 - std::pow(beta2, static_cast<double>(step)));
  for (size_t i = 0; i < variables.size(); i++) {
    const Tensor gradient = withLayoutOf(variables[i], gradients[i]);
    float* p = variables[i].data_ptr<float>();
    float* m = firstMoments[i].data_ptr<float>();
    float* v = secondMoments[i].data_ptr<float>();
    const float* g = gradient.data_ptr<float>();
    const float rate = rates[i] / correction1, b1 = beta1, b2 = beta2, eps = epsilon;
    const float shrink = decoupled ? 1 - rates[i] * decays[i] : 1, decay = decoupled ? 0 : decays[i];
    at::parallel_for(0, variables[i].numel(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; j++) {
        const float slope = g[j] + decay * p[j];
        m[j] += (1 - b1) * (slope - m[j]);
        v[j] = b2 * v[j] + (1 - b2) * slope * slope;
        p[j] = shrink * p[j] - rate * m[j] / (std::sqrt(v[j]) / correction2 + eps);
      }
    });
  }
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def(
      "sgd_(Tensor(a!)[] variables, Tensor[] gradients, Tensor(b!)[] velocities, float[] learning_rates,"
      " float[] weight_decays, float momentum, bool nesterov) -> ()");
  library.def(
      "adam_(Tensor(a!)[] variables, Tensor[] gradients, Tensor(b!)[] first_moments, Tensor(c!)[] second_moments,"
      " float[] learning_rates, float[] weight_decays, float beta1, float beta2, float epsilon, int step,"
      " bool decoupled) -> ()");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("sgd_", &sgd);
  library.impl("adam_", &adam);
}

}  // namespace padezoo
