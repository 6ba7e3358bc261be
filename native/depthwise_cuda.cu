// Depthwise convolutions by 3x3 filters on NVIDIA GPUs, on NHWC memory, and their gradients: the operators of
// native/operators/depthwise.cpp. cuDNN's are far from memory's speed on this layout, the filter's gradient most of all, and
// depthwise convolutions touch as many bytes as all others of a MobileNet together.
//
// A thread keeps a few channels and walks from tile to tile of the target image. It reads the part of the source under a tile
// row by row, each pixel once, and multiplies it with all that the tile makes of it in registers: float32 whatever the type in
// memory. The filter's gradient adds up in registers, goes on in float64 in shared memory, and a second pass adds up the
// blocks in a fixed order: no atomics, every run has the same bits. Needs no torch.
//
// Pixels beyond an image count as 0 and are multiplied like others: beside a NaN or an infinity that makes a NaN.
#include <cuda_runtime.h>

#include "cuda/columns.h"
#include "cuda/depthwise_cuda.h"
#include "cuda/pade_types.h"

namespace pade {
namespace cuda {
namespace {

constexpr int kSide = 3, kTaps = kSide * kSide;
/// Channels of a thread, where they divide those of x and memory is aligned: 8 bytes, or two where it keeps nine sums for each.
template <typename T>
constexpr int kColumn = 8 / static_cast<int>(sizeof(T));
constexpr int kSummedColumn = 2;
/// Tiles that each thread should find at least where it sums, and those whose sums are float32 before they go on in float64.
constexpr int64_t kFewestTiles = 8;
constexpr int kTileChain = 8;

/// What is read and what is calculated, and by how much tiles and the source under them are shifted.
struct Images {
  int64_t count;
  int channels;
  int height, width;              // of the source
  int targetHeight, targetWidth;
  int top, left;                  // padding of x
};

/// A tile that one thread calculates: of y from x (`Forward`), or of the gradient by x from that by y.
template <int Stride, bool Forward>
struct Tile {
  /// Pixels of the tile along an axis; of the gradient by x a multiple of the stride, so that all tiles are alike.
  static constexpr int height = 2, width = Forward && Stride == 2 ? 2 : 4;
  /// Pixels of the source under so many of the tile.
  static constexpr int under(int pixels) {
    return Forward ? (pixels - 1) * Stride + kSide : (kSide - 1) / Stride + (pixels - 1) / Stride + 1;
  }
  static constexpr int rows = under(height), columns = under(width);

  /// Where the filter is that takes pixel `from` of the source to pixel `to` of the tile; it may be none of its.
  static __device__ __forceinline__ int tap(int from, int to) {
    return Forward ? from - to * Stride : to - Stride * (from - (kSide - 1) / Stride);
  }
  /// A tile's first pixel: tiles of the gradient by x begin where a window does.
  static __device__ __forceinline__ int firstOf(int tile, int pixels, int padding) {
    return tile * pixels - (Forward ? 0 : padding % Stride);
  }
  /// The first pixel of the source under it.
  static __device__ __forceinline__ int sourceOf(int first, int padding) {
    return Forward ? first * Stride - padding : (first + padding) / Stride - (kSide - 1) / Stride;
  }
  /// How many tiles cover an axis of the target.
  static int count(int64_t length, int pixels, int padding) {
    return static_cast<int>((length + (Forward ? 0 : padding % Stride) + pixels - 1) / pixels);
  }
};

/// Tiles in the order of the images, rows and columns.
struct Tiles {
  int rows, columns;
};

/// Where a thread is. It goes on by a fixed number of tiles, which is taken apart once: no division in the loop.
struct Place {
  int64_t image;
  int row, column;
  __device__ __forceinline__ Place(int64_t tile, const Tiles& tiles)
      : image(tile / tiles.columns / tiles.rows),
        row(static_cast<int>(tile / tiles.columns % tiles.rows)),
        column(static_cast<int>(tile % tiles.columns)) {}
  __device__ __forceinline__ void advance(const Place& step, const Tiles& tiles) {
    column += step.column;
    row += step.row;
    image += step.image;
    if (column >= tiles.columns) {
      column -= tiles.columns;
      row++;
    }
    if (row >= tiles.rows) {
      row -= tiles.rows;
      image++;
    }
  }
};

__device__ __forceinline__ bool isWithin(int at, int length) {
  return static_cast<unsigned>(at) < static_cast<unsigned>(length);
}

/// Calls body(row, pixels) for the rows of an image from (y, x) on, Columns pixels each, which are 0 beyond the image.
template <int Rows, int Columns, typename T, int V, typename Body>
__device__ __forceinline__ void forPixels(const T* image, int height, int width, int channels, int64_t number, int y, int x,
                                          int64_t column, const Body& body) {
  const T* corner = image + ((number * height + y) * width + x) * channels + column * V;
#pragma unroll
  for (int r = 0; r < Rows; r++) {
    Words<T, V> pixels[Columns];
#pragma unroll
    for (int c = 0; c < Columns; c++) {
      pixels[c] = Words<T, V>();
      if (isWithin(y + r, height) && isWithin(x + c, width))
        pixels[c] = loadWords<T, V>(corner + (r * width + c) * channels);
    }
    body(r, pixels);
  }
}

/// Calls body(row and column of the tile, pixel, tap) for all products of row `r` of the source's pixels.
template <typename Shape, typename Body>
__device__ __forceinline__ void forProducts(int r, const Body& body) {
#pragma unroll
  for (int i = 0; i < Shape::height; i++) {
    const int tapY = Shape::tap(r, i);
    if (tapY < 0 || tapY >= kSide) continue;
#pragma unroll
    for (int c = 0; c < Shape::columns; c++) {
#pragma unroll
      for (int j = 0; j < Shape::width; j++) {
        const int tapX = Shape::tap(c, j);
        if (tapX >= 0 && tapX < kSide) body(i, j, c, tapY * kSide + tapX);
      }
    }
  }
}

template <typename T, int V, int Stride, bool Forward>
__global__ void __launch_bounds__(kThreads, 2) slideKernel(const Images images, const Plan plan, const Tiles tiles, const T* source,
                                                           const T* filter, T* target) {
  using Shape = Tile<Stride, Forward>;
  const Way way = wayOf(plan);
  if (!way.active) return;
  Words<T, V> taps[kTaps];
#pragma unroll
  for (int tap = 0; tap < kTaps; tap++) taps[tap] = loadWords<T, V>(filter + tap * images.channels + way.column * V);
  const Place step(way.step / plan.columns, tiles);
#pragma unroll 1
  for (Place place(way.first / plan.columns, tiles); place.image < images.count; place.advance(step, tiles)) {
    const int y = Shape::firstOf(place.row, Shape::height, images.top), x = Shape::firstOf(place.column, Shape::width, images.left);
    Numbers<V> sums[Shape::height][Shape::width];
    forPixels<Shape::rows, Shape::columns, T, V>(
        source, images.height, images.width, images.channels, place.image, Shape::sourceOf(y, images.top),
        Shape::sourceOf(x, images.left), way.column, [&](int r, const Words<T, V>* pixels) {
          forProducts<Shape>(r, [&](int i, int j, int c, int tap) {
#pragma unroll
            for (int e = 0; e < V; e++) sums[i][j].of[e] += widenAt(pixels[c], e) * widenAt(taps[tap], e);
          });
        });
    T* corner = target + ((place.image * images.targetHeight + y) * images.targetWidth + x) * images.channels + way.column * V;
#pragma unroll
    for (int i = 0; i < Shape::height; i++) {
#pragma unroll
      for (int j = 0; j < Shape::width; j++) {
        if (!isWithin(y + i, images.targetHeight) || !isWithin(x + j, images.targetWidth)) continue;
        Pack<T, V> results;
#pragma unroll
        for (int e = 0; e < V; e++) narrow(results.of[e], sums[i][j].of[e]);
        storePack<T, V>(corner + (i * images.targetWidth + j) * images.channels, results);
      }
    }
  }
}

/// The partial sums of a filter's gradient: [blocks, taps, channels].
template <typename T, int V, int Stride>
__global__ void __launch_bounds__(kThreads, 2) productsKernel(const Images images, const Plan plan, const Tiles tiles, const T* source,
                                                              const T* gradient, double* partials) {
  using Shape = Tile<Stride, true>;
  __shared__ double own[kTaps * V][kThreads];
#pragma unroll
  for (int i = 0; i < kTaps * V; i++) own[i][threadIdx.x] = 0;
  const Way way = wayOf(plan);
  if (way.active) {
    ColumnSums<V, kTaps> sums;
    int chain = 0;
    const Place step(way.step / plan.columns, tiles);
#pragma unroll 1
    for (Place place(way.first / plan.columns, tiles); place.image < images.count; place.advance(step, tiles)) {
      const int y = place.row * Shape::height, x = place.column * Shape::width;
      Words<T, V> upstream[Shape::height][Shape::width];
      forPixels<Shape::height, Shape::width, T, V>(gradient, images.targetHeight, images.targetWidth, images.channels, place.image,
                                                   y, x, way.column, [&](int r, const Words<T, V>* pixels) {
#pragma unroll
                                                     for (int c = 0; c < Shape::width; c++) upstream[r][c] = pixels[c];
                                                   });
      forPixels<Shape::rows, Shape::columns, T, V>(
          source, images.height, images.width, images.channels, place.image, Shape::sourceOf(y, images.top),
          Shape::sourceOf(x, images.left), way.column, [&](int r, const Words<T, V>* pixels) {
          forProducts<Shape>(r, [&](int i, int j, int c, int tap) {
#pragma unroll
            for (int e = 0; e < V; e++) sums.of[tap].of[e] += widenAt(pixels[c], e) * widenAt(upstream[i][j], e);
          });
            asm volatile("" ::: "memory");  // no row is read before the one above is done: there are no registers for more
          });
      if (++chain % kTileChain == 0) sums.add(own);
    }
    sums.add(own);
  }
  __syncthreads();
  storeColumns<V, kTaps>(own, way, plan, images.channels, partials);
}

/// @param numbers taps times channels
__global__ void finishKernel(const double* partials, int64_t blocks, int64_t numbers, float* dfilter) {
  __shared__ double parts[1][kParts][kWarp];
  const int64_t number = blockIdx.x * int64_t{kWarp} + threadIdx.x;
  double sum;
  if (sumsOfBlocks<1>(partials, blocks, numbers, number, parts, &sum)) dfilter[number] = static_cast<float>(sum);
}

Images imagesOf(const Depthwise& call, bool forward) {
  const auto whole = [](int64_t v) { return static_cast<int>(v); };
  const int height = whole(call.height), width = whole(call.width), outHeight = whole(call.outHeight), outWidth = whole(call.outWidth);
  Images images{call.images, whole(call.channels), height, width, outHeight, outWidth, whole(call.top), whole(call.left)};
  if (!forward) {
    std::swap(images.height, images.targetHeight);
    std::swap(images.width, images.targetWidth);
  }
  return images;
}

template <typename Shape>
Tiles tilesOf(const Images& images) {
  return {Shape::count(images.targetHeight, Shape::height, images.top), Shape::count(images.targetWidth, Shape::width, images.left)};
}

/// Calls body(element type, stride, channels of a thread) with what fits the call.
template <bool Summed, typename Body>
void choose(const Depthwise& call, Type type, const Body& body) {
  const auto typed = [&](auto element, auto stride) {
    using T = decltype(element);
    constexpr int V = Summed ? kSummedColumn : kColumn<T>;
    const auto aligned = [](const void* p) { return reinterpret_cast<uintptr_t>(p) % (V * sizeof(T)) == 0; };
    if (call.channels % V == 0 && aligned(call.x) && aligned(call.gradient) && aligned(call.filter) && aligned(call.out))
      body(element, stride, std::integral_constant<int, V>{});
    else body(element, stride, std::integral_constant<int, 1>{});
  };
  const auto strided = [&](auto element) {
    if (call.strideY == 1) typed(element, std::integral_constant<int, 1>{});
    else typed(element, std::integral_constant<int, 2>{});
  };
  if (type == Type::Float32) strided(float{});
  else strided(Bfloat16{});
}

template <bool Forward>
const char* slide(const Depthwise& call, Type type, void* stream) {
  choose<false>(call, type, [&](auto element, auto stride, auto v) {
    using T = decltype(element);
    constexpr int S = decltype(stride)::value, V = decltype(v)::value;
    const Images images = imagesOf(call, Forward);
    const Tiles tiles = tilesOf<Tile<S, Forward>>(images);
    const Plan plan = planOfRows<V>(images.count * tiles.rows * tiles.columns, images.channels, slideKernel<T, V, S, Forward>, 1);
    const T* source = static_cast<const T*>(Forward ? call.x : call.gradient);
    const auto queue = static_cast<cudaStream_t>(stream);
    slideKernel<T, V, S, Forward><<<gridOf(plan), threadsOf(plan), 0, queue>>>(images, plan, tiles, source,
                                                                        static_cast<const T*>(call.filter), static_cast<T*>(call.out));
  });
  return problem();
}

/// Calls body(element type, stride, channels of a thread, images, tiles, plan) for the filter's gradient.
template <typename Body>
void withProducts(const Depthwise& call, Type type, const Body& body) {
  choose<true>(call, type, [&](auto element, auto stride, auto v) {
    using T = decltype(element);
    constexpr int S = decltype(stride)::value, V = decltype(v)::value;
    const Images images = imagesOf(call, true);
    const Tiles tiles = tilesOf<Tile<S, true>>(images);
    body(element, stride, v, images, tiles,
         planOfRows<V>(images.count * tiles.rows * tiles.columns, images.channels, productsKernel<T, V, S>, kFewestTiles));
  });
}

}  // namespace

bool isTaken(const Depthwise& call) {
  // Pixels are counted in int, and elements within the rows of a tile: at most five of the source, five pixels more each.
  const auto fits = [](int64_t v) { return v >= 0 && v < int64_t{1} << 29; };
  const auto fitsRow = [&](int64_t width) { return fits(width) && 5 * (width + 5) * call.channels < int64_t{1} << 31; };
  const bool fitsGrid = call.channels > 0 && call.channels <= int64_t{65535} * kThreads;
  return fitsGrid && call.strideY == call.strideX && (call.strideY == 1 || call.strideY == 2) && fits(call.height) &&
         fitsRow(call.width) && fits(call.outHeight) && fitsRow(call.outWidth) && fits(call.top) && fits(call.left);
}

int64_t scratchBytes(const Depthwise& call, Type type) {
  int64_t bytes = 0;
  withProducts(call, type, [&](auto, auto, auto, const Images&, const Tiles&, const Plan& plan) {
    bytes = plan.blocks * kTaps * call.channels * static_cast<int64_t>(sizeof(double));
  });
  return bytes;
}

const char* depthwiseForward(const Depthwise& call, Type type, void* stream) { return slide<true>(call, type, stream); }
const char* depthwiseInput(const Depthwise& call, Type type, void* stream) { return slide<false>(call, type, stream); }

const char* depthwiseFilter(const Depthwise& call, Type type, void* scratch, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  double* partials = static_cast<double*>(scratch);
  withProducts(call, type, [&](auto element, auto stride, auto v, const Images& images, const Tiles& tiles, const Plan& plan) {
    using T = decltype(element);
    constexpr int S = decltype(stride)::value, V = decltype(v)::value;
    productsKernel<T, V, S><<<gridOf(plan), threadsOf(plan), 0, queue>>>(images, plan, tiles, static_cast<const T*>(call.x),
                                                                  static_cast<const T*>(call.gradient), partials);
    const int64_t numbers = kTaps * call.channels;
    finishKernel<<<warpsOf(numbers), dim3(kWarp, kParts), 0, queue>>>(partials, plan.blocks, numbers, call.dfilter);
  });
  return problem();
}

}  // namespace cuda
}  // namespace pade
