// pade::forward and pade::backward composed of ATen operators, for devices without a kernel of ours and for float64 there.
// Nothing is read back to the CPU, so that a whole step can be captured as a graph.
#include <torch/library.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "composed.h"
#include "pade_noise.h"

namespace padezoo {
namespace composed {
namespace {

/// 32-bit words in int64 tensors, which ATen has shifts and products for on every device.
constexpr int64_t kWord = 0xffffffff;

/// a * b modulo 2^32 without overflow of int64: b in halves.
Tensor product(const Tensor& a, int64_t b) {
  const Tensor high = a.mul(b >> 16).bitwise_and(0xffff).mul(0x10000);
  return high.add(a.mul(b & 0xffff)).bitwise_and(kWord);
}
/// The upper word of a * b, both below 2^32.
Tensor upper(const Tensor& a, int64_t b) {
  const Tensor low = a.mul(b & 0xffff), high = a.mul(b >> 16);
  return high.add(low.bitwise_right_shift(16)).bitwise_right_shift(16).bitwise_and(kWord);
}

/// Philox4x32-10 of a counter below 2^32, its first two words; as pade_noise.h.
std::pair<Tensor, Tensor> philox(int64_t counter, const Tensor& key) {
  const Tensor words = key.to(at::kLong).bitwise_and(kWord);
  Tensor k0 = words.select(0, 0), k1 = words.select(0, 1);
  Tensor c0 = at::full_like(k0, counter), c1 = at::zeros_like(k0), c2 = c1, c3 = c1;
  for (int round = 0; round < 10; round++) {
    const Tensor n0 = upper(c2, 0xCD9E8D57).bitwise_xor(c1).bitwise_xor(k0), n1 = product(c2, 0xCD9E8D57);
    const Tensor n2 = upper(c0, 0xD2511F53).bitwise_xor(c3).bitwise_xor(k1), n3 = product(c0, 0xD2511F53);
    c0 = n0, c1 = n1, c2 = n2, c3 = n3;
    k0 = k0.add(int64_t{0x9E3779B9}).bitwise_and(kWord);
    k1 = k1.add(int64_t{0xBB67AE85}).bitwise_and(kWord);
  }
  return {c0, c1};
}

/// The draws of pade_noise.h.
class Draws {
 public:
  Draws(const Tensor& elements, const Tensor& key) : key_(key), first_(philox(0, key)) {
    Tensor v = elements.bitwise_xor(first_.first);
    v = v.bitwise_xor(v.bitwise_right_shift(16));
    v = product(v, 0x21f0aaad);
    spread_ = v.bitwise_xor(v.bitwise_right_shift(15));
  }
  /// Both draws of a pair in one word.
  Tensor of(int64_t pair) const {
    const Tensor shifted = spread_.add(pair == 0 ? first_.second : philox(pair, key_).second).bitwise_and(kWord);
    const Tensor v = product(shifted, ::pade::multiplierOf(static_cast<int>(pair)));
    return v.bitwise_xor(v.bitwise_right_shift(15));
  }

 private:
  Tensor key_;
  std::pair<Tensor, Tensor> first_;  // what the key gives for pair 0, and for the elements
  Tensor spread_;
};

enum class Form { AbsoluteSum, AbsolutePolynomial, SumOfAbsolutes, Unsafe };

Form parse(c10::string_view form) {
  if (form == "absolute-sum") return Form::AbsoluteSum;
  if (form == "absolute-polynomial") return Form::AbsolutePolynomial;
  if (form == "sum-of-absolutes") return Form::SumOfAbsolutes;
  TORCH_CHECK(form == "unsafe", "form must be absolute-sum, absolute-polynomial, sum-of-absolutes or unsafe, got ", form);
  return Form::Unsafe;
}

/// One call's tensors, in float64: powers of a large x, and what they are divided by, do not fit into float32 together.
class Rational {
 public:
  Rational(const Tensor& x, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
           const OptionalTensor& key, double noise)
      : form_(parse(form)), first_(form_ == Form::AbsolutePolynomial ? 0 : 1) {
    TORCH_CHECK(x.is_floating_point(), "x must be a float tensor, got ", x.scalar_type());
    TORCH_CHECK(q > 0 && q <= 1, "q must be in (0, 1], got ", q);
    TORCH_CHECK(noise == 0 || (key && key->numel() == 2), "noise needs a key, int32 or int64 [2]");
    x_ = x.to(at::kDouble);
    sets_ = numerator.dim() == 1 ? 1 : numerator.size(0);
    TORCH_CHECK(sets_ == 1 || (x.dim() > 0 && sets_ <= x.size(-1)),
                "there must be no more groups than channels (x's last axis), got ", sets_, " for ", x.sizes());
    if (sets_ > 1) {
      const int64_t channels = x.size(-1);
      const Tensor of = at::arange(channels, x.options().dtype(at::kLong)).mul(sets_).div(channels, "floor");
      groups_ = of;
    }
    m_ = numerator.size(-1) - 1;
    n_ = denominator.size(-1) - 1 + first_;
    if (noise > 0) {
      const Tensor elements = at::arange(x.numel(), x.options().dtype(at::kLong)).view(x.sizes());
      const Draws draws(elements, *key);
      Tensor hash;
      for (int64_t i = 0; i <= m_ + n_ + 1 - first_; i++) {
        if (i % 2 == 0) hash = draws.of(i / 2);
        const Tensor draw = i % 2 ? hash.bitwise_right_shift(16) : hash.bitwise_and(0xffff);
        factors_.push_back(draw.mul(2).sub(65535).to(at::kDouble).mul(noise / 65536).add(1));
      }
    }
    for (int64_t i = 0; i <= m_; i++) a_.push_back(noisy(spread(numerator, i), i));
    for (int64_t k = 0; k < first_; k++) b_.push_back(Tensor());
    for (int64_t k = first_; k <= n_; k++) {
      const Tensor b = spread(denominator, k - first_);
      b_.push_back(noisy(form_ == Form::SumOfAbsolutes ? b.abs() : b, m_ + 1 + k - first_));
    }
    evaluate(form_ == Form::Unsafe ? 1 : q);
  }

  const Tensor& y() const { return y_; }

  std::tuple<Tensor, Tensor, Tensor> gradients(const Tensor& upstream, const Tensor& numerator,
                                               const Tensor& denominator) const {
    const bool absolutes = form_ == Form::SumOfAbsolutes;
    const Tensor g = upstream.to(at::kDouble), t = g.div(q_);
    const Tensor kink = absolutes ? sign_.mul(x_.sign().abs()) : sign_;
    const Tensor dx = side_.mul(dp_.div(q_).sub(y_.mul(kink).mul(ds_).div(q_))).mul(g);
    const auto total = [&](const Tensor& terms, int64_t factor) {
      Tensor wide = terms;
      if (!factors_.empty()) wide = wide.mul(factors_[factor]);
      if (sets_ == 1) return wide.sum(at::kDouble);
      const Tensor channels = wide.reshape({-1, x_.size(-1)}).sum(at::IntArrayRef{0}, false, at::kDouble);
      return at::zeros({sets_}, channels.options()).index_add(0, groups_, channels);
    };
    std::vector<Tensor> da, db;
    const Tensor u = t.mul(y_).mul(sign_).neg();
    for (int64_t i = 0; i <= m_; i++) da.push_back(total(t.mul(power(i)).mul(odd(i)), i));
    for (int64_t k = first_; k <= n_; k++)
      db.push_back(total(u.mul(power(k)).mul(absolutes ? at::ones_like(side_) : odd(k)), m_ + 1 + k - first_));
    const auto stacked = [](const std::vector<Tensor>& parts, const Tensor& like) {
      return parts.empty() ? at::zeros_like(like) : at::stack(parts, -1).reshape(like.sizes());
    };
    Tensor b = stacked(db, denominator);
    if (absolutes) b = b.mul(denominator.sign());
    return {dx.to(upstream.scalar_type()), stacked(da, numerator).to(numerator.scalar_type()),
            b.to(denominator.scalar_type())};
  }

 private:
  /// A coefficient where x's elements find theirs.
  Tensor spread(const Tensor& coefficients, int64_t i) const {
    const Tensor column = coefficients.to(at::kDouble).select(-1, i);
    if (coefficients.dim() == 1) return column;
    return sets_ == 1 ? column.squeeze(0) : column.index_select(0, groups_);
  }
  Tensor noisy(const Tensor& coefficient, int64_t i) const {
    return factors_.empty() ? coefficient : coefficient.mul(factors_[i]);
  }
  /// |x|^i, divided by |x|^d beyond 1, d the highest degree: no power overflows.
  Tensor power(int64_t i) const { return at::where(isLarge_, inverse_.pow(highest_ - i), magnitude_.pow(i)); }
  Tensor odd(int64_t i) const { return i % 2 ? side_ : at::ones_like(side_); }

  void evaluate(double bound) {
    highest_ = std::max<int64_t>({m_, n_, 1});
    side_ = at::where(x_.lt(0), at::full({}, -1, x_.options()), at::full({}, 1, x_.options()));
    const Tensor absolute = x_.abs();
    isLarge_ = absolute.gt(1);
    inverse_ = at::where(isLarge_, absolute.reciprocal(), at::ones_like(absolute));
    magnitude_ = at::where(isLarge_, at::ones_like(absolute), absolute);
    const bool absolutes = form_ == Form::SumOfAbsolutes;
    Tensor p = at::zeros_like(x_), s = p, below;
    dp_ = p;
    ds_ = p;
    for (int64_t i = 0; i <= std::max(m_, n_); i++) {
      const Tensor w = power(i);
      if (i <= m_) {
        const Tensor a = a_[i].mul(odd(i));
        p = p.add(a.mul(w));
        if (i > 0) dp_ = dp_.add(a.mul(below).mul(i));
      }
      if (i >= first_ && i <= n_) {
        const Tensor b = absolutes ? b_[i] : b_[i].mul(odd(i));
        s = s.add(b.mul(w));
        if (i > 0) ds_ = ds_.add(b.mul(below).mul(i));
      }
      below = w;
    }
    const bool folded = form_ == Form::AbsoluteSum || form_ == Form::AbsolutePolynomial;
    sign_ = folded ? s.sign() : at::ones_like(s);
    q_ = power(0).mul(bound).add(sign_.mul(s));
    y_ = p.div(q_);
  }

  Form form_;
  int64_t first_, m_ = 0, n_ = 0, sets_ = 1, highest_ = 1;
  Tensor x_, groups_, side_, isLarge_, inverse_, magnitude_, dp_, ds_, sign_, q_, y_;
  std::vector<Tensor> a_, b_, factors_;
};

}  // namespace

Tensor pade(const Tensor& x, const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
            const OptionalTensor& key, double noise) {
  return Rational(x, numerator, denominator, form, q, key, noise).y().to(x.scalar_type());
}

std::tuple<Tensor, Tensor, Tensor> padeBackward(const Tensor& gradient, const Tensor& x, const Tensor& numerator,
                                                const Tensor& denominator, c10::string_view form, double q,
                                                const OptionalTensor& key, double noise) {
  TORCH_CHECK(gradient.sizes() == x.sizes() && gradient.scalar_type() == x.scalar_type(),
              "the gradient must look like x, got ", gradient.scalar_type(), " ", gradient.sizes(), " for ",
              x.scalar_type(), " ", x.sizes());
  return Rational(x, numerator, denominator, form, q, key, noise).gradients(gradient, numerator, denominator);
}

/// padezoo::random_slopes: `of` where x is not below 0, else times a slope drawn from U(lower, upper).
Tensor randomSlopes(const Tensor& of, const Tensor& x, const Tensor& key, double lower, double upper) {
  const Tensor elements = at::arange(x.numel(), x.options().dtype(at::kLong)).view(x.sizes());
  const Tensor draw = Draws(elements, key).of(0).bitwise_and(0xffff).mul(2).sub(65535).to(at::kFloat).mul(0x1p-16);
  const Tensor slopes = draw.mul((upper - lower) / 2).add((lower + upper) / 2);
  return at::where(x.ge(0), of, of.to(at::kFloat).mul(slopes).to(of.scalar_type()));
}

TORCH_LIBRARY_IMPL(pade, CompositeExplicitAutograd, library) {
  library.impl("forward", &pade);
  library.impl("backward", &padeBackward);
}

TORCH_LIBRARY_IMPL(padezoo, CompositeExplicitAutograd, library) { library.impl("random_slopes", &randomSlopes); }

}  // namespace composed
}  // namespace padezoo
