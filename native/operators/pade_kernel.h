// The float32 tile kernels, written once in vector extensions. pade_kernels.cpp includes this file once for every
// instruction set, each time inside another namespace, and picks one when the library is loaded.
// (No include guard and no includes: they would leave the surrounding target options.)

typedef float Vector __attribute__((vector_size(64)));
typedef int32_t Mask __attribute__((vector_size(64)));
constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);

#define PADE_INLINE inline __attribute__((always_inline))

PADE_INLINE Vector load(const float* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
PADE_INLINE void store(float* to, Vector v) { __builtin_memcpy(to, &v, sizeof v); }
PADE_INLINE Vector broadcast(float v) { return Vector{} + v; }
PADE_INLINE Vector absolute(Vector v) { return (Vector)((Mask)v & 0x7fffffff); }
/// -1, 0 or 1, as autograd has it for |v|.
PADE_INLINE Vector sign(Vector v) {
  const Vector one = broadcast(1), zero = broadcast(0);
  return (v > zero) ? one : ((v < zero) ? -one : zero);
}
PADE_INLINE double total(Vector v) {
  double sum = 0;
  for (int64_t i = 0; i < kLanes; i++) sum += v[i];
  return sum;
}
PADE_INLINE bool any(Mask mask) {
  int32_t found = 0;
  for (int64_t i = 0; i < kLanes; i++) found |= mask[i];
  return found != 0;
}

/// P, Q and what their derivatives share, for one vector of elements. M and N are -1 when only known at run time.
template <Form F, int M, int N, bool Derivatives>
struct Evaluation {
  Vector p, reciprocal, y;          // P, 1/Q, P/Q
  Vector dp, ds, s;                 // P', dS/dx, S (S: the denominator's sum)
  Vector inner;                     // what the denominator is a polynomial of: x, or |x|

  PADE_INLINE Evaluation(Vector x, const Coefficients<float>& c) {
    const int m = M < 0 ? c.m : M, n = N < 0 ? c.n : N;
    inner = F == Form::SumOfAbsolutes ? absolute(x) : x;
    p = broadcast(c.a[m]);
    dp = broadcast(0);
#pragma GCC unroll 10
    for (int i = m - 1; i >= 0; i--) {
      if (Derivatives) dp = dp * x + p;
      p = p * x + c.a[i];
    }
    s = broadcast(0);
    ds = broadcast(0);
#pragma GCC unroll 10
    for (int k = n - 1; k >= 0; k--) {
      if (Derivatives) ds = ds * inner + s;
      s = s * inner + c.b[k];
    }
    if (Derivatives) ds = ds * inner + s;  // (S = inner * Horner(b)), by the product rule
    s = s * inner;
    const Vector q = F == Form::Unsafe ? s + 1.0f : (F == Form::AbsoluteSum ? absolute(s) : s) + c.q;
    reciprocal = 1.0f / q;
    y = p * reciprocal;
  }
};

/// The lanes that the fast path must leave to element(): too large for float32 powers, or NaN.
PADE_INLINE Mask outside(Vector x, const Coefficients<float>& c) { return ~(absolute(x) <= c.limit); }

template <Form F, int M, int N>
void forwardTile(const float* x, float* y, int64_t count, const Coefficients<float>& c) {
  Mask rare = {};
  const auto step = [&](const float* from, float* to) __attribute__((always_inline)) {
    const Vector v = load(from);
    rare |= outside(v, c);
    store(to, Evaluation<F, M, N, false>(v, c).y);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) step(x + i, y + i);
  if (i < count) {
    float from[kLanes] = {}, to[kLanes];
    __builtin_memcpy(from, x + i, (count - i) * sizeof(float));
    step(from, to);
    __builtin_memcpy(y + i, to, (count - i) * sizeof(float));
  }
  if (any(rare)) forwardRare(x, y, count, c);
}

template <Form F, int M, int N>
void backwardTile(const float* g, const float* x, float* dx, int64_t count, const Coefficients<float>& c, Sums& sums) {
  const int m = M < 0 ? c.m : M, n = N < 0 ? c.n : N;
  Vector da[kMaxDegree + 1] = {}, db[kMaxDegree] = {};
  Mask rare = {};
  const auto step = [&](const float* gradient, const float* from, float* to) __attribute__((always_inline)) {
    const Vector raw = load(from);
    const Mask skip = outside(raw, c);
    rare |= skip;
    const Vector v = skip ? broadcast(0) : raw;
    const Vector upstream = skip ? broadcast(0) : load(gradient);
    const Evaluation<F, M, N, true> e(v, c);
    const Vector side = F == Form::AbsoluteSum ? sign(e.s) : F == Form::SumOfAbsolutes ? sign(v) : broadcast(1);
    // (P' - y·Q') / Q, never P/Q²: Q² overflows long before P/Q does.
    store(to, upstream * e.reciprocal * (e.dp - e.y * (side * e.ds)));
    Vector t = upstream * e.reciprocal;
    Vector u = F == Form::AbsoluteSum ? t * e.y * side : t * e.y;
#pragma GCC unroll 11
    for (int k = 0; k <= m; k++) {
      da[k] += t;
      t *= v;
    }
#pragma GCC unroll 10
    for (int k = 0; k < n; k++) {
      u *= e.inner;
      db[k] -= u;
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) step(g + i, x + i, dx + i);
  if (i < count) {
    float gradient[kLanes] = {}, from[kLanes] = {}, to[kLanes];
    __builtin_memcpy(gradient, g + i, (count - i) * sizeof(float));
    __builtin_memcpy(from, x + i, (count - i) * sizeof(float));
    step(gradient, from, to);
    __builtin_memcpy(dx + i, to, (count - i) * sizeof(float));
  }
  for (int k = 0; k <= m; k++) sums.a[k] += total(da[k]);
  for (int k = 0; k < n; k++) sums.b[k] += total(db[k]);
  if (any(rare)) backwardRare(g, x, dx, count, c, sums);
}

/// The paper's order and the other common ones are unrolled; the rest run with loops over the degree.
template <Form F>
TileKernels pickOrder(int m, int n) {
  if (m == 5 && n == 4) return {forwardTile<F, 5, 4>, backwardTile<F, 5, 4>};
  if (m == 4 && n == 4) return {forwardTile<F, 4, 4>, backwardTile<F, 4, 4>};
  if (m == 3 && n == 2) return {forwardTile<F, 3, 2>, backwardTile<F, 3, 2>};
  if (m == 7 && n == 6) return {forwardTile<F, 7, 6>, backwardTile<F, 7, 6>};
  return {forwardTile<F, -1, -1>, backwardTile<F, -1, -1>};
}

inline TileKernels pick(Form form, int m, int n) {
  if (form == Form::AbsoluteSum) return pickOrder<Form::AbsoluteSum>(m, n);
  if (form == Form::SumOfAbsolutes) return pickOrder<Form::SumOfAbsolutes>(m, n);
  return pickOrder<Form::Unsafe>(m, n);
}

#undef PADE_INLINE
