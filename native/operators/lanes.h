// Sixteen float32 lanes in vector extensions, loaded from and stored to float32 or bfloat16 memory. Kernel headers that
// are compiled for several instruction sets include this file inside each set's namespace.
// (No include guard and no includes: they would leave the surrounding target options.)

typedef float Vector __attribute__((vector_size(64)));
typedef int32_t Mask __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));
typedef double Doubles __attribute__((vector_size(128)));

#define LANES_INLINE inline __attribute__((always_inline))

LANES_INLINE Vector load(const float* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
LANES_INLINE void store(float* to, Vector v) { __builtin_memcpy(to, &v, sizeof v); }

LANES_INLINE Vector load(const Bfloat16* from) {
  Halves halves;
  __builtin_memcpy(&halves, from, sizeof halves);
  return (Vector)(__builtin_convertvector(halves, Words) << 16);
}
/// To the nearest, ties to even; a NaN stays one.
LANES_INLINE void store(Bfloat16* to, Vector v) {
#ifdef LANES_BFLOAT16
  const auto halves = _mm512_cvtneps_pbh((__m512)v);
#else
  const Words bits = (Words)v;
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Halves halves = __builtin_convertvector(v == v ? rounded : (Words{} + 0x7fc0u), Halves);
#endif
  __builtin_memcpy(to, &halves, sizeof halves);
}

/// Adds to 16 sums in float64.
LANES_INLINE void addWide(double* sums, Vector v) {
  Doubles wide;
  __builtin_memcpy(&wide, sums, sizeof wide);
  wide += __builtin_convertvector(v, Doubles);
  __builtin_memcpy(sums, &wide, sizeof wide);
}

LANES_INLINE Vector broadcast(float v) { return Vector{} + v; }
LANES_INLINE Vector absolute(Vector v) { return (Vector)((Words)v & 0x7fffffffu); }
/// v times -1, 0 or 1, the sign of `s` as autograd has it for |s|.
LANES_INLINE Vector withSign(Vector v, Vector s) {
  const Vector turned = (Vector)((Words)v ^ ((Words)s & 0x80000000u));
  return s == 0.0f ? Vector{} : turned;
}
