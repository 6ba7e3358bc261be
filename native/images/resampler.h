// Resizes RGB rows as they come, exactly as Pillow does: a horizontal pass rounded to bytes, then a vertical one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace padezoo::images {

/// What may be read behind the last pixel of a row that is given to a Resampler.
constexpr size_t kSlack = 16;

/// Of a weight's fixed point, as Pillow's: products of bytes and weights fit 32 bits.
constexpr int kPrecision = 22;
constexpr int32_t kHalf = 1 << (kPrecision - 1);

/// For every output: its first input, how many there are, and their weights [outputs, taps] in 2^-kPrecision.
struct Weights {
  const int32_t* first = nullptr;
  const int32_t* count = nullptr;
  const int32_t* weights = nullptr;
  int32_t outputs = 0;
  int32_t taps = 0;
};

/// What is made of a part of an image.
struct Plan {
  int32_t x = 0, y = 0, width = 0, height = 0;  // the part, in the image
  int32_t outWidth = 0, outHeight = 0;
  bool mirror = false;
  std::optional<Weights> across, down;  // count from the part's corner; without them a pass leaves its axis as it is
};

enum class Instructions { scalar, avx2 };

/// The best that this CPU has.
Instructions bestInstructions();

/// A pair of weights for one multiply-add of two 16-bit products: w = high * 2^12 + low, because w has 23 bits.
struct WeightPair {
  int32_t high, low;  // each: the first weight's part in the lower half, the second's in the upper
};

/// A Weights for vpmaddwd: the same number of pairs for every output, so that no branch depends on it. Where an output has fewer
/// inputs, or lies at the end, it begins earlier and weights of 0 fill up.
struct PairedWeights {
  std::vector<int32_t> first;     // [outputs]
  std::vector<WeightPair> pairs;  // [outputs, each]
  int32_t each = 0;
};

/// Takes the rows of the plan's part from its first to its last, and then has the result; one at a time on a thread.
class Resampler {
 public:
  /// @param out [outHeight, outWidth, 3], written
  Resampler(const Plan& plan, uint8_t* out, Instructions instructions);

  /// Two rows at once, which is faster; `second` may be null. kSlack bytes behind each must be readable.
  void rows(const uint8_t* first, const uint8_t* second);

  /// After the last row.
  void finish();

 private:
  uint8_t* target(int32_t row);
  void copy(const uint8_t* from, uint8_t* to) const;
  void across(const uint8_t* first, const uint8_t* second);

  const Plan& plan_;
  uint8_t* out_;
  const Instructions instructions_;
  uint8_t* rows_ = nullptr;                // [height, outWidth, 3] between the passes, in this thread's scratch memory
  PairedWeights across_, down_;
  int32_t row_ = 0;
};

}  // namespace padezoo::images
