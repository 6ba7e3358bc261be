// The noise of a randomised Padé activation: a pure function of (key, element, coefficient), so that backward draws it again.
//
// A pair of coefficients gets two words of Philox4x32-10 (Salmon et al., SC 2011) as its key, and a 32-bit hash of the
// element's row-major index under it; the halves of the hash are the two draws. src/activations/noise.ts is the same.
#pragma once
#include <cstdint>

#include "pade.h"

namespace pade {

/// One block of Philox4x32-10, its first two words.
PADE_ANYWHERE inline void philox(uint32_t counter, uint32_t key0, uint32_t key1, uint32_t& first, uint32_t& second) {
  uint32_t c0 = counter, c1 = 0, c2 = 0, c3 = 0;
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(p0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  first = c0;
  second = c1;
}

inline Noise noiseOf(double amplitude, uint32_t key0, uint32_t key1) {
  Noise noise;
  noise.amplitude = static_cast<float>(amplitude);
  for (uint32_t pair = 0; pair < Noise::kPairs; pair++) philox(pair, key0, key1, noise.before[pair], noise.middle[pair]);
  return noise;
}

/// 32 bits of an element for a pair of coefficients; also on vectors of elements. (The finaliser "lowbias32" by
/// C. Wellons and T. Ettinger, with a second word of key in the middle.)
template <typename Word>
[[gnu::always_inline]] PADE_ANYWHERE inline Word hashOf(Word element, uint32_t before, uint32_t middle) {
  Word v = element ^ before;
  v ^= v >> 16;
  v *= 0x21f0aaadu;
  v ^= v >> 15;
  v += middle;
  v *= 0xd35a2d97u;
  return v ^ (v >> 15);
}

/// What the coefficient with this number (numerator first, then denominator) is multiplied with at an element.
PADE_ANYWHERE inline float noiseFactor(const Noise& noise, uint32_t element, int coefficient) {
  const uint32_t hash = hashOf(element, noise.before[coefficient / 2], noise.middle[coefficient / 2]);
  const uint32_t draw = coefficient % 2 ? hash >> 16 : hash & 0xffff;
  const float u = static_cast<float>(2 * static_cast<int32_t>(draw) - 65535) * 0x1p-16f;
  return 1 + noise.amplitude * u;
}

}  // namespace pade
