// The numbers that JavaScript knows dtypes by; TORCH_DTYPES in src/engines/torch/addon.ts is the same list.
#pragma once
#include <ATen/ATen.h>

namespace padezoo {

inline int dtypeCode(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return 0;
    case at::kInt: return 1;
    case at::kBool: return 2;
    case at::kLong: return 3;
    case at::kDouble: return 4;
    case at::kBFloat16: return 5;
    case at::kComplexFloat: return 6;
    case at::kByte: return 7;
    default: TORCH_CHECK(false, "dtype ", type, " has no JavaScript counterpart");
  }
}

inline at::ScalarType dtypeOf(int code) {
  static constexpr at::ScalarType kTypes[] = {at::kFloat,  at::kInt,      at::kBool,         at::kLong,
                                              at::kDouble, at::kBFloat16, at::kComplexFloat, at::kByte};
  TORCH_CHECK(code >= 0 && code < 8, "unknown dtype code ", code);
  return kTypes[code];
}

}  // namespace padezoo
