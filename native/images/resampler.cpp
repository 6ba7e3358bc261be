// The order of the passes, and both of them in plain loops: what a CPU without AVX2 runs, and what AVX2 must equal.
#include "resampler.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "resampler_avx2.h"

namespace padezoo::images {
namespace {

uint8_t clip(uint32_t sum) {
  return static_cast<uint8_t>(std::clamp(static_cast<int32_t>(sum) >> kPrecision, 0, 255));
}

void acrossScalar(const Plan& plan, const uint8_t* row, uint8_t* out) {
  const Weights& across = *plan.across;
  for (int32_t x = 0; x < plan.outWidth; x++) {
    uint32_t sums[3] = {kHalf, kHalf, kHalf};  // unsigned: sums that overflow wrap, as everywhere else
    const uint8_t* from = row + 3 * across.first[x];
    const int32_t* weights = across.weights + static_cast<size_t>(x) * across.taps;
    for (int32_t k = 0; k < across.count[x]; k++, from += 3)
      for (int c = 0; c < 3; c++) sums[c] += static_cast<uint32_t>(weights[k]) * from[c];
    uint8_t* to = out + 3 * (plan.mirror ? plan.outWidth - 1 - x : x);
    for (int c = 0; c < 3; c++) to[c] = clip(sums[c]);
  }
}

/// @param done bytes of the row that are there already
void downScalar(const uint8_t* rows, size_t rowBytes, const int32_t* weights, int32_t count, uint8_t* out, size_t done) {
  for (size_t i = done; i < rowBytes; i++) {
    uint32_t sum = kHalf;
    for (int32_t k = 0; k < count; k++) sum += static_cast<uint32_t>(weights[k]) * rows[k * rowBytes + i];
    out[i] = clip(sum);
  }
}

constexpr size_t kKept = 8 << 20;  // bytes

/// Memory of this thread that is kept from image to image: new pages cost as much as the passes themselves.
uint8_t* scratch(size_t size) {
  thread_local std::unique_ptr<uint8_t[]> memory;
  thread_local size_t held = 0;
  if (held < size || held > kKept) {
    memory.reset();
    held = 0;
    memory.reset(new uint8_t[size]);
    held = size;
  }
  return memory.get();
}

}  // namespace

Instructions bestInstructions() {
#ifdef PADEZOO_AVX2
  if (__builtin_cpu_supports("avx2")) return Instructions::avx2;
#endif
  return Instructions::scalar;
}

Resampler::Resampler(const Plan& plan, uint8_t* out, Instructions instructions)
    : plan_(plan), out_(out), instructions_(instructions) {
  if (plan.down) rows_ = scratch(static_cast<size_t>(plan.height) * plan.outWidth * 3);
#ifdef PADEZOO_AVX2
  if (instructions == Instructions::avx2) {
    if (plan.across) across_ = pairedWeights(*plan.across, plan.width);
    if (plan.down) down_ = pairedWeights(*plan.down, plan.height);
  }
#endif
}

uint8_t* Resampler::target(int32_t row) {
  return (plan_.down ? rows_ : out_) + static_cast<size_t>(row) * plan_.outWidth * 3;
}

void Resampler::rows(const uint8_t* first, const uint8_t* second) {
  if (plan_.across) across(first, second);
  else {
    copy(first, target(row_));
    if (second) copy(second, target(row_ + 1));
  }
  row_ += second ? 2 : 1;
}

void Resampler::copy(const uint8_t* from, uint8_t* to) const {
  if (!plan_.mirror) {
    std::memcpy(to, from, 3 * static_cast<size_t>(plan_.outWidth));
    return;
  }
  to += 3 * (plan_.outWidth - 1);
  for (int32_t x = 0; x < plan_.outWidth; x++, from += 3, to -= 3) std::memcpy(to, from, 3);
}

void Resampler::across(const uint8_t* first, const uint8_t* second) {
  uint8_t* to = target(row_);
  uint8_t* next = second ? target(row_ + 1) : nullptr;
#ifdef PADEZOO_AVX2
  if (instructions_ == Instructions::avx2) {
    acrossAvx2(across_, plan_.mirror, first, second, to, next);
    return;
  }
#endif
  acrossScalar(plan_, first, to);
  if (second) acrossScalar(plan_, second, next);
}

void Resampler::finish() {
  if (!plan_.down) return;
  const Weights& down = *plan_.down;
  const size_t rowBytes = 3 * static_cast<size_t>(plan_.outWidth);
  for (int32_t y = 0; y < plan_.outHeight; y++) {
    const uint8_t* rows = rows_ + static_cast<size_t>(down.first[y]) * rowBytes;
    const int32_t* weights = down.weights + static_cast<size_t>(y) * down.taps;
    uint8_t* out = out_ + static_cast<size_t>(y) * rowBytes;
    size_t done = 0;
#ifdef PADEZOO_AVX2
    if (instructions_ == Instructions::avx2)
      done = downAvx2(rows_ + static_cast<size_t>(down_.first[y]) * rowBytes, rowBytes,
                      down_.pairs.data() + static_cast<size_t>(y) * down_.each, std::min(2 * down_.each, plan_.height), out);
#endif
    downScalar(rows, rowBytes, weights, down.count[y], out, done);
  }
}

}  // namespace padezoo::images
