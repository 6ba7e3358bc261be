// Watching a run, laying out its blocks, and handing them out again.
#include "memory_plan.h"

#include <algorithm>

namespace padezoo {
namespace {

/// A program that never takes the same twice (a library that fills a cache as it goes) is left to the arena after so many.
constexpr int kMostWatched = 4;
/// After so many runs that went by the plan, those that were watched before are forgiven.
constexpr int kProven = 64;

}  // namespace

int64_t MemoryPlan::blockBytes() const {
  int64_t sum = 0;
  if (following_)
    for (const Piece& piece : pieces_)
      if (piece.died != kOutlives) sum += static_cast<int64_t>(piece.bytes);
  return sum;
}

/// The largest first, each at the lowest offset where it meets none that lives at the same time.
void MemoryPlan::layOut() {
  std::vector<size_t> order;
  for (size_t i = 0; i < pieces_.size(); i++)
    if (pieces_[i].died != kOutlives) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return pieces_[a].bytes > pieces_[b].bytes; });
  std::vector<const Piece*> placed;  // by offset
  stretch_ = 0;
  for (const size_t i : order) {
    Piece& piece = pieces_[i];
    size_t offset = 0;
    for (const Piece* other : placed) {
      if (other->died < piece.born || other->born > piece.died) continue;
      if (other->offset >= offset + piece.bytes) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    piece.offset = offset;
    stretch_ = std::max(stretch_, offset + piece.bytes);
    const auto behind = std::upper_bound(placed.begin(), placed.end(), offset,
                                         [](size_t value, const Piece* other) { return value < other->offset; });
    placed.insert(behind, &piece);
  }
}

MemoryPlan::Run::Run(MemoryPlan& plan) : plan_(plan), follows_(plan.following_) {
  if (follows_) {
    if (plan_.stretch_) stretch_ = Stretch::make(plan_.stretch_);
    if (plan_.stretch_ && !stretch_) return;  // not in one piece: the arena may have it in many
  } else if (plan_.watched_ < kMostWatched) {
    plan_.pieces_.clear();
  } else {
    return;
  }
  setPlacement(this);
}

MemoryPlan::Run::~Run() {
  setPlacement(nullptr);
  if (stretch_) stretch_->letGo();
}

void MemoryPlan::Run::finish() {
  setPlacement(nullptr);
  if (follows_) {
    plan_.following_ = !differs_ && (!stretch_ || next_ == plan_.pieces_.size());
    if (++plan_.followed_ == kProven) plan_.watched_ = 0;
  } else if (plan_.watched_ < kMostWatched) {
    plan_.watched_++;
    plan_.followed_ = 0;
    plan_.layOut();
    plan_.following_ = true;
    releaseCachedMemory();  // where the arena put the blocks, the stretch will seldom fit in
  }
}

void* MemoryPlan::Run::place(size_t bytes) {
  if (!follows_ || differs_) return nullptr;
  const size_t next = next_++;
  const Piece* piece = next < plan_.pieces_.size() ? &plan_.pieces_[next] : nullptr;
  differs_ = !piece || piece->bytes != bytes || piece->born != now_++;
  return differs_ || piece->died == kOutlives ? nullptr : stretch_->at(piece->offset, next);
}

void MemoryPlan::Run::taken(void* block, size_t bytes) {
  if (follows_) return;
  live_[block] = plan_.pieces_.size();
  plan_.pieces_.push_back({bytes, now_++});
}

void MemoryPlan::Run::given(void* block, const Stretch* stretch, size_t piece) {
  if (follows_) {
    // The same pieces live at every moment as when it was watched, or it differs: no memory is handed out while it is used.
    if (stretch && stretch == stretch_) differs_ |= plan_.pieces_[piece].died != now_++;
    return;
  }
  const auto found = live_.find(block);
  if (found == live_.end()) return;
  plan_.pieces_[found->second].died = now_++;
  live_.erase(found);
}

}  // namespace padezoo
