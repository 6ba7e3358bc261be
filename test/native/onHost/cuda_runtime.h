// As much of CUDA as the kernels use, on the CPU: a launch runs its blocks one after the other, a block's threads as fibers in
// turns, each to its next barrier or shuffle. What a device leaves undefined ends the program. The order of the turns is the
// caller's: where two orders give other bits, a barrier is missing.
//
// A kernel's source is C++ but for `kernel<<<grid, block, bytes, stream>>>(arguments)`, which asCpp (scripts/cuda.mjs)
// writes as `onHost::launch(grid, block, bytes, stream)(kernel)(arguments)`. Behind `__shared__ T name;` it writes
// `onHost::begin(name);`.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "cuda_queue.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // blocks do not overlap

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace onHost {

constexpr int kWarp = 32, kMostThreads = 1024;
constexpr size_t kStack = 1 << 17;

enum class Order { forward, backward, shuffled };
/// How the threads take turns.
inline Order order = Order::forward;

[[noreturn]] inline void undefined(const char* what) {
  std::fprintf(stderr, "undefined on a device: %s\n", what);
  std::exit(3);
}

enum class State { ready, atBarrier, atShuffle, ended };

struct Fiber {
  std::vector<char> stack;  // with a frame that lasts for all launches
  jmp_buf place;
  State state = State::ended;
  dim3 index;
  double given = 0;  // to a shuffle
  int offset = 0;
};

inline std::vector<Fiber>& fibers() {
  static std::vector<Fiber> all(kMostThreads);
  return all;
}
inline jmp_buf scheduler;
inline Fiber* current = nullptr;
inline dim3 block, blockSize;
inline std::function<void()> body;

/// By jumps, as swapcontext asks the kernel for the signals at every turn.
inline void waitAs(State state) {
  Fiber* own = current;
  own->state = state;
  if (_setjmp(own->place) == 0) _longjmp(scheduler, 1);
}

inline void live() {
  for (;;) {
    body();
    waitAs(State::ended);
  }
}

inline void resume(Fiber& fiber) {
  current = &fiber;
  if (_setjmp(scheduler) != 0) return;
  if (!fiber.stack.empty()) _longjmp(fiber.place, 1);
  fiber.stack.resize(kStack);
  static ucontext_t begin;
  getcontext(&begin);
  begin.uc_stack.ss_sp = fiber.stack.data();
  begin.uc_stack.ss_size = fiber.stack.size();
  begin.uc_link = nullptr;
  makecontext(&begin, live, 0);
  setcontext(&begin);
}

/// -> whether the warp's lanes were waiting for a shuffle
inline bool shuffleWarp(Fiber* lanes, int count) {
  int waiting = 0;
  for (int i = 0; i < count; i++) waiting += lanes[i].state == State::atShuffle;
  if (waiting == 0) return false;
  if (waiting < kWarp) undefined("a shuffle of all lanes that not all lanes of the warp come to");
  double given[kWarp];
  for (int i = 0; i < kWarp; i++) given[i] = lanes[i].given;
  for (int i = 0; i < kWarp; i++) {
    if (lanes[i].offset != lanes[0].offset) undefined("a shuffle by different offsets");
    const int from = i + lanes[i].offset;
    lanes[i].given = given[from < kWarp ? from : i];
    lanes[i].state = State::ready;
  }
  return true;
}

constexpr size_t kMostShared = 48 << 10;
inline std::set<const void*> begun;
inline size_t shared = 0;  // bytes of the block

/// Shared memory has no values when a block begins: its first thread poisons it.
template <typename S>
void begin(S& memory) {
  if (!begun.insert(&memory).second) return;
  std::memset(static_cast<void*>(&memory), 0xff, sizeof memory);
  if ((shared += sizeof memory) > kMostShared) undefined("more shared memory than a block has");
}

inline void runBlock(int threads) {
  begun.clear();
  shared = 0;
  auto& all = fibers();
  for (int i = 0; i < threads; i++) {
    Fiber& fiber = all[i];
    fiber.state = State::ready;
    fiber.index = dim3(i % blockSize.x, i / blockSize.x % blockSize.y, i / blockSize.x / blockSize.y);
  }
  for (;;) {
    for (int turn = 0; turn < threads; turn++) {
      const int i = order == Order::forward    ? turn
                    : order == Order::backward ? threads - 1 - turn
                                               : static_cast<int>(turn * 797LL % threads);  // a prime: every thread once
      if (all[i].state == State::ready) resume(all[i]);
    }
    bool shuffled = false;
    for (int warp = 0; warp < threads; warp += kWarp)
      shuffled |= shuffleWarp(&all[warp], threads - warp < kWarp ? threads - warp : kWarp);
    if (shuffled) continue;
    int waiting = 0;
    for (int i = 0; i < threads; i++) waiting += all[i].state == State::atBarrier;
    if (waiting == 0) return;
    if (waiting < threads) undefined("a barrier that not all threads of the block come to");
    for (int i = 0; i < threads; i++) all[i].state = State::ready;
  }
}

struct Launch {
  dim3 grid, size;
  void* stream;

  template <typename... Parameters>
  auto operator()(void (*kernel)(Parameters...)) const {
    return [launch = *this, kernel](Parameters... arguments) {
      queue(launch.stream, [=] { launch.run([=] { kernel(arguments...); }); });
    };
  }

  void run(std::function<void()> kernel) const {
    const int threads = static_cast<int>(size.x * size.y * size.z);
    if (threads < 1 || threads > kMostThreads) undefined("a block of no thread or of more than 1024");
    if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
      undefined("a grid of no block or of too many");
    blockSize = size;
    body = std::move(kernel);
    for (unsigned z = 0; z < grid.z; z++)
      for (unsigned y = 0; y < grid.y; y++)
        for (unsigned x = 0; x < grid.x; x++) {
          block = dim3(x, y, z);
          runBlock(threads);
        }
  }
};

}  // namespace onHost

#define threadIdx (onHost::current->index)
#define blockIdx (onHost::block)
#define blockDim (onHost::blockSize)

inline void __syncthreads() { onHost::waitAs(onHost::State::atBarrier); }

inline double __shfl_down_sync(unsigned mask, double value, int offset) {
  if (mask != 0xffffffffu) onHost::undefined("a shuffle of some lanes, which this does not know");
  onHost::Fiber& own = *onHost::current;
  own.given = value;
  own.offset = offset;
  onHost::waitAs(onHost::State::atShuffle);
  return own.given;
}

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };

/// A device of its own for each number of blocks, so that nobody remembers what another has.
inline cudaError_t cudaGetDevice(int* device) {
  *device = onHost::residentBlocks;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = onHost::residentBlocks;
  return cudaSuccess;
}
template <typename Kernel>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Kernel, int, size_t) {
  *blocks = 1;
  return cudaSuccess;
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "no error"; }

namespace onHost {
inline Launch launch(dim3 grid, dim3 size, size_t, cudaStream_t stream) { return {grid, size, stream}; }
}  // namespace onHost
