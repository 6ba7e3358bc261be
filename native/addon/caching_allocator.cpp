// Freed blocks go to a list of their size class and are handed out again; the kept bytes are bounded.
#include "caching_allocator.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <torch/version.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace padezoo {
namespace {

constexpr size_t kAlignment = 64;           // a cache line, and the widest vector
constexpr size_t kSmallest = 64 * 1024;     // below this malloc keeps the memory itself

/// Eight classes between two powers of two: at most 1/8 of a block is wasted.
size_t sizeClass(size_t bytes) {
  if (bytes <= kSmallest) return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  size_t power = kSmallest;
  while (power * 2 < bytes) power *= 2;
  const size_t step = power / 8;
  return (bytes + step - 1) / step * step;
}

struct Header {
  size_t bytes;
};
static_assert(sizeof(Header) <= kAlignment, "the header lies in one cache line before the block");

class Cache {
 public:
  void* take(size_t wanted) {
    const size_t bytes = sizeClass(wanted);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      used_ += bytes;
      auto list = free_.find(bytes);
      if (list != free_.end() && !list->second.empty()) {
        void* block = list->second.back();
        list->second.pop_back();
        cached_ -= bytes;
        return block;
      }
    }
    void* base = nullptr;
    if (posix_memalign(&base, kAlignment, bytes + kAlignment) != 0) {
      release();
      TORCH_CHECK(posix_memalign(&base, kAlignment, bytes + kAlignment) == 0, "out of memory: ", bytes, " bytes wanted");
    }
    static_cast<Header*>(base)->bytes = bytes;
    return static_cast<char*>(base) + kAlignment;
  }

  void give(void* block) {
    void* base = static_cast<char*>(block) - kAlignment;
    const size_t bytes = static_cast<Header*>(base)->bytes;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      used_ -= bytes;
      if (bytes > kSmallest && cached_ + bytes <= limit_) {
        free_[bytes].push_back(block);
        cached_ += bytes;
        return;
      }
    }
    std::free(base);
  }

  void release() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& list : free_)
      for (void* block : list.second) std::free(static_cast<char*>(block) - kAlignment);
    free_.clear();
    cached_ = 0;
  }

  AllocatorFigures figures() {
    std::lock_guard<std::mutex> lock(mutex_);
    return {static_cast<int64_t>(used_), static_cast<int64_t>(cached_)};
  }

 private:
  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> free_;
  size_t used_ = 0, cached_ = 0;
  // A quarter of the machine's memory: enough for every step measured, and never the reason that a machine swaps.
  const size_t limit_ = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE)) / 4;
};

Cache& cache() {
  static Cache* instance = new Cache;  // never destroyed: tensors may outlive static destruction
  return *instance;
}

void giveBack(void* block) {
  if (block) cache().give(block);
}

class CachingAllocator final : public c10::Allocator {
 public:
  // libtorch 2.x dropped `const` here; a template parameter could not override either.
#if TORCH_VERSION_MAJOR >= 2
  c10::DataPtr allocate(size_t bytes) override { return make(bytes); }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
#else
  c10::DataPtr allocate(size_t bytes) const override { return make(bytes); }
#endif
  c10::DeleterFnPtr raw_deleter() const override { return &giveBack; }

 private:
  static c10::DataPtr make(size_t bytes) {
    void* block = bytes ? cache().take(bytes) : nullptr;
    return {block, block, &giveBack, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

void installCachingAllocator() {
  static CachingAllocator* const allocator = [] {
    auto* made = new CachingAllocator;
    c10::SetCPUAllocator(made, /*priority=*/1);
    return made;
  }();
  (void)allocator;
}

AllocatorFigures allocatorFigures() { return cache().figures(); }
void releaseCachedMemory() { cache().release(); }

}  // namespace padezoo
