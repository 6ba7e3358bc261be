// P/Q and its derivatives on a GPU, element by element and thread by thread: everything of the Padé kernels that is
// arithmetic or indexing. g++ compiles it as well, and test/native/padeOnHost.cpp runs the kernels against the float64 reference.
#pragma once
#include <cmath>
#include <cstdint>

#include "../operators/pade.h"
#include "../operators/pade_noise.h"

#ifdef __CUDACC__
#define PADE_INLINE __host__ __device__ __forceinline__
#define PADE_UNROLL _Pragma("unroll")
#define PADE_ROLLED _Pragma("unroll 1")
#else
#define PADE_INLINE [[gnu::always_inline]] inline
#define PADE_UNROLL
#define PADE_ROLLED
#endif

namespace pade {
namespace cuda {

constexpr int kThreads = 256;  // of a block

/// Degrees up to which a kernel is unrolled, and whether it knows its form; smaller orders are filled with zeros.
template <int Numerator, int Denominator, bool OnlyAbsoluteSum, bool WithNoise>
struct Unrolled {
  static constexpr int m = Numerator, n = Denominator, most = m > n ? m : n;
  static constexpr bool absoluteSum = OnlyAbsoluteSum, noisy = WithNoise;
  static constexpr int sums = m + 1 + n + 1;  // a[0..m], then b[0..n]
};

/// A call, as it is passed to a kernel. Pointers are to device memory (on the host, to its own).
struct Call {
  const void* gradient = nullptr;  // like x; only backward
  const void* x = nullptr;         // dense; with several sets or noise in row-major order
  void* out = nullptr;             // y, or the gradient by x; like x
  int64_t elements = 0;
  const float* numerator = nullptr;    // [sets, m + 1]
  const float* denominator = nullptr;  // [sets, n], or [sets, n + 1] for AbsolutePolynomial
  int64_t sets = 1;
  int64_t channels = 1;  // of x's last axis; 1 with one set
  const void* key = nullptr;  // two words, int32 or int64; null without noise
  bool longKey = false;
  float amplitude = 0;
  Form form = Form::AbsoluteSum;
  int m = 0, n = 0;
  double q = 1;

  PADE_INLINE int firstB() const { return form == Form::AbsolutePolynomial ? 0 : 1; }
  PADE_INLINE int denominators() const { return n + 1 - firstB(); }
};

/// Beyond this |x| a float32 power up to `degree` could overflow: as Shape::limit, but always of the unrolled degree.
PADE_INLINE constexpr float limitOf(int degree) {
  const int exponent = 100 / (degree > 1 ? degree : 1);
  float limit = 1;
  for (int i = 0; i < exponent; i++) limit *= 2;
  return limit;
}

/// With coefficients up to this and q from that on, `fast` neither overflows below its limit (not even P/Q²) nor divides by what
/// reciprocalOf flushes.
constexpr float kLargeCoefficient = 1 << 20;
constexpr double kSmallQ = 0x1p-40;

/// Of normal numbers whose reciprocals are normal: others are flushed, which takes a third of the instructions.
PADE_INLINE float reciprocalOf(float v) {
#ifdef __CUDA_ARCH__
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(v));  // within 1 ulp
  return r;
#else
  const auto flushed = [](float w) { return fabsf(w) < 0x1p-126f ? copysignf(0, w) : w; };
  return flushed(1 / flushed(v));
#endif
}

PADE_INLINE float signed0(float magnitude, float of) { return of > 0 ? magnitude : of < 0 ? -magnitude : 0; }

/// The noise of a call: its key made ready once a block.
PADE_INLINE void readNoise(const Call& call, Noise& noise, int pair) {
  uint32_t word0, word1;
  if (call.longKey) {
    const int64_t* key = static_cast<const int64_t*>(call.key);
    word0 = static_cast<uint32_t>(key[0]);
    word1 = static_cast<uint32_t>(key[1]);
  } else {
    const int32_t* key = static_cast<const int32_t*>(call.key);
    word0 = static_cast<uint32_t>(key[0]);
    word1 = static_cast<uint32_t>(key[1]);
  }
  noise.amplitude = call.amplitude;
  readKey(noise, word0, word1, pair);
}

/// One set of coefficients, in registers.
template <typename U>
struct Set {
  float a[U::m + 1], b[U::n + 1];

  PADE_INLINE Set(const Call& call, int64_t set) {
    const float* numerator = call.numerator + set * (call.m + 1);
    const float* denominator = call.denominator + set * call.denominators();
    const int first = call.firstB();
    PADE_UNROLL
    for (int i = 0; i <= U::m; i++) a[i] = i <= call.m ? numerator[i] : 0;
    PADE_UNROLL
    for (int k = 0; k <= U::n; k++) {
      const float v = k >= first && k <= call.n ? denominator[k - first] : 0;
      b[k] = !U::absoluteSum && call.form == Form::SumOfAbsolutes ? fabsf(v) : v;
    }
  }

  /// Whether `fast` takes them: no coefficient is large or NaN.
  PADE_INLINE bool isOrdinary(const Call& call) const {
    bool ordinary = call.q >= kSmallQ || call.form == Form::Unsafe;
    PADE_UNROLL
    for (int i = 0; i <= U::m; i++) ordinary = ordinary && fabsf(a[i]) <= kLargeCoefficient;
    PADE_UNROLL
    for (int k = 0; k <= U::n; k++) ordinary = ordinary && fabsf(b[k]) <= kLargeCoefficient;
    return ordinary;
  }
};

/// What the coefficients are multiplied with at one element.
template <typename U>
struct Factors {
  float a[U::noisy ? U::m + 1 : 1], b[U::noisy ? U::n + 1 : 1];

  PADE_INLINE Factors(const Call& call, const Noise& noise, uint32_t element) {
    if (!U::noisy) return;
    const int first = call.firstB();
    PADE_UNROLL
    for (int i = 0; i <= U::m; i++) a[i] = i <= call.m ? noiseFactor(noise, element, i) : 0;
    PADE_UNROLL
    for (int k = 0; k <= U::n; k++)
      b[k] = k >= first && k <= call.n ? noiseFactor(noise, element, call.m + 1 + k - first) : 0;
  }
  PADE_INLINE float ofA(int i) const { return U::noisy ? a[i] : 1; }
  PADE_INLINE float ofB(int k) const { return U::noisy ? b[k] : 1; }
};

/// The coefficients' gradients of one thread: da[0..m], then db[0..n] (of |b_k| for SumOfAbsolutes).
template <typename U>
struct Sums {
  float of[U::sums];
  PADE_INLINE Sums() {
    PADE_UNROLL
    for (int i = 0; i < U::sums; i++) of[i] = 0;
  }
};

/// In float32, for |x| up to the limit and ordinary coefficients. With `sums` it is the gradient by x, and adds to them; else it
/// is y.
template <typename U, bool Backward>
PADE_INLINE float fast(float x, float gradient, uint32_t element, const Call& call, const Noise& noise, const Set<U>& set,
                       Sums<U>* sums) {
  const Form form = U::absoluteSum ? Form::AbsoluteSum : call.form;
  const bool absolutes = form == Form::SumOfAbsolutes;
  const bool folded = form == Form::AbsoluteSum || form == Form::AbsolutePolynomial;
  const Factors<U> factors(call, noise, element);
  const float inner = absolutes ? fabsf(x) : x;
  const auto A = [&](int i) { return U::noisy ? set.a[i] * factors.a[i] : set.a[i]; };
  const auto B = [&](int k) { return U::noisy ? set.b[k] * factors.b[k] : set.b[k]; };

  float p = A(U::m), dp = 0, s = B(U::n), ds = 0;
  PADE_UNROLL
  for (int i = U::m - 1; i >= 0; i--) {
    if (Backward) dp = i == U::m - 1 ? p : dp * x + p;  // 0 x + p is not p to a compiler
    p = p * x + A(i);
  }
  PADE_UNROLL
  for (int k = U::n - 1; k >= 0; k--) {
    if (Backward) ds = k == U::n - 1 ? s : ds * inner + s;
    s = s * inner + (k == 0 && U::absoluteSum ? 0 : B(k));  // b[0] is 0 but for AbsolutePolynomial
  }
  const float bound = form == Form::Unsafe ? 1 : static_cast<float>(call.q);
  const float reciprocal = reciprocalOf((folded ? fabsf(s) : s) + bound);
  const float y = p * reciprocal;
  if (!Backward) return y;

  const float t = gradient * reciprocal;
  const float ySide = folded ? signed0(y, s) : y;
  const float u = t * ySide;
  sums->of[0] += t * factors.ofA(0);
  if (!U::absoluteSum) sums->of[U::m + 1] -= form == Form::AbsolutePolynomial ? u * factors.ofB(0) : 0;
  float power = x;
  PADE_UNROLL
  for (int k = 1; k <= U::most; k++) {
    if (k <= U::m) sums->of[k] += t * factors.ofA(k) * power;
    if (k <= U::n) sums->of[U::m + 1 + k] -= u * factors.ofB(k) * (absolutes && k % 2 ? fabsf(power) : power);
    power *= x;
  }
  // (P' - y·Q') / Q, never P/Q²: Q² overflows long before P/Q does.
  return t * (dp - (absolutes ? signed0(y, x) : ySide) * ds);
}

/// What the coefficient with this number is multiplied with at an element.
PADE_INLINE double factorOf(const Call& call, const Noise& noise, uint32_t element, int coefficient) {
  return call.amplitude > 0 ? noiseFactor(noise, element, coefficient) : 1;
}

/// The same in float64 for any x, as pade_reference.h has it: for the rare elements that `fast` does not take. Loops
/// over memory, so that it takes no registers from the fast path.
/// @param add `add(sum, value)` adds to a coefficient's gradient; only where `backward`
template <typename U, typename Add>
PADE_INLINE float careful(float input, float upstream, uint32_t element, const Call& call, const Noise& noise, int64_t set,
                          bool backward, const Add& add) {
  const bool absolutes = call.form == Form::SumOfAbsolutes;
  const bool folded = call.form == Form::AbsoluteSum || call.form == Form::AbsolutePolynomial;
  const int m = call.m, n = call.n, first = call.firstB(), most = m > n ? m : n;
  const float* numerator = call.numerator + set * (m + 1);
  const float* denominator = call.denominator + set * call.denominators();
  const double x = input, u = fabs(x), side = x < 0 ? -1 : 1;
  // Beyond u = 1 everything is divided by u^d, d the highest degree in use, so that no power overflows.
  int d = 0;
  if (u > 1) {
    d = 1;
    PADE_ROLLED
    for (int i = 2; i <= most; i++)
      if ((i <= m && numerator[i] != 0) || (i <= n && denominator[i - first] != 0)) d = i;
  }
  const double inverse = u > 1 ? 1 / u : 0;
  double lowest = 1;  // 1 / u^d
  PADE_ROLLED
  for (int i = 0; i < d; i++) lowest *= inverse;
  /// From u^(i - 1 - d) to u^(i - d); counted anew at d, where rising from 0 may have lost everything.
  const auto next = [&](double w, int i) {
    if (i > d) return w * u;
    double power = 1;
    PADE_ROLLED
    for (int j = i; j < d; j++) power *= inverse;
    return power;
  };

  double p = 0, s = 0, dp = 0, ds = 0, w = lowest, below = 0;
  PADE_ROLLED
  for (int i = 0; i <= most; i++) {
    const double odd = i % 2 ? side : 1;
    if (i > 0) {
      below = w;
      w = next(w, i);
    }
    if (i <= m && numerator[i] != 0) {  // a power without a coefficient may be infinite
      const double a = numerator[i] * factorOf(call, noise, element, i) * odd;
      p += a * w;
      if (i > 0) dp += i * a * below;
    }
    if (i >= first && i <= n && denominator[i - first] != 0) {
      const double given = denominator[i - first] * factorOf(call, noise, element, m + 1 + i - first);
      const double b = absolutes ? fabs(given) : given * odd;
      s += b * w;
      if (i > 0) ds += i * b * below;
    }
  }
  const double sign = folded ? (s > 0 ? 1 : s < 0 ? -1 : 0) : 1;
  const double q = (call.form == Form::Unsafe ? 1 : call.q) * lowest + sign * s;
  const double y = p / q;
  if (!backward) return static_cast<float>(y);

  const double gradient = upstream;
  w = lowest;
  PADE_ROLLED
  for (int i = 0; i <= most; i++) {
    const double odd = i % 2 ? side : 1;
    if (i > 0) w = next(w, i);
    if (i <= m) add(i, gradient * (odd * w / q) * factorOf(call, noise, element, i));
    if (i >= first && i <= n)
      add(U::m + 1 + i, -gradient * y * sign * ((absolutes ? 1 : odd) * w / q) *
                            factorOf(call, noise, element, m + 1 + i - first));
  }
  const double kink = absolutes && x == 0 ? 0 : sign;
  return static_cast<float>(gradient * side * (dp / q - y * (kink * ds / q)));
}

}  // namespace cuda
}  // namespace pade
