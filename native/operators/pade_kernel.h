// The Padé kernels over a run of vectors, written once; each pade_<instruction set>.cpp compiles them for its own.
// (No include guard and no includes: they would leave the surrounding target options.)
#include "lanes.h"

constexpr int64_t kAhead = 16;  // vectors between what is computed and what is fetched

/// Remembers the largest |x|; NaN counts as larger than everything.
struct Largest {
  Words bits = {};
  LANES_INLINE void see(Vector x) {
    const Words magnitude = (Words)x & 0x7fffffffu;
    bits = magnitude > bits ? magnitude : bits;
  }
  LANES_INLINE bool above(float limit) const {
    uint32_t most = 0, bound;
    for (int lane = 0; lane < kLanes; lane++) most = bits[lane] > most ? bits[lane] : most;
    __builtin_memcpy(&bound, &limit, sizeof bound);
    return most > bound;
  }
};

/// A run's coefficients in registers, and what the noise makes of them for one vector of elements: c * (one + step * draw),
/// for values alone as (c * one) + (c * step) * draw, for the derivatives with the factor, which they need as well.
template <Form F, int M, int N, bool Noisy, bool Derivatives>
struct Coefs {
  static constexpr int kA = (M < 0 ? kMaxDegree : M) + 1, kB = (N < 0 ? kMaxDegree : N) + 1;
  static constexpr bool kSteps = Noisy && !Derivatives;
  const int runtimeM, runtimeN;
  const float one, step;
  Vector a[kA], b[kB];
  Vector stepA[kSteps ? kA : 1], stepB[kSteps ? kB : 1];
  Words words[Noisy ? Noise::kPairs : 1] = {};  // two draws each
  Vector draws[Noisy ? kA + kB + 1 : 1];  // numerator's, then denominator's; with derivatives the factors

  LANES_INLINE Coefs(const Shape& shape, const Pattern& pattern, const Noise& noise)
      : runtimeM(shape.m), runtimeN(shape.n),
        one(1 - noise.amplitude * (65535 * 0x1p-16f)), step(noise.amplitude * 0x1p-15f) {
    for (int i = 0; i <= m(); i++) {
      a[i] = load(pattern.a[i]) * (kSteps ? one : 1.0f);
      if constexpr (kSteps) stepA[i] = load(pattern.a[i]) * step;
    }
    for (int k = 0; k <= n(); k++) {
      b[k] = load(pattern.b[k]) * (kSteps ? one : 1.0f);
      if constexpr (kSteps) stepB[k] = load(pattern.b[k]) * step;
    }
  }
  LANES_INLINE int m() const { return M < 0 ? runtimeM : M; }
  LANES_INLINE int n() const { return N < 0 ? runtimeN : N; }
  LANES_INLINE int count() const { return m() + n() + 1 + (F == Form::AbsolutePolynomial); }
  /// The draws of a vector of elements, ahead of time: so long a chain of operators would hold up the next vector's.
  LANES_INLINE void prepare(const Noise& noise, Words elements) {
    if constexpr (Noisy) {
      const Words spread = spreadOf(elements, noise.before);
      const int pairs = (count() + 1) / 2;
#pragma GCC unroll 11
      for (int pair = 0; pair < pairs; pair++) words[pair] = drawsOf(spread, noise.shift[pair], multiplierOf(pair));
    }
  }
  /// Takes what was prepared.
  LANES_INLINE void draw() {
    if constexpr (Noisy) {
      const auto kept = [&](Words draw) __attribute__((always_inline)) {
        const Vector v = __builtin_convertvector((Mask)draw, Vector);
        return Derivatives ? one + step * v : v;
      };
      const int pairs = (count() + 1) / 2;
#pragma GCC unroll 11
      for (int pair = 0; pair < pairs; pair++) {
        draws[2 * pair] = kept(words[pair] & 0xffffu);
        if (2 * pair + 1 < count()) draws[2 * pair + 1] = kept(words[pair] >> 16);
      }
    }
  }
  LANES_INLINE int placeOfB(int k) const { return m() + k + (F == Form::AbsolutePolynomial); }
  LANES_INLINE Vector byA(Vector v, int i) const { return Noisy ? v * draws[i] : v; }
  LANES_INLINE Vector byB(Vector v, int k) const { return Noisy ? v * draws[placeOfB(k)] : v; }
  LANES_INLINE Vector A(int i) const {
    if constexpr (kSteps) return a[i] + stepA[i] * draws[i];
    else return byA(a[i], i);
  }
  LANES_INLINE Vector B(int k) const {
    if constexpr (kSteps) return b[k] + stepB[k] * draws[placeOfB(k)];
    else return byB(b[k], k);
  }
};

/// P, Q and what their derivatives share, for one vector of elements.
template <bool Derivatives>
struct Evaluation {
  Vector reciprocal, y;  // 1/Q, P/Q
  Vector dp, ds, s;      // P', dS/dx (by |x| for SumOfAbsolutes), and S, the denominator's sum

  template <Form F, int M, int N, bool Noisy>
  LANES_INLINE Evaluation(Vector x, float q0, const Coefs<F, M, N, Noisy, Derivatives>& c) {
    const Vector inner = F == Form::SumOfAbsolutes ? absolute(x) : x;
    Vector p = c.A(c.m());
    dp = Vector{};
    if (c.m() > 0) {
      if (Derivatives) dp = p;
      p = p * x + c.A(c.m() - 1);
    }
    for (int i = c.m() - 2; i >= 0; i--) {
      if (Derivatives) dp = dp * x + p;
      p = p * x + c.A(i);
    }
    s = ds = Vector{};
    if (c.n() > 0) {
      s = c.B(c.n());
      if (Derivatives) ds = s;
      for (int k = c.n() - 1; k >= 1; k--) {
        s = s * inner + c.B(k);
        if (Derivatives) ds = ds * inner + s;
      }
      s = s * inner;
    }
    if (F == Form::AbsolutePolynomial) s += c.B(0);
    const bool folded = F == Form::AbsoluteSum || F == Form::AbsolutePolynomial;
    const Vector q = (folded ? absolute(s) : s) + q0;
    reciprocal = 1.0f / q;
    y = p * reciprocal;
  }
};

/// What Q starts from.
template <Form F>
LANES_INLINE float boundOf(const Shape& shape) { return F == Form::Unsafe ? 1.0f : static_cast<float>(shape.q); }

LANES_INLINE Words elementsFrom(uint32_t first) {
  Words words;
  for (int lane = 0; lane < kLanes; lane++) words[lane] = first + lane;
  return words;
}

template <Form F, int M, int N, bool Noisy, typename T>
bool forwardRun(const Run<T>& run, const Shape& shape, const Pattern& pattern, const Noise& noise) {
  Coefs<F, M, N, Noisy, false> c(shape, pattern, noise);
  const float q = boundOf<F>(shape);
  Largest largest;
  const Words lanes = elementsFrom(run.first);
  c.prepare(noise, lanes);
  for (int64_t i = 0; i < run.vectors; i++) {
    const int64_t at = i * run.stride;
    if (run.stride != kLanes) __builtin_prefetch(run.x + at + kAhead * run.stride);
    const Vector x = load(run.x + at);
    largest.see(x);
    c.draw();
    c.prepare(noise, lanes + static_cast<uint32_t>(at + run.stride));
    store(run.out + at, Evaluation<false>(x, q, c).y);
  }
  return largest.above(shape.limit);
}

template <Form F, int M, int N, bool Noisy, bool Careful, typename T>
bool backwardRun(const Run<T>& run, const Shape& shape, const Pattern& pattern, const Noise& noise, LaneSums& sums) {
  Coefs<F, M, N, Noisy, true> c(shape, pattern, noise);
  const float q = boundOf<F>(shape);
  Vector da[c.kA] = {}, db[c.kB] = {};
  Largest largest;
  const Words lanes = elementsFrom(run.first);
  c.prepare(noise, lanes);
  for (int64_t i = 0; i < run.vectors; i++) {
    const int64_t at = i * run.stride;
    Vector x = load(run.x + at), upstream = load(run.gradient + at);
    // Three streams at once are too many for the CPU to see them coming.
    const int64_t ahead = at + kAhead * run.stride;
    __builtin_prefetch(run.x + ahead);
    __builtin_prefetch(run.gradient + ahead);
    __builtin_prefetch(run.out + ahead, 1);
    if constexpr (Careful) {
      const Mask fits = absolute(x) <= shape.limit;
      x = fits ? x : Vector{};
      upstream = fits ? upstream : Vector{};
    } else {
      largest.see(x);
    }
    c.draw();
    c.prepare(noise, lanes + static_cast<uint32_t>(at + run.stride));
    const Evaluation<true> e(x, q, c);
    const Vector t = upstream * e.reciprocal;
    const bool folded = F == Form::AbsoluteSum || F == Form::AbsolutePolynomial;
    const Vector ySide = folded ? withSign(e.y, e.s) : e.y;
    // (P' - y·Q') / Q, never P/Q²: Q² overflows long before P/Q does.
    store(run.out + at, t * (e.dp - (F == Form::SumOfAbsolutes ? withSign(e.y, x) : ySide) * e.ds));
    const Vector u = t * ySide;
    da[0] += c.byA(t, 0);
    if (F == Form::AbsolutePolynomial) db[0] -= c.byB(u, 0);
    Vector power = x;
    for (int k = 1; k <= (c.m() > c.n() ? c.m() : c.n()); k++) {
      if (k <= c.m()) da[k] += c.byA(t, k) * power;
      if (k <= c.n()) db[k] -= c.byB(u, k) * (F == Form::SumOfAbsolutes && k % 2 ? absolute(power) : power);
      power *= x;
    }
  }
  if (largest.above(shape.limit)) return true;
  for (int i = 0; i <= c.m(); i++) addWide(sums.a[i], da[i]);
  for (int k = 0; k <= c.n(); k++) addWide(sums.b[k], db[k]);
  return false;
}

template <Form F, int M, int N, bool Noisy, typename T>
RunKernels<T> kernelsFor() {
  return {forwardRun<F, M, N, Noisy, T>, backwardRun<F, M, N, Noisy, false, T>, backwardRun<F, -1, -1, Noisy, true, T>};
}

/// Some orders are unrolled, and an order between them runs as the next larger one: a pattern's other coefficients are 0.
/// (Not with noise, which numbers the coefficients.)
template <Form F, typename T>
RunKernels<T> pickOrder(int m, int n, bool noisy) {
#ifdef PADE_UNROLLED
  if (noisy) return m == 5 && n == 4 ? kernelsFor<F, 5, 4, true, T>() : kernelsFor<F, -1, -1, true, T>();
  if (m <= 3 && n <= 2) return kernelsFor<F, 3, 2, false, T>();
  if (m <= 4 && n <= 4) return kernelsFor<F, 4, 4, false, T>();
  if (m <= 5 && n <= 4) return kernelsFor<F, 5, 4, false, T>();
  if (m <= 7 && n <= 6) return kernelsFor<F, 7, 6, false, T>();
  return kernelsFor<F, kMaxDegree, kMaxDegree, false, T>();
#endif
  return noisy ? kernelsFor<F, -1, -1, true, T>() : kernelsFor<F, -1, -1, false, T>();
}

template <typename T>
RunKernels<T> pick(const Shape& shape, bool noisy) {
  switch (shape.form) {
    case Form::AbsoluteSum: return pickOrder<Form::AbsoluteSum, T>(shape.m, shape.n, noisy);
    case Form::AbsolutePolynomial: return pickOrder<Form::AbsolutePolynomial, T>(shape.m, shape.n, noisy);
    case Form::SumOfAbsolutes: return pickOrder<Form::SumOfAbsolutes, T>(shape.m, shape.n, noisy);
    default: return pickOrder<Form::Unsafe, T>(shape.m, shape.n, noisy);
  }
}
