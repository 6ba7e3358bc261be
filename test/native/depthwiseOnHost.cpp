// Runs the GPU's depthwise convolutions on the CPU, from their very source (native/depthwise_cuda.cu on onHost/cuda_runtime.h),
// and compares the result and both gradients with float64. Prints one JSON line a case; test/native/depthwiseCuda.test.ts
// judges them.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "../../native/cuda/depthwise_cuda.h"
#include "../../native/cuda/pade_types.h"
#include "onHost/compare.h"
#include "onHost/cuda_runtime.h"

using namespace pade;
using onHost::Poisoned;
using onHost::rounded;
using onHost::see;
using onHost::typeOf;
namespace gpu = pade::cuda;

namespace {

struct Case {
  const char* name;
  int64_t images, height, width, channels, stride;
  int64_t top, bottom, left, right;  // padding; a negative one cuts
  int64_t resident;                  // blocks at once: fewer blocks make longer ways
  int shifted = 0;  // tensors that lie an element behind a boundary: 1 is x, 2 the gradient, 4 the outputs, 8 the filter, or their sum
  bool oneSided = false;  // whose sums grow
};

struct Errors {
  double values = 0, input = 0, filter = 0;
  int64_t unwritten = 0, different = 0;
};

/// What the calls write.
template <typename T>
struct Results {
  Poisoned<T> y, dx;
  Poisoned<float> dfilter;
  int64_t faults() const { return y.faults() + dx.faults() + dfilter.faults(); }
  bool operator==(const Results& o) const { return y == o.y && dx == o.dx && dfilter == o.dfilter; }
};

template <typename T>
void runCase(const Case& c, const char* type) {
  const int64_t outHeight = (c.height + c.top + c.bottom - 3) / c.stride + 1, outWidth = (c.width + c.left + c.right - 3) / c.stride + 1;
  const int64_t pixels = c.images * c.height * c.width, outPixels = c.images * outHeight * outWidth;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Poisoned<T> x(pixels * c.channels, c.shifted & 1), gradient(outPixels * c.channels, c.shifted >> 1 & 1),
      filter(9 * c.channels, c.shifted >> 3 & 1);
  for (Poisoned<T>* tensor : {&x, &gradient, &filter})
    for (size_t i = 0; i < tensor->size; i++) gpu::narrow((*tensor)[i], c.oneSided ? 1 + 0.1f * normal(random) : normal(random));

  gpu::Depthwise call;
  call.images = c.images;
  call.channels = c.channels;
  call.height = c.height;
  call.width = c.width;
  call.outHeight = outHeight;
  call.outWidth = outWidth;
  call.strideY = call.strideX = c.stride;
  call.top = c.top;
  call.left = c.left;
  Errors errors;
  const auto run = [&](onHost::Order order) {
    onHost::order = order;
    Results<T> r{Poisoned<T>(outPixels * c.channels, c.shifted >> 2 & 1), Poisoned<T>(pixels * c.channels, c.shifted >> 2 & 1),
                 Poisoned<float>(9 * c.channels)};
    gpu::Depthwise forward = call, input = call, sums = call;
    forward.x = sums.x = x.data();
    forward.filter = input.filter = filter.data();
    forward.out = r.y.data();
    input.gradient = sums.gradient = gradient.data();
    input.out = r.dx.data();
    sums.dfilter = r.dfilter.data();
    gpu::depthwiseForward(forward, typeOf<T>, nullptr);
    gpu::depthwiseInput(input, typeOf<T>, nullptr);
    Poisoned<unsigned char> scratch(gpu::scratchBytes(sums, typeOf<T>));
    gpu::depthwiseFilter(sums, typeOf<T>, scratch.data(), nullptr);
    errors.unwritten += !scratch.isGuarded();
    return r;
  };
  onHost::residentBlocks = static_cast<int>(c.resident);
  if (!gpu::isTaken(call)) errors.unwritten++;
  Results<T> r = run(onHost::Order::forward);
  for (const onHost::Order order : {onHost::Order::backward, onHost::Order::shuffled})
    if (!(run(order) == r)) errors.different++;
  errors.unwritten += r.faults();

  std::vector<double> y(outPixels * c.channels), sizeOfY(y), dx(pixels * c.channels), sizeOfDx(dx), dfilter(9 * c.channels), sizeOfFilter(dfilter);
  for (int64_t n = 0; n < c.images; n++)
    for (int64_t oy = 0; oy < outHeight; oy++)
      for (int64_t ox = 0; ox < outWidth; ox++)
        for (int64_t tap = 0; tap < 9; tap++) {
          const int64_t iy = oy * c.stride - c.top + tap / 3, ix = ox * c.stride - c.left + tap % 3;
          if (iy < 0 || iy >= c.height || ix < 0 || ix >= c.width) continue;
          for (int64_t channel = 0; channel < c.channels; channel++) {
            const int64_t from = ((n * c.height + iy) * c.width + ix) * c.channels + channel;
            const int64_t to = ((n * outHeight + oy) * outWidth + ox) * c.channels + channel, weight = tap * c.channels + channel;
            const double v = gpu::widen(x[from]), w = gpu::widen(filter[weight]), g = gpu::widen(gradient[to]);
            y[to] += v * w;
            sizeOfY[to] += std::fabs(v * w);
            dx[from] += g * w;
            sizeOfDx[from] += std::fabs(g * w);
            dfilter[weight] += g * v;
            sizeOfFilter[weight] += std::fabs(g * v);
          }
        }
  for (size_t i = 0; i < y.size(); i++) see(errors.values, gpu::widen(r.y[i]), rounded<T>(y[i]), sizeOfY[i]);
  for (size_t i = 0; i < dx.size(); i++) see(errors.input, gpu::widen(r.dx[i]), rounded<T>(dx[i]), sizeOfDx[i]);
  for (size_t i = 0; i < dfilter.size(); i++) see(errors.filter, r.dfilter[i], static_cast<float>(dfilter[i]), sizeOfFilter[i]);
  std::printf("{\"name\":\"%s\",\"type\":\"%s\",\"values\":%.3g,\"input\":%.3g,\"filter\":%.3g,\"unwritten\":%lld,\"different\":%lld}\n",
              c.name, type, std::fmin(errors.values, 1e300), std::fmin(errors.input, 1e300), std::fmin(errors.filter, 1e300),
              static_cast<long long>(errors.unwritten), static_cast<long long>(errors.different));
}

/// Whether the kernels take an image of one pixel in height, and what differs from that.
bool isTaken(int64_t width, int64_t channels, int64_t strideY = 1, int64_t strideX = 1, int64_t top = 1) {
  gpu::Depthwise call;
  call.images = call.height = call.outHeight = 1;
  call.width = call.outWidth = width;
  call.channels = channels;
  call.strideY = strideY;
  call.strideX = strideX;
  call.top = top;
  return gpu::isTaken(call);
}

}  // namespace

int main() {
  const Case cases[] = {
      {"8x8", 3, 8, 8, 12, 1, 1, 1, 1, 1, 3},
      {"7x7", 2, 7, 7, 8, 1, 1, 1, 1, 1, 3},
      {"9x6, 7 channels", 2, 9, 6, 7, 1, 1, 1, 1, 1, 2},
      {"1 channel", 2, 11, 13, 1, 1, 1, 1, 1, 1, 2},
      {"2 channels", 2, 5, 5, 2, 1, 1, 1, 1, 1, 2},
      {"6 channels", 2, 5, 5, 6, 1, 1, 1, 1, 1, 2},
      {"one pixel", 4, 1, 1, 4, 1, 1, 1, 1, 1, 2},
      {"1040 channels", 2, 4, 5, 1040, 1, 1, 1, 1, 1, 8},
      {"no padding", 2, 8, 11, 4, 1, 0, 0, 0, 0, 3},
      {"wide padding", 2, 3, 4, 4, 1, 5, 3, 2, 4, 3},
      {"one window", 2, 3, 3, 4, 1, 0, 0, 0, 0, 3},
      {"behind a boundary", 2, 6, 6, 8, 1, 1, 1, 1, 1, 3, 15},
      {"x behind a boundary", 2, 6, 6, 8, 1, 1, 1, 1, 1, 3, 1},
      {"the gradient behind a boundary", 2, 6, 6, 8, 1, 1, 1, 1, 1, 3, 2},
      {"the outputs behind a boundary", 2, 6, 6, 8, 1, 1, 1, 1, 1, 3, 4},
      {"the filter behind a boundary", 2, 6, 6, 8, 1, 1, 1, 1, 1, 3, 8},
      {"long ways", 3, 64, 64, 256, 1, 1, 1, 1, 1, 1, 0, true},
      {"40 blocks", 3, 130, 40, 2, 1, 1, 1, 1, 1, 40},
      {"520 channels, several blocks", 3, 20, 28, 520, 1, 1, 1, 1, 1, 12},
      {"stride 2, 8x8", 3, 8, 8, 12, 2, 1, 1, 1, 1, 3},
      {"stride 2, 7x9", 3, 7, 9, 12, 2, 1, 1, 1, 1, 3},
      {"stride 2, padded behind it", 3, 8, 6, 5, 2, 0, 1, 0, 1, 3},
      {"stride 2, uneven padding", 2, 9, 8, 4, 2, 2, 1, 0, 3, 3},
      {"stride 2, wide padding", 2, 3, 4, 4, 2, 5, 4, 3, 4, 3},
      {"stride 2, a rest that no window reaches", 2, 8, 8, 4, 2, 0, 0, 0, 0, 3},
      {"stride 2, padded on the left", 2, 8, 8, 4, 2, 0, 0, 1, 0, 3},
      {"stride 2, cut", 2, 9, 9, 4, 2, 0, -2, 1, -1, 3},
      {"stride 2, behind a boundary", 2, 6, 6, 8, 2, 1, 1, 1, 1, 3, 15},
      {"stride 2, 1040 channels", 2, 4, 5, 1040, 2, 1, 1, 1, 1, 8},
      {"stride 2, long ways", 2, 65, 64, 256, 2, 1, 1, 1, 1, 1, 0, true},
  };
  for (const Case& c : cases) {
    runCase<float>(c, "float32");
    runCase<Bfloat16>(c, "bfloat16");
  }
  return isTaken(8, 8) && isTaken(8, 8, 2, 2) && !isTaken(8, 8, 2, 1) && !isTaken(8, 8, 3, 3) && !isTaken(8, 8, 1, 1, -1) &&
                 !isTaken(int64_t{1} << 30, 1) && isTaken(int64_t{1} << 20, 256) && !isTaken(int64_t{1} << 20, 512) && !isTaken(8, 0) && !isTaken(1, int64_t{1} << 25)
             ? 0
             : 1;
}
