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

template <typename T>
ActivationKernels<T> pick(int hinges) {
  switch (hinges) {
    case 1: return {hingesForward<1, T>, hingesBackward<1, T>, randomSlopes<T>};
    case 2: return {hingesForward<2, T>, hingesBackward<2, T>, randomSlopes<T>};
    case 6: return {hingesForward<6, T>, hingesBackward<6, T>, randomSlopes<T>};
    default: return {hingesForward<-1, T>, hingesBackward<-1, T>, randomSlopes<T>};
  }
}
