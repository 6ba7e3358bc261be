// The loops of channels.h, for each instruction set.
#include "channels.h"

#include "versions.h"

namespace padezoo {

PADEZOO_VERSIONS void widenAll(const Bfloat16* __restrict from, float* __restrict to, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t bits = static_cast<uint32_t>(from[i].bits) << 16;
    __builtin_memcpy(&to[i], &bits, sizeof bits);
  }
}

PADEZOO_VERSIONS void narrowAll(const float* __restrict from, Bfloat16* __restrict to, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    __builtin_memcpy(&bits, &from[i], sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    to[i].bits = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
  }
}

PADEZOO_VERSIONS void addAll(float* __restrict sums, const float* __restrict terms, int64_t count) {
  for (int64_t i = 0; i < count; i++) sums[i] += terms[i];
}

PADEZOO_VERSIONS void addProducts(float* __restrict sums, const float* __restrict a, const float* __restrict b, int64_t count) {
  for (int64_t i = 0; i < count; i++) sums[i] += a[i] * b[i];
}

PADEZOO_VERSIONS void addProductsOfPixels(float* __restrict sums, const float* __restrict a, const float* __restrict b, int64_t channels,
                                          int64_t pixels, int64_t stepA, int64_t stepB) {
  constexpr int64_t kBlock = 64;  // sums that stay in registers along the row
  int64_t c = 0;
  for (; c + kBlock <= channels; c += kBlock) {
    float block[kBlock] = {};
    for (int64_t i = 0; i < pixels; i++)
      for (int64_t k = 0; k < kBlock; k++) block[k] += a[i * stepA + c + k] * b[i * stepB + c + k];
    for (int64_t k = 0; k < kBlock; k++) sums[c + k] += block[k];
  }
  for (int64_t i = 0; i < pixels; i++)
    for (int64_t k = c; k < channels; k++) sums[k] += a[i * stepA + k] * b[i * stepB + k];
}

PADEZOO_VERSIONS void moveSums(double* __restrict sums, float* __restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    sums[i] += from[i];
    from[i] = 0;
  }
}

}  // namespace padezoo
