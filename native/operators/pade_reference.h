// P/Q and its derivatives for one element in float64: what float64 tensors use, and float32 elements beyond the fast range.
#pragma once
#include <algorithm>
#include <cmath>

#include "pade.h"
#include "pade_noise.h"

namespace pade {

inline double signOf(double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : 0.0; }

/// The coefficients as the noise makes them at an element; where `factors` is given, what they were multiplied with.
inline Coefficients noisy(const Coefficients& c, const Shape& shape, const Noise& noise, uint32_t element,
                          Coefficients* factors = nullptr) {
  Coefficients changed = c;
  const int from = shape.form == Form::AbsolutePolynomial ? 0 : 1;
  int index = 0;
  const auto apply = [&](double& coefficient, double* factor) {
    const double f = noiseFactor(noise, element, index++);
    coefficient *= f;
    if (factor) *factor = f;
  };
  for (int i = 0; i <= shape.m; i++) apply(changed.a[i], factors ? &factors->a[i] : nullptr);
  for (int k = from; k <= shape.n; k++) apply(changed.b[k], factors ? &factors->b[k] : nullptr);
  return changed;
}

/// What forward and backward need of one element x; finite wherever the true value is.
struct Element {
  double y;                      // P/Q
  double slope;                  // d(P/Q)/dx
  double ratio[kMaxDegree + 1];  // x^i / Q, the derivative by a[i]
  double sign;                   // of the sum inside the absolute value; 0 at 0, as autograd has it
};

/// Works in u = |x|, the sign of x folded into the coefficients. Beyond u = 1 numerator and denominator are both
/// divided by u^d (d the highest degree in use), so that no power overflows.
inline Element element(double x, const Coefficients& c, const Shape& shape) {
  int d = 1;
  for (int i = 1; i <= shape.m; i++) if (c.a[i] != 0 && i > d) d = i;
  for (int k = 1; k <= shape.n; k++) if (c.b[k] != 0 && k > d) d = k;
  const double u = std::fabs(x);
  const double side = x < 0 ? -1 : 1;
  const int shift = u > 1 ? d : 0;
  const auto power = [&](int i) { return std::pow(u, i - shift); };

  double p = c.a[0] * power(0), s = 0, dp = 0, ds = 0;
  for (int i = 1; i <= shape.m; i++) {
    if (c.a[i] == 0) continue;  // its power may be infinite
    const double a = i % 2 ? c.a[i] * side : c.a[i];
    p += a * power(i);
    dp += i * a * power(i - 1);
  }
  if (c.b[0] != 0) s = c.b[0] * power(0);
  for (int k = 1; k <= shape.n; k++) {
    if (c.b[k] == 0) continue;
    const double b = k % 2 && shape.form != Form::SumOfAbsolutes ? c.b[k] * side : c.b[k];
    s += b * power(k);
    ds += k * b * power(k - 1);
  }
  const bool folded = shape.form == Form::AbsoluteSum || shape.form == Form::AbsolutePolynomial;
  Element e;
  e.sign = folded ? signOf(s) : 1;
  const double q = (shape.form == Form::Unsafe ? 1.0 : shape.q) * power(0) + e.sign * s;
  const double kink = shape.form == Form::SumOfAbsolutes && x == 0 ? 0 : e.sign;  // d|x|/dx is 0 at 0
  e.y = p / q;
  e.slope = side * (dp / q - e.y * (kink * ds / q));
  for (int i = 0; i <= kMaxDegree; i++) e.ratio[i] = (i % 2 ? side : 1) * power(i) / q;
  return e;
}

/// Adds g times the element's coefficient derivatives (times the factors) to `sums`.
inline void addGradients(double g, double x, const Element& e, const Shape& shape, const Coefficients* factors,
                         Coefficients& sums) {
  for (int i = 0; i <= shape.m; i++) sums.a[i] += g * e.ratio[i] * (factors ? factors->a[i] : 1);
  for (int k = shape.form == Form::AbsolutePolynomial ? 0 : 1; k <= shape.n; k++) {
    const double ratio = shape.form == Form::SumOfAbsolutes && x < 0 && k % 2 ? -e.ratio[k] : e.ratio[k];
    sums.b[k] -= g * e.y * e.sign * ratio * (factors ? factors->b[k] : 1);
  }
}

}  // namespace pade
