// Walking through a tensor [..., c] whose last axis is channels, in tiles that stay in the cache: numbers that each channel
// has, repeated to a tile's length, and sums over each channel. float32 and bfloat16, computed in float32.
#pragma once
#include "pade_call.h"

namespace padezoo {

using pade::Bfloat16;

constexpr int64_t kTile = pade::kRun * pade::kLanes;  // elements; the Padé operator's tile for one set of coefficients

inline void checkInput(const at::Tensor& x) {
  TORCH_CHECK((x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) && x.dim() >= 1,
              "x must be float32 or bfloat16 [..., c], got ", x.scalar_type(), " ", x.sizes());
}

void widenAll(const Bfloat16* from, float* to, int64_t count);
/// To the nearest, ties to even; a NaN stays one.
void narrowAll(const float* from, Bfloat16* to, int64_t count);
void addAll(float* sums, const float* terms, int64_t count);
void addProducts(float* sums, const float* a, const float* b, int64_t count);
/// Adds the products of `pixels` pairs of pixels, whose channels lie side by side and which are `stepA` and `stepB` apart.
void addProductsOfPixels(float* sums, const float* a, const float* b, int64_t channels, int64_t pixels, int64_t stepA, int64_t stepB);
/// Adds in float64 and empties `from`.
void moveSums(double* sums, float* from, int64_t count);

/// A tile in float32: the memory itself, or a copy in `buffer`.
inline const float* floats(const float* tile, float*, int64_t) { return tile; }
inline const float* floats(const Bfloat16* tile, float* buffer, int64_t count) {
  widenAll(tile, buffer, count);
  return buffer;
}

/// Where a tile's float32 results are written: the memory itself, or `buffer`, from where `put` narrows them.
inline float* target(float* tile, float*) { return tile; }
inline float* target(Bfloat16*, float* buffer) { return buffer; }
inline void put(const float*, float*, int64_t) {}
inline void put(const float* results, Bfloat16* tile, int64_t count) { narrowAll(results, tile, count); }

/// A number per channel, repeated so that a tile that starts at any channel finds its own side by side.
class PerChannel {
 public:
  template <typename Value>
  PerChannel(int64_t channels, const Value& value) : channels_(channels), values_(channels + kTile) {
    for (int64_t i = 0; i < channels + kTile; i++) values_[i] = i < channels ? static_cast<float>(value(i)) : values_[i - channels];
  }
  const float* from(int64_t element) const { return &values_[element % channels_]; }

 private:
  int64_t channels_;
  std::vector<float> values_;
};

/// Two sums per channel: some tiles are added in float32, the rest in float64, in an order that no thread changes.
class ChannelSums {
 public:
  ChannelSums(int64_t channels, const pade::Cut& cut)
      : channels_(channels), cut_(cut), parts_(std::min(cut.blocks, kParts)), sums_(2 * channels * parts_) {}

  struct Scratch {
    std::vector<float> first, second;
  };

  /// Runs `body(scratch, begin, count, block)` over all tiles; it adds to the scratch from its tile's first channel on.
  template <typename Body>
  void over(int64_t elements, const Body& body) {
    at::parallel_for(0, parts_, 1, [&](int64_t from, int64_t to) {
      Scratch scratch{std::vector<float>(channels_ + kTile), std::vector<float>(channels_ + kTile)};
      for (int64_t part = from; part < to; part++) {
        double* sums = &sums_[2 * channels_ * part];
        int64_t tiles = 0;
        for (int64_t block = part * cut_.blocks / parts_; block < (part + 1) * cut_.blocks / parts_; block++)
          for (int64_t tile = cut_.firstTile(block); tile < cut_.firstTile(block + 1); tile++) {
            body(scratch, tile * kTile, std::min(kTile, elements - tile * kTile), block);
            if (++tiles % kFloatTiles == 0) fold(scratch, sums);
          }
        fold(scratch, sums);
      }
    });
    totals_.assign(2 * channels_, 0);
    for (int64_t part = 0; part < parts_; part++)
      for (int64_t i = 0; i < 2 * channels_; i++) totals_[i] += sums_[2 * channels_ * part + i];
  }
  double first(int64_t channel) const { return totals_[channel]; }
  double second(int64_t channel) const { return totals_[channels_ + channel]; }

 private:
  static constexpr int64_t kParts = 32;        // enough for the threads; more cost a fold each
  static constexpr int64_t kFloatTiles = 128;  // a lane's terms in float32, as in a coefficient's gradient

  void fold(Scratch& scratch, double* sums) {
    for (int64_t from = 0; from < channels_ + kTile; from += channels_) {
      const int64_t count = std::min(channels_, channels_ + kTile - from);
      moveSums(sums, &scratch.first[from], count);
      moveSums(sums + channels_, &scratch.second[from], count);
    }
  }

  int64_t channels_;
  const pade::Cut& cut_;
  int64_t parts_;
  std::vector<double> sums_, totals_;
};

}  // namespace padezoo
