// Which elements a thread of the Padé kernels takes, and its way through them: vectors a fixed step apart, so that all of
// them have the same set of coefficients, which stays in registers.
#pragma once
#include "pade_element.h"
#include "pade_types.h"

namespace pade {
namespace cuda {

/// Terms of a coefficient's gradient that a thread adds in float32 before they go on in float64.
constexpr int kChain = 512;
/// Vectors that each thread should find at least, when there are sets: its partial sums are written for every column.
constexpr int64_t kLeastRows = 8;

/// A grid of `blocks` x `tiles` blocks. Vectors lie in rows of `columns`; a block takes `rows` rows at once, or a tile of one.
struct Plan {
  int64_t columns = kThreads;
  int rows = 1;
  int tiles = 1;
  int tile = kThreads;  // threads that have a column
  int64_t blocks = 1;
  int64_t vectors = 0;

  PADE_INLINE int64_t width() const { return columns * rows; }
};

/// @param resident how many blocks the device runs at once
template <int V>
Plan planOf(const Call& call, int64_t resident) {
  Plan plan;
  plan.vectors = call.elements / V;
  if (call.sets > 1) {
    plan.columns = call.channels / V;
    plan.rows = plan.columns < kThreads ? static_cast<int>(kThreads / plan.columns) : 1;
    plan.tiles = static_cast<int>((plan.width() + kThreads - 1) / kThreads);
  }
  const int64_t steps = (plan.vectors + plan.width() - 1) / plan.width();
  const int64_t wanted = call.gradient && call.sets > 1 ? (steps + kLeastRows - 1) / kLeastRows : steps;
  const int64_t most = resident / plan.tiles > 0 ? resident / plan.tiles : 1;
  plan.blocks = wanted < 1 ? 1 : wanted < most ? wanted : most;
  return plan;
}

/// A small call whose one block also does what else would be a second pass.
constexpr int64_t kOneBlockVectors = 4 * kThreads;

/// Where one thread begins; `column` is its place in every row.
struct Place {
  int64_t first, column, set;
  bool active;
};

template <int V>
PADE_INLINE Place placeOf(const Call& call, const Plan& plan, int64_t block, int tile, int thread) {
  const int64_t within = static_cast<int64_t>(tile) * kThreads + thread;
  Place place{block * plan.width() + within, within, 0, within < plan.width()};
  if (call.sets > 1) {
    place.column = within % plan.columns;
    place.set = place.column * V * call.sets / call.channels;
  }
  return place;
}

/// Kernels whose registers go to coefficients and noise rather than to more vectors at once.
template <typename U>
constexpr bool isLarge = U::sums > 16 || U::noisy;

/// One thread's work. `add(sum, value)` adds to a coefficient's gradient in float64; only backward.
template <typename T, int V, typename U, bool Backward, typename Add>
PADE_INLINE void walk(const Call& call, const Plan& plan, const Place& place, const Noise& noise, const Add& add) {
  constexpr int kBatch = isLarge<U> ? 1 : V == 1 ? 4 : Backward ? 1 : 2;  // vectors on their way at once
  // Backward has registers for few threads only, so each reads its next vector before it calculates with this one.
  constexpr bool kAhead = Backward && !isLarge<U> && V > 1;
  const T* x = static_cast<const T*>(call.x);
  const T* gradient = static_cast<const T*>(call.gradient);
  T* out = static_cast<T*>(call.out);
  Sums<U> sums;
  const Set<U> set(call, place.set);
  constexpr float limit = limitOf(U::most);
  const bool ordinary = set.isOrdinary(call);
  const auto one = [&](int64_t at) {  // from memory to memory, in float64
    T result;
    narrow(result, careful<U>(widen(x[at]), Backward ? widen(gradient[at]) : 0, static_cast<uint32_t>(at), call, noise,
                              place.set, Backward, add));
    out[at] = result;
  };
  const auto flush = [&] {
    PADE_UNROLL
    for (int i = 0; i < U::sums; i++) add(i, sums.of[i]);
    sums = Sums<U>();
  };
  const int64_t step = plan.blocks * plan.width();
  struct Batch {
    Words<T, V> x[kBatch], gradient[kBatch];
  };
  const auto load = [&](int64_t v) {
    Batch batch;
    PADE_UNROLL
    for (int j = 0; j < kBatch; j++) {
      if (v + j * step >= plan.vectors) continue;
      batch.x[j] = loadWords<T, V>(x + (v + j * step) * V);
      if (Backward) batch.gradient[j] = loadWords<T, V>(gradient + (v + j * step) * V);
    }
    return batch;
  };
  int chain = 0;
  if (place.active) {
    Batch next;
    if (kAhead) next = load(place.first);
    PADE_ROLLED
    for (int64_t v = place.first; v < plan.vectors; v += kBatch * step) {
      const Batch now = kAhead ? next : load(v);
      if (kAhead) next = load(v + kBatch * step);
      PADE_UNROLL
      for (int j = 0; j < kBatch; j++) {
        const int64_t at = (v + j * step) * V;
        if (j > 0 && v + j * step >= plan.vectors) continue;
        bool fits = ordinary;
        PADE_UNROLL
        for (int e = 0; e < V; e++) fits = fits && fabsf(widenAt(now.x[j], e)) <= limit;
        if (!fits) {
          PADE_ROLLED
          for (int e = 0; e < V; e++) one(at + e);
          continue;
        }
        Pack<T, V> results;
        PADE_UNROLL
        for (int e = 0; e < V; e++)
          narrow(results.of[e], fast<U, Backward>(widenAt(now.x[j], e), Backward ? widenAt(now.gradient[j], e) : 0,
                                                  static_cast<uint32_t>(at + e), call, noise, set, &sums));
        storePack<T, V>(out + at, results);
      }
      if (Backward && (chain += V * kBatch) >= kChain) {
        flush();
        chain = 0;
      }
    }
  }
  // What is left of the last vector, with one set alone: the first threads take an element each.
  const int64_t rest = plan.vectors * V + place.first;
  if (V > 1 && place.first < V && rest < call.elements) one(rest);
  if (Backward) flush();
}

/// The channels of a set are the columns from `firstColumn(set)` to that of the next.
template <int V>
PADE_INLINE int64_t firstColumn(const Call& call, int64_t set) {
  return (set * call.channels + call.sets - 1) / call.sets / V;
}

/// Whether 16-byte accesses do: aligned tensors, and no set that ends within one.
template <typename T>
bool isWide(const Call& call) {
  constexpr int V = kWide<T>;
  const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  if (!aligned(call.x) || !aligned(call.gradient) || !aligned(call.out)) return false;
  return call.sets == 1 || call.channels % (call.sets * V) == 0;
}

/// Calls body(Unrolled<...>) with the smallest kernel that fits the call; `Many` makes more of them to choose from.
template <bool Many, typename Body>
void forUnrolled(const Call& call, const Body& body) {
  const int m = call.m, n = call.n;
  const bool plain = call.amplitude == 0;
  if constexpr (Many) {
    if (!plain && m <= 5 && n <= 4) return body(Unrolled<5, 4, false, true>{});
    if (plain && call.form == Form::AbsoluteSum && m <= 5 && n <= 4) return body(Unrolled<5, 4, true, false>{});
    if (plain && call.form == Form::AbsoluteSum && m <= 7 && n <= 6) return body(Unrolled<7, 6, true, false>{});
  }
  if (!plain) return body(Unrolled<kMaxDegree, kMaxDegree, false, true>{});
  if (m <= 5 && n <= 4) return body(Unrolled<5, 4, false, false>{});
  body(Unrolled<kMaxDegree, kMaxDegree, false, false>{});
}

}  // namespace cuda
}  // namespace pade
