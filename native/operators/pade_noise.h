// The noise of a randomised Padé activation: a pure function of (key, element, coefficient), so that backward draws it again.
//
// Philox4x32-10 (Salmon et al., SC 2011) makes a word of the key that an element's row-major index is hashed under, and
// another word for each pair of coefficients. The element's hash, that word added, is multiplied with the pair's own odd
// number; the halves of the product, mixed once more, are the pair's two draws. src/activations/noise.ts is the same.
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

/// The pairs' multipliers: of 30 whose product avalanches as well as lowbias32's, the eleven whose draws are least
/// correlated over elements, any two of them with no relation alpha c = beta d (mod 2^32) below 2^14 (the spectral test).
PADE_ANYWHERE inline uint32_t multiplierOf(int pair) {
  static constexpr uint32_t multipliers[Noise::kPairs] = {0xcc9e2d51u, 0x95bac861u, 0xe98ca437u, 0xf66ba50fu,
                                                   0xaf723597u, 0x93768ca7u, 0x85ebca6bu, 0xfa2b5d7bu,
                                                   0xf490bb87u, 0xa6ac1da5u, 0xbf2424d5u};
  return multipliers[pair];
}

/// The words of a call's key that belong to a pair, and from the first pair the one that belongs to all elements.
PADE_ANYWHERE inline void readKey(Noise& noise, uint32_t key0, uint32_t key1, int pair) {
  uint32_t before;
  philox(static_cast<uint32_t>(pair), key0, key1, before, noise.shift[pair]);
  if (pair == 0) noise.before = before;
}

inline Noise noiseOf(double amplitude, uint32_t key0, uint32_t key1) {
  Noise noise;
  noise.amplitude = static_cast<float>(amplitude);
  for (int pair = 0; pair < Noise::kPairs; pair++) readKey(noise, key0, key1, pair);
  return noise;
}

/// 32 bits of an element; also on vectors of elements. (The first half of the finaliser "lowbias32" by C. Wellons and
/// T. Ettinger; what follows for each pair is its second half with other words.)
template <typename Word>
[[gnu::always_inline]] PADE_ANYWHERE inline Word spreadOf(Word element, uint32_t before) {
  Word v = element ^ before;
  v ^= v >> 16;
  v *= 0x21f0aaadu;
  return v ^ (v >> 15);
}

/// The two draws of a pair in one word, from the element's bits.
template <typename Word>
[[gnu::always_inline]] PADE_ANYWHERE inline Word drawsOf(Word spread, uint32_t shift, uint32_t multiplier) {
  const Word v = (spread + shift) * multiplier;
  return v ^ (v >> 15);
}

/// What the coefficient with this number (numerator first, then denominator) is multiplied with at an element.
PADE_ANYWHERE inline float noiseFactor(const Noise& noise, uint32_t element, int coefficient) {
  const int pair = coefficient / 2;
  const uint32_t draws = drawsOf(spreadOf(element, noise.before), noise.shift[pair], multiplierOf(pair));
  const uint32_t draw = coefficient % 2 ? draws >> 16 : draws & 0xffff;
  const float u = static_cast<float>(2 * static_cast<int32_t>(draw) - 65535) * 0x1p-16f;
  return 1 + noise.amplitude * u;
}

}  // namespace pade
