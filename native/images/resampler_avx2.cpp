// Both passes with AVX2. A weight has 23 bits and is split into two halves of 16-bit products, which add up to the same
// sum modulo 2^32: vpmaddwd takes two weights at once, and is twice as fast as vpmulld.
#include "resampler_avx2.h"

#ifdef PADEZOO_AVX2
#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace padezoo::images {
namespace {

constexpr int kLowBits = 12;

/// The parts of two weights side by side; the low part is in [-2048, 2047].
WeightPair pairOf(int32_t first, int32_t second) {
  const auto high = [](int32_t w) { return (w + (1 << (kLowBits - 1))) >> kLowBits; };
  const auto low = [&](int32_t w) { return w - high(w) * (1 << kLowBits); };
  const auto packed = [](int32_t a, int32_t b) {
    return static_cast<int32_t>((static_cast<uint32_t>(a) & 0xffff) | (static_cast<uint32_t>(b) << 16));
  };
  return {packed(high(first), high(second)), packed(low(first), low(second))};
}

#define AVX2 __attribute__((target("avx2"), always_inline)) inline

/// The sums of three channels for a row in each half.
template <int Each>
AVX2 __m256i sumsOf(const uint8_t* first, const uint8_t* second, const WeightPair* pairs, int32_t each) {
  // r g b r g b -> r r g g b b, each as 16 bits: pairs for vpmaddwd
  const __m256i spread = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  __m256i high = _mm256_setzero_si256();
  __m256i low = _mm256_set1_epi32(kHalf);
  for (int32_t k = 0; k < (Each ? Each : each); k++, pairs++, first += 6, second += 6) {
    const __m128i left = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(first));
    const __m128i right = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(second));
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(left), right, 1);
    const __m256i pixels = _mm256_shuffle_epi8(both, spread);
    high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, _mm256_set1_epi32(pairs->high)));
    low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, _mm256_set1_epi32(pairs->low)));
  }
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low), kPrecision);
}

template <int Each>
__attribute__((target("avx2"))) void acrossRows(const PairedWeights& weights, bool mirror, const uint8_t* first,
                                                const uint8_t* second, uint8_t* to, uint8_t* next) {
  const auto outputs = static_cast<int32_t>(weights.first.size());
  for (int32_t i = 0; i < outputs; i++) {  // from left to right in the result
    const int32_t x = mirror ? outputs - 1 - i : i;
    const int32_t from = 3 * weights.first[x];
    const __m256i sums = sumsOf<Each>(first + from, second + from,
                                      weights.pairs.data() + static_cast<size_t>(x) * weights.each, weights.each);
    const __m256i words = _mm256_packs_epi32(sums, sums);
    const __m256i bytes = _mm256_packus_epi16(words, words);
    const int32_t one = _mm_cvtsi128_si32(_mm256_castsi256_si128(bytes));
    const int32_t two = _mm_cvtsi128_si32(_mm256_extracti128_si256(bytes, 1));
    // A fourth byte is overwritten by the next pixel; the last has none behind it.
    const size_t size = i + 1 < outputs ? 4 : 3;
    if (size == 4) {
      std::memcpy(to + 3 * i, &one, 4);
      std::memcpy(next + 3 * i, &two, 4);
    } else {
      std::memcpy(to + 3 * i, &one, 3);
      std::memcpy(next + 3 * i, &two, 3);
    }
  }
}

}  // namespace

PairedWeights pairedWeights(const Weights& weights, int32_t inputs) {
  PairedWeights paired;
  const int32_t most = *std::max_element(weights.count, weights.count + weights.outputs);
  paired.each = (most + 1) / 2;
  paired.first.resize(weights.outputs);
  paired.pairs.resize(static_cast<size_t>(weights.outputs) * paired.each);
  std::vector<int32_t> own(2 * static_cast<size_t>(paired.each));
  for (int32_t x = 0; x < weights.outputs; x++) {
    // Images of fewer pixels than weights begin at 0, and what lies behind them is multiplied by 0.
    const int32_t first = std::max(0, std::min(weights.first[x], inputs - 2 * paired.each));
    std::fill(own.begin(), own.end(), 0);
    std::copy_n(weights.weights + static_cast<size_t>(x) * weights.taps, weights.count[x],
                own.begin() + (weights.first[x] - first));
    paired.first[x] = first;
    for (int32_t k = 0; k < paired.each; k++)
      paired.pairs[static_cast<size_t>(x) * paired.each + k] = pairOf(own[2 * k], own[2 * k + 1]);
  }
  return paired;
}

void acrossAvx2(const PairedWeights& weights, bool mirror, const uint8_t* first, const uint8_t* second, uint8_t* to,
                uint8_t* next) {
  const auto rows = weights.each == 1   ? acrossRows<1>
                    : weights.each == 2 ? acrossRows<2>
                    : weights.each == 3 ? acrossRows<3>
                                        : acrossRows<0>;
  // A row on its own is done twice.
  rows(weights, mirror, first, second ? second : first, to, second ? next : to);
}

__attribute__((target("avx2"))) size_t downAvx2(const uint8_t* rows, size_t rowBytes, const WeightPair* pairs, int32_t count, uint8_t* out) {
  size_t done = 0;
  const __m256i half = _mm256_set1_epi32(kHalf);
  for (; done + 16 <= rowBytes; done += 16) {
    __m256i highs[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256i lows[2] = {half, half};
    for (int32_t k = 0; k < count; k += 2) {
      const uint8_t* from = rows + static_cast<size_t>(k) * rowBytes + done;
      const uint8_t* below = k + 1 < count ? from + rowBytes : from;
      const __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
      const __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(below)));
      const __m256i high = _mm256_set1_epi32(pairs[k / 2].high);
      const __m256i low = _mm256_set1_epi32(pairs[k / 2].low);
      const __m256i pixels[2] = {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
      for (int part = 0; part < 2; part++) {
        highs[part] = _mm256_add_epi32(highs[part], _mm256_madd_epi16(pixels[part], high));
        lows[part] = _mm256_add_epi32(lows[part], _mm256_madd_epi16(pixels[part], low));
      }
    }
    __m256i sums[2];
    for (int part = 0; part < 2; part++)
      sums[part] =
          _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(highs[part], kLowBits), lows[part]), kPrecision);
    const __m256i words = _mm256_packs_epi32(sums[0], sums[1]);  // within each half in order again
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(words, words), 0b1000);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + done), _mm256_castsi256_si128(bytes));
  }
  return done;
}

}  // namespace padezoo::images
#endif
