// The baselines' kernels over vectors of elements, written once; activations.cpp compiles them for each instruction set.
// (No include guard and no includes: they would leave the surrounding target options.)
#include "lanes.h"

/// Which side of a hinge is open: known when compiled where the first R are open on the right and the L others on the left.
template <int R>
LANES_INLINE bool opensRight(const Hinges& h, int j) { return R < 0 ? h.side[j] > 0 : j < R; }

/// A hinge's distance from its threshold on the side where it is open, else 0; NaN stays.
LANES_INLINE Vector opening(Vector x, float threshold, bool right) {
  const Vector distance = right ? x - threshold : threshold - x;
  return distance <= 0.0f ? Vector{} : distance;
}
/// Whether a hinge adds to the slope: right of its threshold, or left of it and on it.
LANES_INLINE Mask isOpen(Vector x, float threshold, bool right) { return right ? x > threshold : x <= threshold; }

template <int R, int L, typename T>
void hingesForward(const T* x, T* y, int64_t vectors, const Hinges& h) {
  const int count = R < 0 ? h.count : R + L;
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i);
    Vector sum = h.slope * v;
#pragma GCC unroll 8
    for (int j = 0; j < count; j++) sum += h.weight[j] * opening(v, h.threshold[j], opensRight<R>(h, j));
    store(y + i, sum);
  }
}

template <int R, int L, typename T>
void hingesBackward(const T* g, const T* x, T* dx, int64_t vectors, const Hinges& h, HingeSums& sums) {
  constexpr int size = R < 0 ? kMaxHinges : R + L;
  const int count = R < 0 ? h.count : size;
  Vector dSlope = {}, dWeight[size] = {}, dThreshold[size] = {};
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i), upstream = load(g + i);
    Vector slope = broadcast(h.slope);
    dSlope += upstream * v;
#pragma GCC unroll 8
    for (int j = 0; j < count; j++) {
      const bool right = opensRight<R>(h, j);
      dWeight[j] += upstream * opening(v, h.threshold[j], right);
      const Mask open = isOpen(v, h.threshold[j], right);
      slope += open ? broadcast(right ? h.weight[j] : -h.weight[j]) : Vector{};
      dThreshold[j] += open ? upstream : Vector{};
    }
    store(dx + i, upstream * slope);
  }
  const auto total = [](Vector v) {
    double sum = 0;
    for (int lane = 0; lane < kLanes; lane++) sum += v[lane];
    return sum;
  };
  sums.slope += total(dSlope);
#pragma GCC unroll 8
  for (int j = 0; j < count; j++) {
    sums.weight[j] += total(dWeight[j]);
    sums.threshold[j] -= h.side[j] * h.weight[j] * total(dThreshold[j]);
  }
}

/// `of` is x in forward and the upstream gradient in backward: both are multiplied with the element's slope.
template <typename T>
void randomSlopes(const T* of, const T* x, T* out, int64_t vectors, uint32_t first, const SlopeNoise& noise) {
  Words lanes;
  for (int lane = 0; lane < kLanes; lane++) lanes[lane] = first + lane;
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Words draw = drawsOf(spreadOf(lanes + static_cast<uint32_t>(i), noise.before), noise.shift, pade::multiplierOf(0)) & 0xffffu;
    const Vector u = 0x1p-16f * __builtin_convertvector((Mask)(draw + draw) - 65535, Vector);
    const Vector v = load(x + i), from = load(of + i);
    store(out + i, v >= 0.0f ? from : from * (noise.mean + noise.halfWidth * u));
  }
}

/// exp(v) for v <= 0 as scale · (1 + rest): 2^n, and exp(r) - 1 by its series for |r| <= ln(2) / 2 (error below 2e-8 r).
/// NaN stays.
struct Exponential {
  Vector scale, rest;
  Mask isNothing;  // below float32's normal numbers: exp(v) is 0

  LANES_INLINE explicit Exponential(Vector v) : isNothing(v < -87.0f) {
    const Vector held = isNothing ? broadcast(-87.0f) : v;
    const Mask n = __builtin_convertvector(held * 1.44269504f - 0.5f, Mask);
    const Vector whole = __builtin_convertvector(n, Vector);
    const Vector r = (held - whole * 0.693359375f) + whole * 2.12194440e-4f;  // ln 2 in two parts, the first of few bits
    Vector series = broadcast(1.0f / 5040);
    series = series * r + 1.0f / 720;
    series = series * r + 1.0f / 120;
    series = series * r + 1.0f / 24;
    series = series * r + 1.0f / 6;
    series = series * r + 0.5f;
    rest = r + (r * r) * series;
    scale = (Vector)((Words)(n + 127) << 23);
  }
  LANES_INLINE Vector minusOne() const { return scale * rest + (scale - 1.0f); }
  LANES_INLINE Vector value() const { return isNothing ? Vector{} : scale * rest + scale; }
};

LANES_INLINE Vector notAboveZero(Vector v) { return v > 0.0f ? Vector{} : v; }

/// x above 0, else alpha (exp(rate x) - 1).
template <typename T>
void exponentialUnit(const T* x, T* y, int64_t vectors, float alpha, float rate) {
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i);
    const Exponential e(notAboveZero(v * rate));
    store(y + i, v > 0.0f ? v : alpha * e.minusOne());
  }
}
template <typename T>
void exponentialUnitBackward(const T* g, const T* x, T* dx, int64_t vectors, float alpha, float rate) {
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i), upstream = load(g + i);
    const Exponential e(notAboveZero(v * rate));
    store(dx + i, v > 0.0f ? upstream : upstream * (alpha * rate * e.value()));
  }
}

/// The sigmoid of v, and 1 less it, without cancellation.
struct Sigmoid {
  Vector value, complement;
  LANES_INLINE explicit Sigmoid(Vector v) {
    const Vector e = Exponential((Vector)((Words)v | 0x80000000u)).value();  // exp(-|v|)
    const Vector large = 1.0f / (1.0f + e), small = e * large;
    value = v < 0.0f ? small : large;
    complement = v < 0.0f ? large : small;
  }
};

/// x · sigmoid(beta x)
template <typename T>
void swish(const T* x, T* y, int64_t vectors, float beta) {
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i);
    store(y + i, v * Sigmoid(v * beta).value);
  }
}
template <typename T>
void swishBackward(const T* g, const T* x, T* dx, int64_t vectors, float beta) {
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i);
    Vector inner = v * beta;
    inner = inner > 100.0f ? broadcast(100.0f) : inner < -100.0f ? broadcast(-100.0f) : inner;  // or ∞ · 0 is NaN
    const Sigmoid s(inner);
    store(dx + i, load(g + i) * (s.value * (1.0f + inner * s.complement)));
  }
}

/// Two vectors of pairs apart: the pairs' first halves and their second ones.
struct Pairs {
  Vector first, second;
  Mask isSecond;  // the second is larger, or NaN
  template <typename T>
  LANES_INLINE explicit Pairs(const T* x) {
    const Vector low = load(x), high = load(x + kLanes);
    first = __builtin_shuffle(low, high, Mask{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30});
    second = __builtin_shuffle(low, high, Mask{1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31});
    isSecond = (second > first) | (second != second);
  }
};

template <typename T>
void maxoutForward(const T* x, T* y, int64_t vectors) {
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Pairs pairs(x + 2 * i);
    store(y + i, pairs.isSecond ? pairs.second : pairs.first);
  }
}

template <typename T>
void maxoutBackward(const T* g, const T* x, T* dx, int64_t vectors) {
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Pairs pairs(x + 2 * i);
    const Vector upstream = load(g + i);
    const Vector first = pairs.isSecond ? Vector{} : upstream, second = pairs.isSecond ? upstream : Vector{};
    store(dx + 2 * i, __builtin_shuffle(first, second, Mask{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}));
    store(dx + 2 * i + kLanes,
          __builtin_shuffle(first, second, Mask{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31}));
  }
}

template <int R, int L, typename T>
ActivationKernels<T> kernelsFor() {
  return {hingesForward<R, L, T>, hingesBackward<R, L, T>, randomSlopes<T>,  exponentialUnit<T>,
          exponentialUnitBackward<T>, swish<T>,          swishBackward<T>, maxoutForward<T>, maxoutBackward<T>};
}

/// The mixture's hinges, PReLU's and SReLU's, and APL's are unrolled.
template <typename T>
ActivationKernels<T> pick(const Hinges& h) {
  int rights = 0;
  while (rights < h.count && h.side[rights] > 0) rights++;
  for (int j = rights; j < h.count; j++)
    if (h.side[j] > 0) return kernelsFor<-1, 0, T>();
  const int lefts = h.count - rights;
  if (rights == 1 && lefts == 0) return kernelsFor<1, 0, T>();
  if (rights == 1 && lefts == 1) return kernelsFor<1, 1, T>();
  if (rights == 1 && lefts == 5) return kernelsFor<1, 5, T>();
  return kernelsFor<-1, 0, T>();
}
