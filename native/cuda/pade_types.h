// The element types of the Padé kernels on a GPU: vectors of 16 or 8 bytes (or one element) from memory to float32 and back.
#pragma once
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "pade_element.h"

namespace pade {
namespace cuda {

/// IEEE binary16, as it lies in memory.
struct Float16 {
  uint16_t bits;
};

PADE_INLINE uint32_t bitsOf(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}
PADE_INLINE float floatOf(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

PADE_INLINE float widen(float v) { return v; }
PADE_INLINE float widen(Bfloat16 v) { return floatOf(static_cast<uint32_t>(v.bits) << 16); }
PADE_INLINE float widen(Float16 v) {
#ifdef __CUDA_ARCH__
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(v.bits));
  return wide;
#else
  const uint32_t sign = (v.bits & 0x8000u) << 16, rest = v.bits & 0x7fffu;
  if (rest >= 0x7c00u) return floatOf(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  return floatOf(sign | bitsOf(floatOf(rest << 13) * 0x1p112f));  // the exponents' bases are 112 apart
#endif
}

/// To the nearest, ties to even.
PADE_INLINE void narrow(float& to, float v) { to = v; }
PADE_INLINE void narrow(Bfloat16& to, float v) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(to.bits) : "f"(v));
#else
  const uint32_t bits = bitsOf(v);
  to.bits = v != v ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}
PADE_INLINE void narrow(Float16& to, float v) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(v));
#else
  const uint32_t bits = bitsOf(v), sign = bits >> 16 & 0x8000u;
  const float magnitude = floatOf(bits & 0x7fffffffu);
  if (v != v) to.bits = 0x7fff;
  else if (magnitude >= 65520) to.bits = static_cast<uint16_t>(sign | 0x7c00u);  // half of the last step above 65504
  else if (magnitude < 0x1p-14f) to.bits = static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyint(magnitude * 0x1p24f)));
  else to.bits = static_cast<uint16_t>(sign | ((bits & 0x7fffffffu) - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13);
#endif
}

/// Elements of a 16-byte access.
template <typename T>
constexpr int kWide = 16 / static_cast<int>(sizeof(T));

/// V elements that are written in one access.
template <typename T, int V>
struct alignas(V * sizeof(T)) Pack {
  T of[V];
};

/// V elements that were read in one access, in words of 32 bits: elements of 16 nvcc would take apart and put together again.
template <typename T, int V>
struct Words {
  uint32_t of[V * sizeof(T) / 4];
};
template <typename T>
struct Words<T, 1> {
  T of;
};

template <typename T, int V>
PADE_INLINE float widenAt(const Words<T, V>& words, int e) {
  if constexpr (V == 1) return widen(words.of);
  else if constexpr (sizeof(T) == 4) return floatOf(words.of[e]);
  else {
    const uint32_t word = words.of[e / 2];
    if constexpr (std::is_same<T, Bfloat16>::value) return floatOf(e % 2 ? word & 0xffff0000u : word << 16);
    else return widen(T{static_cast<uint16_t>(word >> 16 * (e % 2))});
  }
}

template <typename T, int V>
PADE_INLINE Words<T, V> loadWords(const T* from) {
  if constexpr (V == 1) return {*from};  // by memcpy nvcc would take two bytes one by one
  Words<T, V> words;
#ifdef __CUDA_ARCH__
  if constexpr (V * sizeof(T) == 16) {
    const uint4 four = *reinterpret_cast<const uint4*>(from);
    return {{four.x, four.y, four.z, four.w}};
  } else if constexpr (V * sizeof(T) == 8) {
    const uint2 two = *reinterpret_cast<const uint2*>(from);
    return {{two.x, two.y}};
  } else if constexpr (V * sizeof(T) == 4) {
    return {{*reinterpret_cast<const uint32_t*>(from)}};
  }
#else
  assert(reinterpret_cast<uintptr_t>(from) % sizeof words == 0);
#endif
  memcpy(&words, from, sizeof words);
  return words;
}

template <typename T, int V>
PADE_INLINE void storePack(T* to, const Pack<T, V>& pack) {
  if constexpr (V == 1) {
    *to = pack.of[0];
    return;
  }
#ifdef __CUDA_ARCH__
  if constexpr (V * sizeof(T) == 16) {
    uint4 words;
    memcpy(&words, &pack, 16);
    *reinterpret_cast<uint4*>(to) = words;
    return;
  }
  if constexpr (V * sizeof(T) == 8) {
    uint2 words;
    memcpy(&words, &pack, 8);
    *reinterpret_cast<uint2*>(to) = words;
    return;
  }
#else
  assert(reinterpret_cast<uintptr_t>(to) % sizeof pack == 0);
#endif
  memcpy(to, &pack, sizeof pack);
}

}  // namespace cuda
}  // namespace pade
