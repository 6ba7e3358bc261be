// Both passes for CPUs with AVX2; they give the bits of the plain loops.
#pragma once

#include "resampler.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define PADEZOO_AVX2

namespace padezoo::images {

/// @param inputs how many there are
PairedWeights pairedWeights(const Weights& weights, int32_t inputs);

/// One row, or two; where there is no second, `second` and `next` are null. kSlack bytes behind each row must be readable.
void acrossAvx2(const PairedWeights& weights, bool mirror, const uint8_t* first, const uint8_t* second, uint8_t* to,
                uint8_t* next);

/// One row of the result from the rows below `rows` that `pairs` has weights for, of which there are `count`.
/// @return how many of its bytes are done, from the first on
size_t downAvx2(const uint8_t* rows, size_t rowBytes, const WeightPair* pairs, int32_t count, uint8_t* out);

}  // namespace padezoo::images
#endif
