// The baselines' kernels over vectors of elements, written once; activations.cpp compiles them for each instruction set.
// (No include guard and no includes: they would leave the surrounding target options.)
#include "lanes.h"

/// A hinge's distance from its threshold on the side where it is open, else 0; NaN stays.
LANES_INLINE Vector opening(Vector x, float threshold, float side) {
  const Vector distance = side * (x - threshold);
  return distance <= 0.0f ? Vector{} : distance;
}
/// Whether a hinge adds to the slope: right of its threshold, or left of it and on it.
LANES_INLINE Mask isOpen(Vector x, float threshold, float side) { return side > 0 ? x > threshold : x <= threshold; }

template <int K, typename T>
void hingesForward(const T* x, T* y, int64_t vectors, const Hinges& h) {
  const int count = K < 0 ? h.count : K;
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i);
    Vector sum = h.slope * v;
    for (int j = 0; j < count; j++) sum += h.weight[j] * opening(v, h.threshold[j], h.side[j]);
    store(y + i, sum);
  }
}

template <int K, typename T>
void hingesBackward(const T* g, const T* x, T* dx, int64_t vectors, const Hinges& h, HingeSums& sums) {
  constexpr int size = K < 0 ? kMaxHinges : K;
  const int count = K < 0 ? h.count : K;
  Vector dSlope = {}, dWeight[size] = {}, dThreshold[size] = {};
  for (int64_t i = 0; i < vectors * kLanes; i += kLanes) {
    const Vector v = load(x + i), upstream = load(g + i);
    Vector slope = broadcast(h.slope);
    dSlope += upstream * v;
    for (int j = 0; j < count; j++) {
      dWeight[j] += upstream * opening(v, h.threshold[j], h.side[j]);
      const Mask open = isOpen(v, h.threshold[j], h.side[j]);
      slope += open ? broadcast(h.side[j] * h.weight[j]) : Vector{};
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
    const Words draw = hashOf(lanes + static_cast<uint32_t>(i), noise.before, noise.middle) & 0xffffu;
    const Vector u = 0x1p-16f * __builtin_convertvector((Mask)(draw + draw) - 65535, Vector);
    const Vector v = load(x + i), from = load(of + i);
    store(out + i, v >= 0.0f ? from : from * (noise.mean + noise.halfWidth * u));
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

template <typename T>
ActivationKernels<T> pick(int hinges) {
  switch (hinges) {
    case 1: return {hingesForward<1, T>, hingesBackward<1, T>, randomSlopes<T>, maxoutForward<T>, maxoutBackward<T>};
    case 2: return {hingesForward<2, T>, hingesBackward<2, T>, randomSlopes<T>, maxoutForward<T>, maxoutBackward<T>};
    case 6: return {hingesForward<6, T>, hingesBackward<6, T>, randomSlopes<T>, maxoutForward<T>, maxoutBackward<T>};
    default: return {hingesForward<-1, T>, hingesBackward<-1, T>, randomSlopes<T>, maxoutForward<T>, maxoutBackward<T>};
  }
}
