// Both passes for CPUs with AVX2; they give the bits of the plain loops.
#pragma once

#include "resampler.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define PADEZOO_AVX2

namespace padezoo::images {

/// For each output.
inline int32_t pairsOf(const Weights& weights) { return (weights.taps + 1) / 2; }

/// -> [outputs, pairsOf(weights)]
std::vector<WeightPair> weightPairs(const Weights& weights);

/// One row, or two; where there is no second, `second` and `next` are null.
void acrossAvx2(const Plan& plan, const WeightPair* pairs, const uint8_t* first, const uint8_t* second, uint8_t* to,
                uint8_t* next);

/// One row of the result from `count` rows. @return how many of its bytes are done, from the first on
size_t downAvx2(const uint8_t* rows, size_t rowBytes, const WeightPair* pairs, int32_t count, uint8_t* out);

}  // namespace padezoo::images
#endif
