// Our operators composed of ATen's: what runs on a device that has no kernel of ours. Each is the operator of the same name.
#pragma once
#include <ATen/ATen.h>

namespace padezoo {
namespace composed {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;
using Numbers = at::ArrayRef<double>;
using Sizes = at::IntArrayRef;

Tensor pade(const Tensor& x, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
            const OptionalTensor& key, double noise);
std::tuple<Tensor, Tensor, Tensor> padeBackward(const Tensor& gradient, const Tensor& x, const Tensor& numerator,
                                                const Tensor& denominator, c10::string_view form, double q,
                                                const OptionalTensor& key, double noise);

std::tuple<Tensor, Tensor, Tensor> batchNorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& runningMean,
                                            const Tensor& runningVariance, double momentum, double epsilon);
std::tuple<Tensor, Tensor, Tensor> batchNormBackward(const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& mean,
                                                    const Tensor& inverse);
std::tuple<Tensor, Tensor, Tensor> batchNormPade(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                                const Tensor& runningMean, const Tensor& runningVariance, double momentum,
                                                double epsilon, const Tensor& numerator, const Tensor& denominator,
                                                c10::string_view form, double q);
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> batchNormPadeBackward(
    const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean, const Tensor& inverse,
    const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q);
std::tuple<Tensor, Tensor, Tensor> batchNormAddPade(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                                   const Tensor& runningMean, const Tensor& runningVariance, double momentum,
                                                   double epsilon, const Tensor& residual, const Tensor& numerator,
                                                   const Tensor& denominator, c10::string_view form, double q);
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> batchNormAddPadeBackward(
    const Tensor& dy, const c10::optional<Tensor>& other, const Tensor& x, const Tensor& gamma, const Tensor& beta,
    const Tensor& mean, const Tensor& inverse, const Tensor& residual, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q);

Tensor depthwise(const Tensor& x, const Tensor& filter, Sizes stride, Sizes padding, Sizes dilation);
Tensor depthwiseInput(const Tensor& dy, const Tensor& filter, Sizes size, Sizes stride, Sizes padding, Sizes dilation);
Tensor depthwiseFilter(const Tensor& dy, const Tensor& x, Sizes size, Sizes stride, Sizes padding, Sizes dilation);

}  // namespace composed
}  // namespace padezoo
