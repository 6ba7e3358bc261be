// A CPU allocator that keeps freed blocks: large activations stay mapped, so no step pays for page faults.
#pragma once
#include <cstddef>
#include <cstdint>

namespace padezoo {

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
