// Tensors that JavaScript holds, by number: no finalizer and no wrapper object for any of them.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace padezoo {

/// What stands behind a number that JavaScript gives where an operator wants a tensor.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual at::Tensor get(double number) const = 0;
  /// Where new tensors are made.
  virtual at::Device device() const = 0;
};

/// Whether nothing else sees the tensor's memory and it is dense: it may be changed in place.
inline bool isExclusive(const at::Tensor& tensor) {
  return tensor.storage().use_count() == 1 && tensor.is_non_overlapping_and_dense();
}

class TensorTable final : public TensorSource {
 public:
  /// A handle is never 0 and is not used again for another tensor.
  double add(at::Tensor tensor) {
    uint32_t index;
    if (free_.empty()) {
      index = static_cast<uint32_t>(slots_.size());
      TORCH_CHECK(index < kSlots, "too many live tensors");
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    slots_[index].tensor = std::move(tensor);
    live_++;
    return static_cast<double>(slots_[index].generation) * kSlots + index;
  }

  at::Tensor get(double handle) const override { return slots_[find(handle)].tensor; }

  void release(double handle) {
    const size_t index = find(handle);
    slots_[index].tensor.reset();
    slots_[index].generation++;
    free_.push_back(static_cast<uint32_t>(index));
    live_--;
  }

  int64_t live() const { return live_; }

  at::Device device() const override { return device_; }

  /// From now on; tensors that are elsewhere come along, each with its own handle.
  void moveTo(at::Device device) {
    std::vector<at::Tensor> moved(slots_.size());  // all of them first, for there may be too little memory
    for (size_t i = 0; i < slots_.size(); i++)
      if (slots_[i].tensor.defined()) moved[i] = slots_[i].tensor.to(device);
    for (size_t i = 0; i < slots_.size(); i++) slots_[i].tensor = moved[i];
    device_ = device;
  }

 private:
  static constexpr uint32_t kSlots = 1u << 24;
  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 1;
  };

  size_t find(double handle) const {
    const auto whole = static_cast<uint64_t>(handle > 0 ? handle : 0);
    const size_t index = whole % kSlots;
    if (index >= slots_.size() || slots_[index].generation != whole / kSlots || !slots_[index].tensor.defined())
      throw std::invalid_argument("tensor " + std::to_string(whole) + " has been disposed");
    return index;
  }

  at::Device device_{at::kCPU};
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  int64_t live_ = 0;
};

}  // namespace padezoo
