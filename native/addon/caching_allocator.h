// A CPU allocator that keeps freed blocks: large activations stay mapped, so no step pays for page faults.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace padezoo {

/// Memory for many blocks at once; it goes back when its maker and every block in it have let go.
class Stretch {
 public:
  /// Null where so much does not lie together.
  static Stretch* make(size_t bytes);
  /// Memory for a block, for whose giving back it waits. @param offset a multiple of 64
  void* at(size_t offset, size_t piece);
  void letGo();

 private:
  explicit Stretch(void* memory) : memory_(memory) {}
  void* memory_;
  std::atomic<size_t> users_{1};
};

/// Sees the large blocks that one thread takes and gives back, and may say where they lie.
class Placement {
 public:
  virtual ~Placement() = default;
  /// Memory for the next block, from a stretch; or null: from the arena.
  virtual void* place(size_t bytes) = 0;
  virtual void taken(void* block, size_t bytes) = 0;
  /// @param stretch null for a block of the arena; piece: what the stretch was told of this block
  virtual void given(void* block, const Stretch* stretch, size_t piece) = 0;
};

/// For the calling thread, until it is set to null.
void setPlacement(Placement* placement);

struct AllocatorFigures {
  int64_t used;    // bytes in live tensors
  int64_t cached;  // bytes kept for reuse
};

/// Makes it libtorch's CPU allocator for the whole process; idempotent.
void installCachingAllocator();
AllocatorFigures allocatorFigures();
/// Gives all kept blocks back to the system.
void releaseCachedMemory();

}  // namespace padezoo
