// The memory of JavaScript's typed arrays.
#pragma once
#include <napi.h>

#include <cstddef>

namespace padezoo {

struct Memory {
  void* data;  // may be null where there are no bytes
  size_t bytes;
};

/// Also of an array whose memory threads share, which Napi::TypedArray::ArrayBuffer refuses.
inline Memory memoryOf(const Napi::TypedArray& array) {
  void* data = nullptr;
  napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
  return {data, array.ByteLength()};
}

}  // namespace padezoo
