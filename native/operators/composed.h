// Our operators composed of ATen's: what runs on a device that has no kernel of ours. Each is the operator of the same name.
#pragma once
#include <ATen/ATen.h>

namespace padezoo {
namespace composed {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;
using Numbers = at::ArrayRef<double>;

Tensor pade(const Tensor& x, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
            const OptionalTensor& key, double noise);
std::tuple<Tensor, Tensor, Tensor> padeBackward(const Tensor& gradient, const Tensor& x, const Tensor& numerator,
                                                const Tensor& denominator, c10::string_view form, double q,
                                                const OptionalTensor& key, double noise);

}  // namespace composed
}  // namespace padezoo
