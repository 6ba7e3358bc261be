// The optimizers' parallel lists, on every device: the i-th variable, its gradient, its moments, the factor on its learning rate
// and its weight decay. A variable is walked in the order of its memory, and what belongs to it as well.
#pragma once
#include <ATen/ATen.h>

#include <initializer_list>

namespace padezoo {

/// @param moments lists that have one for each variable, unless nothing `hasMoments`
inline void checkLists(at::TensorList variables, at::TensorList gradients, std::initializer_list<const at::TensorList*> moments,
                       at::ArrayRef<double> factors, at::ArrayRef<double> decays, bool hasMoments) {
  const size_t count = variables.size();
  TORCH_CHECK(gradients.size() == count && factors.size() == count && decays.size() == count,
              "every variable needs a gradient, a rate factor and a weight decay");
  for (const at::TensorList* list : moments)
    TORCH_CHECK(!hasMoments || list->size() == count, "every variable needs its moments");
  for (size_t i = 0; i < count; i++) {
    const auto type = gradients[i].scalar_type();
    TORCH_CHECK(variables[i].scalar_type() == at::kFloat && variables[i].is_non_overlapping_and_dense(),
                "variables must be dense float32");
    TORCH_CHECK(gradients[i].sizes() == variables[i].sizes() && (type == at::kFloat || type == at::kBFloat16),
                "a gradient must look like its variable: got ", type, " ", gradients[i].sizes(), " for ", variables[i].sizes());
    for (const at::TensorList* list : moments)
      TORCH_CHECK(!hasMoments || ((*list)[i].sizes() == variables[i].sizes() && (*list)[i].scalar_type() == at::kFloat),
                  "a moment must look like its variable: got ", (*list)[i].scalar_type(), " ", (*list)[i].sizes(), " for ",
                  variables[i].sizes());
  }
}

/// A gradient with its variable's type and memory layout; a copy only when they differ.
inline at::Tensor withLayoutOf(const at::Tensor& like, const at::Tensor& t) {
  return t.strides() == like.strides() && t.scalar_type() == at::kFloat ? t : at::empty_like(like).copy_(t);
}

/// A moment in the layout of its variable: itself, or a copy where they differ (a variable that was set anew between two replays
/// of a step).
class Moment {
 public:
  Moment(const at::Tensor& variable, const at::Tensor& moment) : moment_(moment), walked_(withLayoutOf(variable, moment)) {}
  const at::Tensor& walked() const { return walked_; }
  void putBack() const {
    if (!walked_.is_same(moment_)) moment_.copy_(walked_);
  }

 private:
  at::Tensor moment_, walked_;
};

}  // namespace padezoo
