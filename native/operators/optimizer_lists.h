// The optimizers' parallel lists: the i-th variable, its gradient, its moments, the factor on its learning rate and its decay.
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

}  // namespace padezoo
