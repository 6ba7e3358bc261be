// Where every large block of a program's run lies in one stretch of memory: worked out once, followed by every later run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "caching_allocator.h"

namespace padezoo {

/// A run whose shapes are fixed takes and gives its blocks in the same order every time. The first run is watched: a block
/// that it gives back lives from one moment to another, and blocks whose lives do not meet may share memory. What outlives
/// the run (outputs) stays in the arena. A run that takes anything else than was seen goes on in the arena, and the next
/// one is watched again.
class MemoryPlan {
 public:
  /// Bytes of the stretch; 0 while there is no plan.
  int64_t bytes() const { return following_ ? static_cast<int64_t>(stretch_) : 0; }
  /// Bytes of the blocks that lie in it, were each of them alone.
  int64_t blockBytes() const;

  /// Watches or leads what the calling thread allocates while it lives.
  class Run final : Placement {
   public:
    explicit Run(MemoryPlan& plan);
    ~Run();
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    /// To be called when all has been done and only what outlives the run is left; without it nothing is learnt from the run.
    void finish();

   private:
    void* place(size_t bytes) override;
    void taken(void* block, size_t bytes) override;
    void given(void* block, const Stretch* stretch, size_t piece) override;

    MemoryPlan& plan_;
    const bool follows_;
    size_t now_ = 0;                          // counts takings, and givings of what may lie in the stretch
    std::unordered_map<void*, size_t> live_;  // watching: pieces by their block
    Stretch* stretch_ = nullptr;              // following: where the blocks lie
    size_t next_ = 0;                         // following: the piece that comes next
    bool differs_ = false;
  };

 private:
  static constexpr size_t kOutlives = SIZE_MAX;
  struct Piece {
    size_t bytes, born;
    size_t died = kOutlives;
    size_t offset = 0;
  };

  void layOut();

  std::vector<Piece> pieces_;  // in the order in which a run takes them
  size_t stretch_ = 0;
  bool following_ = false;
  int watched_ = 0, followed_ = 0;  // runs, lately
};

}  // namespace padezoo
