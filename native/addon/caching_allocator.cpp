// Freed blocks are joined with their free neighbours and handed out again, best fit first; the kept bytes are bounded.
#include "caching_allocator.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

namespace padezoo {
namespace {

constexpr size_t kAlignment = 64;        // a cache line, and the widest vector
constexpr size_t kSmallest = 64 * 1024;  // below this malloc keeps the memory itself

size_t roundedUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// A stretch of the arena. Neighbours are linked in the order of their addresses, and no two of them are free.
struct Block {
  char* begin;
  size_t bytes;
  size_t kept;  // how many of a free block's bytes, from its begin, may be mapped
  bool free;
  Block *before, *after;
};

struct BySize {
  bool operator()(const Block* a, const Block* b) const {
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->begin < b->begin;
  }
};

/// Lies in the cache line before what the caller gets; with neither a block nor a stretch it is malloc's.
struct Header {
  size_t bytes;
  Block* block;
  Stretch* stretch;
  size_t piece;
};
static_assert(sizeof(Header) <= kAlignment, "the header lies in one cache line before the block");

Header* headerOf(void* data) { return reinterpret_cast<Header*>(static_cast<char*>(data) - kAlignment); }

/// One stretch of addresses as long as the machine's memory, of which only what is touched is mapped: there every freed
/// block can join its neighbours. Lists of freed blocks by classes of sizes kept half as much again as a step of DenseNet,
/// whose layers all differ in size, needs.
class Cache {
 public:
  Cache() {
    const int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* arena = mmap(nullptr, physical_, protection, flags, -1, 0);
    if (arena != MAP_FAILED)  // else addresses are rationed here, and malloc serves all
      free_.insert(new Block{static_cast<char*>(arena), physical_, 0, true, nullptr, nullptr});
  }

  /// @param bytes header included
  void* take(size_t bytes) {
    void* data = bytes > kSmallest ? takeFromArena(bytes) : nullptr;
    if (data) return data;
    std::lock_guard<std::mutex> lock(mutex_);
    return handOut(fromMalloc(bytes), {bytes, nullptr, nullptr, 0});
  }

  /// Null where no free block is as large.
  void* takeFromArena(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    Block* block = bestFit(bytes);
    return block ? handOut(block->begin, {block->bytes, block, nullptr, 0}) : nullptr;
  }

  void give(void* data) {
    const Header header = *headerOf(data);
    std::lock_guard<std::mutex> lock(mutex_);
    used_ -= header.bytes;
    if (!header.block) return std::free(headerOf(data));
    Block* block = header.block;
    block->free = true;
    block->kept = block->bytes;
    cached_ += block->kept;
    if (cached_ > limit_) unmap(block, block->kept - std::min(block->kept, cached_ - limit_));
    if (block->after && block->after->free) join(block, block->after, block->after);
    if (block->before && block->before->free) block = join(block->before, block, block->before);
    free_.insert(block);
  }

  void release() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Block* block : free_) unmap(block);
  }

  AllocatorFigures figures() {
    std::lock_guard<std::mutex> lock(mutex_);
    return {static_cast<int64_t>(used_), static_cast<int64_t>(cached_)};
  }

 private:
  void* handOut(char* begin, const Header& header) {
    *headerOf(begin + kAlignment) = header;
    used_ += header.bytes;
    return begin + kAlignment;
  }

  char* fromMalloc(size_t bytes) {
    void* begin = nullptr;
    TORCH_CHECK(posix_memalign(&begin, kAlignment, bytes) == 0, "out of memory: ", bytes, " bytes wanted");
    return static_cast<char*>(begin);
  }

  /// The smallest free block that holds so much; what it has beyond that stays free.
  Block* bestFit(size_t bytes) {
    Block smallest{nullptr, bytes, 0, true, nullptr, nullptr};
    const auto found = free_.lower_bound(&smallest);
    if (found == free_.end()) return nullptr;
    Block* block = *found;
    free_.erase(found);
    if (block->bytes - bytes > kSmallest) {
      Block* rest = new Block{block->begin + bytes, block->bytes - bytes, 0, true, block, block->after};
      rest->kept = block->kept > bytes ? block->kept - bytes : 0;
      if (rest->after) rest->after->before = rest;
      block->after = rest;
      block->bytes = bytes;
      block->kept -= rest->kept;
      free_.insert(rest);
    }
    cached_ -= block->kept;
    block->free = false;
    return block;
  }

  /// Makes one block of two neighbours; `listed` is the one that waits among the free ones.
  Block* join(Block* first, Block* second, Block* listed) {
    free_.erase(listed);
    if (first->kept < first->bytes) unmap(second);  // what is kept of a block begins where it begins
    first->bytes += second->bytes;
    first->kept += second->kept;
    first->after = second->after;
    if (first->after) first->after->before = first;
    delete second;
    return first;
  }

  /// Gives whole pages of a free block back to the system: all behind its first `kept` bytes.
  void unmap(Block* block, size_t kept = 0) {
    if (block->kept <= kept) return;
    const uintptr_t begin = roundedUp(reinterpret_cast<uintptr_t>(block->begin) + kept, page_);
    const uintptr_t end = (reinterpret_cast<uintptr_t>(block->begin) + block->bytes) / page_ * page_;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    cached_ -= block->kept - kept;
    block->kept = kept;
  }

  std::mutex mutex_;
  std::set<Block*, BySize> free_;
  size_t used_ = 0, cached_ = 0;
  const size_t page_ = static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
  const size_t physical_ = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page_;
  // A quarter of the machine's memory: enough for every step measured, and never the reason that a machine swaps.
  const size_t limit_ = physical_ / 4;
};

Cache& cache() {
  static Cache* instance = new Cache;  // never destroyed: tensors may outlive static destruction
  return *instance;
}

thread_local Placement* placement = nullptr;

void* takeBlock(size_t wanted) {
  const size_t bytes = roundedUp(wanted, kAlignment) + kAlignment;
  if (!placement || bytes <= kSmallest) return cache().take(bytes);
  void* placed = placement->place(bytes);
  void* data = placed ? placed : cache().take(bytes);
  placement->taken(data, bytes);
  return data;
}

void giveBack(void* data) {
  if (!data) return;
  const Header header = *headerOf(data);
  if (placement && (header.stretch || header.bytes > kSmallest)) placement->given(data, header.stretch, header.piece);
  if (header.stretch) header.stretch->letGo();
  else cache().give(data);
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
    void* block = bytes ? takeBlock(bytes) : nullptr;
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

Stretch* Stretch::make(size_t bytes) {
  void* memory = cache().takeFromArena(bytes + kAlignment);
  return memory ? new Stretch(memory) : nullptr;
}

void* Stretch::at(size_t offset, size_t piece) {
  users_++;
  void* data = static_cast<char*>(memory_) + offset + kAlignment;
  *headerOf(data) = {0, nullptr, this, piece};
  return data;
}

void Stretch::letGo() {
  if (--users_ > 0) return;
  cache().give(memory_);
  delete this;
}

void setPlacement(Placement* chosen) { placement = chosen; }

AllocatorFigures allocatorFigures() { return cache().figures(); }
void releaseCachedMemory() { cache().release(); }

}  // namespace padezoo
