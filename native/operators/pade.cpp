// pade::forward and pade::backward on the CPU: threads over tiles, coefficient gradients in an order that no thread changes.
//
//   y = P(x) / Q(x),  P = sum a_i x^i (i = 0..m),  Q by `form` with lower bound `q` (Molina et al., ICLR 2020, Eq. 2)
//
// x: any shape and dense strides, float32 or float64; numerator [m + 1]; denominator [n] from degree 1; orders to [10, 10].
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <limits>
#include <vector>

#include "pade_kernels.h"
#include "pade_reference.h"

namespace pade {
namespace {

Form parseForm(c10::string_view form) {
  if (form == "absolute-sum") return Form::AbsoluteSum;
  if (form == "sum-of-absolutes") return Form::SumOfAbsolutes;
  if (form == "unsafe") return Form::Unsafe;
  TORCH_CHECK(false, "form must be absolute-sum, sum-of-absolutes or unsafe, got ", form);
}

template <typename T>
Coefficients<T> readCoefficients(const at::Tensor& numerator, const at::Tensor& denominator, c10::string_view form, double q) {
  TORCH_CHECK(numerator.dim() == 1 && numerator.numel() >= 1 && numerator.numel() <= kMaxDegree + 1,
              "numerator must be [m + 1] with m from 0 to ", kMaxDegree, ", got ", numerator.sizes());
  TORCH_CHECK(denominator.dim() == 1 && denominator.numel() <= kMaxDegree,
              "denominator must be [n] with n from 0 to ", kMaxDegree, ", got ", denominator.sizes());
  TORCH_CHECK(q > 0 && q <= 1, "q must be in (0, 1], got ", q);
  Coefficients<T> c;
  c.form = parseForm(form);
  c.m = static_cast<int>(numerator.numel()) - 1;
  c.n = static_cast<int>(denominator.numel());
  c.q = static_cast<T>(q);
  const auto a = numerator.to(at::kDouble).contiguous(), b = denominator.to(at::kDouble).contiguous();
  for (int i = 0; i <= c.m; i++) c.a[i] = static_cast<T>(a.data_ptr<double>()[i]);
  for (int k = 0; k < c.n; k++) {
    const double value = b.data_ptr<double>()[k];
    c.b[k] = static_cast<T>(c.form == Form::SumOfAbsolutes ? std::fabs(value) : value);
  }
  const int degree = std::max({c.m, c.n, 1});
  c.limit = static_cast<T>(std::ldexp(1.0, 100 / degree));  // x^degree stays below 2^100, far from float32's 2^128
  return c;
}

/// The same elements with dense memory; a copy only when there are gaps or overlaps.
at::Tensor dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

void checkInput(const at::Tensor& x) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble,
              "x must be float32 or float64, got ", x.scalar_type());
}

template <typename Body>
void forTiles(int64_t elements, const Body& body) {
  const int64_t tiles = (elements + kTile - 1) / kTile;
  at::parallel_for(0, tiles, /*grain_size=*/8, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; tile++) {
      const int64_t from = tile * kTile;
      body(tile, from, std::min(kTile, elements - from));
    }
  });
}

at::Tensor forward(const at::Tensor& input, const at::Tensor& numerator, const at::Tensor& denominator,
                   c10::string_view form, double q) {
  checkInput(input);
  const at::Tensor x = dense(input);
  at::Tensor y = at::empty_like(x);
  if (x.scalar_type() == at::kDouble) {
    const auto c = readCoefficients<double>(numerator, denominator, form, q);
    const double* from = x.data_ptr<double>();
    double* to = y.data_ptr<double>();
    forTiles(x.numel(), [&](int64_t, int64_t begin, int64_t count) {
      for (int64_t i = begin; i < begin + count; i++) to[i] = element(from[i], c).y;
    });
    return y;
  }
  const auto c = readCoefficients<float>(numerator, denominator, form, q);
  const auto kernel = tileKernels(c.form, c.m, c.n).forward;
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  forTiles(x.numel(), [&](int64_t, int64_t begin, int64_t count) { kernel(from + begin, to + begin, count, c); });
  return y;
}

/// Adds the tiles' sums from first to last and stores them with the coefficients' type.
std::tuple<at::Tensor, at::Tensor> coefficientGradients(const std::vector<Sums>& tiles, const at::Tensor& numerator,
                                                        const at::Tensor& denominator, Form form) {
  at::Tensor da = at::zeros({numerator.numel()}, at::kDouble), db = at::zeros({denominator.numel()}, at::kDouble);
  double* a = da.data_ptr<double>();
  double* b = db.data_ptr<double>();
  for (const Sums& sums : tiles) {
    for (int64_t i = 0; i < da.numel(); i++) a[i] += sums.a[i];
    for (int64_t k = 0; k < db.numel(); k++) b[k] += sums.b[k];
  }
  if (form == Form::SumOfAbsolutes) db.mul_(denominator.to(at::kDouble).sign());  // d|b|/db, 0 at 0
  return {da.to(numerator.scalar_type()), db.to(denominator.scalar_type())};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward(const at::Tensor& gradient, const at::Tensor& input,
                                                        const at::Tensor& numerator, const at::Tensor& denominator,
                                                        c10::string_view form, double q) {
  checkInput(input);
  TORCH_CHECK(gradient.sizes() == input.sizes() && gradient.scalar_type() == input.scalar_type(),
              "the gradient must look like x, got ", gradient.scalar_type(), " ", gradient.sizes(), " for ",
              input.scalar_type(), " ", input.sizes());
  const at::Tensor x = dense(input);
  at::Tensor g = gradient;
  if (g.strides() != x.strides()) g = at::empty_like(x).copy_(gradient);
  at::Tensor dx = at::empty_like(x);
  std::vector<Sums> sums((x.numel() + kTile - 1) / kTile);
  if (x.scalar_type() == at::kDouble) {
    const auto c = readCoefficients<double>(numerator, denominator, form, q);
    const double *upstream = g.data_ptr<double>(), *from = x.data_ptr<double>();
    double* to = dx.data_ptr<double>();
    forTiles(x.numel(), [&](int64_t tile, int64_t begin, int64_t count) {
      for (int64_t i = begin; i < begin + count; i++) {
        const Element e = element(from[i], c);
        to[i] = upstream[i] * e.slope;
        addGradients(upstream[i], from[i], e, c, sums[tile]);
      }
    });
  } else {
    const auto c = readCoefficients<float>(numerator, denominator, form, q);
    const auto kernel = tileKernels(c.form, c.m, c.n).backward;
    const float *upstream = g.data_ptr<float>(), *from = x.data_ptr<float>();
    float* to = dx.data_ptr<float>();
    forTiles(x.numel(), [&](int64_t tile, int64_t begin, int64_t count) {
      kernel(upstream + begin, from + begin, to + begin, count, c, sums[tile]);
    });
  }
  auto [da, db] = coefficientGradients(sums, numerator, denominator, parseForm(form));
  return {dx, da, db};
}

}  // namespace

TORCH_LIBRARY(pade, library) {
  library.def("forward(Tensor x, Tensor numerator, Tensor denominator, str form, float q) -> Tensor");
  library.def(
      "backward(Tensor gradient, Tensor x, Tensor numerator, Tensor denominator, str form, float q)"
      " -> (Tensor x, Tensor numerator, Tensor denominator)");
}

TORCH_LIBRARY_IMPL(pade, CPU, library) {
  library.impl("forward", &forward);
  library.impl("backward", &backward);
}

}  // namespace pade
