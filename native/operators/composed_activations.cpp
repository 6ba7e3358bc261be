// The baseline activations and pooling composed of ATen operators, for devices without a kernel of ours. Nothing is read
// back to the CPU, so that a whole step can be captured as a graph.
#include <torch/library.h>
#include <torch/version.h>

#include "composed.h"

namespace padezoo {
namespace composed {
namespace {

/// slope * x + sum of weight_j * max(0, side_j * (x - threshold_j))
Tensor hinges(const Tensor& x, const Tensor& slope, const Tensor& weights, const Tensor& thresholds,
              at::ArrayRef<int64_t> sides) {
  const Tensor wide = x.to(at::kFloat);
  Tensor y = wide.mul(slope.reshape({}));
  for (size_t j = 0; j < sides.size(); j++)
    y = y.add(wide.sub(thresholds.select(0, j)).mul(sides[j] > 0 ? 1 : -1).clamp_min(0).mul(weights.select(0, j)));
  return y.to(x.scalar_type());
}

std::tuple<Tensor, Tensor, Tensor, Tensor> hingesBackward(const Tensor& gradient, const Tensor& x, const Tensor& slope,
                                                          const Tensor& weights, const Tensor& thresholds,
                                                          at::ArrayRef<int64_t> sides) {
  const Tensor wide = x.to(at::kFloat), g = gradient.to(at::kFloat);
  Tensor dx = g.mul(slope.reshape({}));
  std::vector<Tensor> dw, dt;
  for (size_t j = 0; j < sides.size(); j++) {
    const double side = sides[j] > 0 ? 1 : -1;
    const Tensor over = wide.sub(thresholds.select(0, j)).mul(side);
    const Tensor active = g.mul(side > 0 ? over.gt(0) : over.ge(0));  // on its threshold the left side counts
    dx = dx.add(active.mul(weights.select(0, j)).mul(side));
    dw.push_back(g.mul(over.clamp_min(0)).sum(at::kDouble));
    dt.push_back(active.sum(at::kDouble).mul(weights.select(0, j)).mul(-side));
  }
  const auto vector = [](const std::vector<Tensor>& parts, const Tensor& like) {
    return parts.empty() ? at::zeros_like(like) : at::stack(parts).to(like.scalar_type());
  };
  return {dx.to(x.scalar_type()), g.mul(wide).sum(at::kDouble).reshape(slope.sizes()).to(slope.scalar_type()),
          vector(dw, weights), vector(dt, thresholds)};
}

/// Of equal ones the first counts, as in our kernel on the CPU; ATen leaves that open.
std::pair<Tensor, Tensor> largest(const Tensor& pieces) {
  Tensor best = pieces.select(-1, 0), place = at::zeros_like(best, best.options().dtype(at::kByte));
  for (int64_t p = 1; p < pieces.size(-1); p++) {
    const Tensor v = pieces.select(-1, p);
    const Tensor better = v.gt(best).logical_or(v.isnan().logical_and(best.isnan().logical_not()));
    best = at::where(better, v, best);
    place = at::where(better, at::full_like(place, p), place);
  }
  return {best, place};
}

/// `values` at their places among `pieces`, 0 elsewhere; the places' axis comes last.
Tensor scattered(const Tensor& values, const Tensor& places, int64_t pieces) {
  std::vector<Tensor> parts;
  for (int64_t p = 0; p < pieces; p++) parts.push_back(at::where(places.eq(p), values, at::zeros_like(values)));
  return at::stack(parts, -1);
}

Tensor inPieces(const Tensor& x, int64_t pieces) {
  TORCH_CHECK(pieces >= 1 && x.dim() >= 1 && x.size(-1) % pieces == 0, "maxout: ", pieces,
              " pieces do not divide the channels of ", x.sizes());
  auto shape = x.sizes().vec();
  shape.back() /= pieces;
  shape.push_back(pieces);
  return x.reshape(shape);
}

Tensor maxout(const Tensor& x, int64_t pieces) { return largest(inPieces(x, pieces)).first; }

Tensor maxoutBackward(const Tensor& gradient, const Tensor& x, int64_t pieces) {
  return scattered(gradient, largest(inPieces(x, pieces)).second, pieces).reshape(x.sizes());
}

/// x above 0, else alpha * (exp(rate * x) - 1).
Tensor exponentialUnit(const Tensor& x, double alpha, double rate) {
#if TORCH_VERSION_MAJOR >= 2
  return at::elu(x, alpha, 1, rate);
#else
  // libtorch 1.13 subtracts 1 from exp(x), which leaves a small x no digits.
  return at::where(x.gt(0), x, at::expm1(x.mul(rate)).mul(alpha));
#endif
}

/// As PyTorch has it, the gradient passes where x is NaN.
Tensor exponentialUnitBackward(const Tensor& gradient, const Tensor& x, double alpha, double rate) {
  return at::elu_backward(gradient, alpha, 1, rate, false, x);
}

/// x * sigmoid(beta * x)
Tensor swish(const Tensor& x, double beta) {
  if (beta == 1) return at::silu(x);
  const Tensor wide = x.to(at::kFloat);
  return at::sigmoid(wide.mul(beta)).mul(wide).to(x.scalar_type());
}

Tensor swishBackward(const Tensor& gradient, const Tensor& x, double beta) {
  return at::silu_backward(gradient, x.mul(beta).clamp(-100, 100));  // beyond is 0 or 1, but to ATen infinity times 0
}

/// [n, h, w, c] as ATen sees images; the memory stays.
Tensor asImages(const Tensor& x) { return x.permute({0, 3, 1, 2}); }
Tensor asChannelsLast(const Tensor& images) { return images.permute({0, 2, 3, 1}).contiguous(); }

/// ATen's places are of the whole image, in int64.
std::tuple<Tensor, Tensor> maxPool(const Tensor& x, int64_t window) {
  TORCH_CHECK(x.dim() == 4 && window >= 1 && window <= 15 && window <= x.size(1) && window <= x.size(2),
              "x must be [n, h, w, c], and window from 1 to the image's size and to 15, got ", window, " for ", x.sizes());
  const auto [best, places] = at::max_pool2d_with_indices(asImages(x), {window, window});
  return {asChannelsLast(best), asChannelsLast(places)};
}

Tensor maxPoolBackward(const Tensor& gradient, const Tensor& x, const Tensor& places, int64_t window) {
  TORCH_CHECK(gradient.sizes() == places.sizes() && places.scalar_type() == at::kLong && places.dim() == 4 &&
                  places.size(1) == x.size(1) / window && places.size(2) == x.size(2) / window,
              "gradient and places must look like the result, got ", gradient.sizes(), " and ", places.sizes());
  return asChannelsLast(at::max_pool2d_with_indices_backward(asImages(gradient), asImages(x), {window, window},
                                                             {window, window}, {0, 0}, {1, 1}, false, asImages(places)));
}

}  // namespace

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) {
  library.impl("hinges", &hinges);
  library.impl("hinges_backward", &hingesBackward);
  library.impl("maxout", &maxout);
  library.impl("maxout_backward", &maxoutBackward);
  library.impl("exponential_unit", &exponentialUnit);
  library.impl("exponential_unit_backward", &exponentialUnitBackward);
  library.impl("swish", &swish);
  library.impl("swish_backward", &swishBackward);
  library.impl("max_pool", &maxPool);
  library.impl("max_pool_backward", &maxPoolBackward);
}

}  // namespace composed
}  // namespace padezoo
