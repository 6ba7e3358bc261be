// What the Padé operators share: reading a call's arguments, cutting tensors into tiles, and summing coefficients' gradients.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "pade.h"
#include "pade_noise.h"
#include "pade_reference.h"

namespace pade {

using at::Tensor;
using OptionalTensor = c10::optional<Tensor>;

inline Form parseForm(c10::string_view form) {
  if (form == "absolute-sum") return Form::AbsoluteSum;
  if (form == "absolute-polynomial") return Form::AbsolutePolynomial;
  if (form == "sum-of-absolutes") return Form::SumOfAbsolutes;
  if (form == "unsafe") return Form::Unsafe;
  TORCH_CHECK(false, "form must be absolute-sum, absolute-polynomial, sum-of-absolutes or unsafe, got ", form);
}

/// Everything about a call that is not x.
struct Call {
  Shape shape;
  std::vector<Coefficients> groups;
  Noise noise;
  bool noisy = false;
  int firstB = 1;  // degree of the denominator's first coefficient
};

inline Call readCall(const Tensor& numerator, const Tensor& denominator, c10::string_view form, double q,
              const OptionalTensor& key, double noise) {
  Call call;
  call.shape.form = parseForm(form);
  call.firstB = call.shape.form == Form::AbsolutePolynomial ? 0 : 1;
  TORCH_CHECK((numerator.dim() == 1 || numerator.dim() == 2) && numerator.size(-1) >= 1 && numerator.size(-1) <= kMaxDegree + 1,
              "numerator must be [m + 1] or [groups, m + 1] with m from 0 to ", kMaxDegree, ", got ", numerator.sizes());
  TORCH_CHECK(denominator.dim() == numerator.dim() && denominator.size(-1) >= 1 - call.firstB &&
                  denominator.size(-1) <= kMaxDegree + 1 - call.firstB,
              "denominator must have n coefficients, n from 0 to ", kMaxDegree, ", for each set, got ", denominator.sizes());
  TORCH_CHECK(numerator.dim() == 1 || (numerator.size(0) == denominator.size(0) && numerator.size(0) > 0),
              "numerator and denominator must have as many groups, got ", numerator.sizes(), " and ", denominator.sizes());
  TORCH_CHECK(q > 0 && q <= 1, "q must be in (0, 1], got ", q);
  TORCH_CHECK(noise >= 0 && noise <= 1, "noise must be in [0, 1], got ", noise);
  Shape& shape = call.shape;
  shape.m = static_cast<int>(numerator.size(-1)) - 1;
  shape.n = static_cast<int>(denominator.size(-1)) - 1 + call.firstB;
  shape.q = q;
  const int degree = std::max({shape.m, shape.n, 1});
  shape.limit = static_cast<float>(std::ldexp(1.0, 100 / degree));  // x^degree stays below 2^100, far from float32's 2^128
  const auto a = numerator.to(at::kDouble).contiguous(), b = denominator.to(at::kDouble).contiguous();
  const double *nextA = a.data_ptr<double>(), *nextB = b.data_ptr<double>();
  call.groups.resize(numerator.dim() == 1 ? 1 : numerator.size(0));
  for (Coefficients& set : call.groups) {
    for (int i = 0; i <= shape.m; i++) set.a[i] = *nextA++;
    for (int k = call.firstB; k <= shape.n; k++) {
      set.b[k] = *nextB++;
      if (shape.form == Form::SumOfAbsolutes) set.b[k] = std::fabs(set.b[k]);
    }
  }
  if (noise > 0) {
    TORCH_CHECK(key && key->dim() == 1 && key->numel() == 2 &&
                    (key->scalar_type() == at::kInt || key->scalar_type() == at::kLong),
                "noise needs a key, int32 or int64 [2]");
    const auto words = key->to(at::kLong);
    call.noise = noiseOf(noise, static_cast<uint32_t>(words[0].item<int64_t>()), static_cast<uint32_t>(words[1].item<int64_t>()));
    call.noisy = true;
  }
  return call;
}

/// How a tensor is cut: by elements only, so that sums do not depend on the number of threads.
struct Cut {
  int64_t period;   // elements after which the channels' groups repeat at the same lanes
  int64_t rows;     // periods of a tile: the terms of a lane's float32 sum
  int64_t tiles;
  int64_t blocks;   // consecutive tiles whose float64 sums are added up in order
  std::vector<int32_t> groupAt;  // the group of each element of a period

  Cut(const Tensor& x, int64_t groups) {
    const int64_t channels = groups == 1 ? 1 : x.size(-1);
    period = std::lcm(channels, static_cast<int64_t>(kLanes));
    rows = std::min(kRun, std::max<int64_t>(kRun / 8, kRun * kLanes / period));
    tiles = (x.numel() + period * rows - 1) / (period * rows);
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(256, (1 << 16) / groups));
    const int64_t wanted = (x.numel() + kBlockElements - 1) / kBlockElements;
    blocks = std::max<int64_t>(1, std::min({most, wanted, tiles}));
    groupAt.resize(period);
    for (int64_t e = 0; e < period; e++) groupAt[e] = static_cast<int32_t>(e % channels * groups / channels);
  }
  int64_t firstTile(int64_t block) const { return block * tiles / blocks; }

  static constexpr int64_t kBlockElements = 32768;
};

/// x itself where its memory can be walked through in order; else a copy. Groups and noise need the row-major order.
inline Tensor walkable(const Tensor& x, const Call& call) {
  if (call.groups.size() > 1 || call.noisy) return x.contiguous();
  return x.is_non_overlapping_and_dense() ? x : x.contiguous();
}

inline void checkInput(const Tensor& x, const Call& call) {
  TORCH_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble || x.scalar_type() == at::kBFloat16,
              "x must be float32, bfloat16 or float64, got ", x.scalar_type());
  const int64_t groups = call.groups.size();
  TORCH_CHECK(groups == 1 || (x.dim() > 0 && groups <= x.size(-1)),
              "there must be no more groups than channels (x's last axis), got ", groups, " for ", x.sizes());
  TORCH_CHECK(!call.noisy || x.numel() <= int64_t{1} << 32, "noise is for tensors of up to 2^32 elements, got ", x.numel());
}

inline std::vector<Pattern> patternsOf(const Call& call, const Cut& cut) {
  std::vector<Pattern> patterns(cut.period / kLanes);
  for (int64_t e = 0; e < cut.period; e++) {
    const Coefficients& set = call.groups[cut.groupAt[e]];
    Pattern& pattern = patterns[e / kLanes];
    for (int i = 0; i <= kMaxDegree; i++) {
      pattern.a[i][e % kLanes] = static_cast<float>(set.a[i]);
      pattern.b[i][e % kLanes] = static_cast<float>(set.b[i]);
    }
  }
  return patterns;
}

inline float widen(float v) { return v; }
inline float widen(Bfloat16 v) {
  const uint32_t bits = static_cast<uint32_t>(v.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}
inline void narrow(float& to, double v) { to = static_cast<float>(v); }
inline void narrow(Bfloat16& to, double v) { to.bits = c10::BFloat16(static_cast<float>(v)).x; }

/// Calls `body(run, phase)` for every run of a tile; elements of a last, partial vector are in a vector of their own.
template <typename T, typename Body>
void forRuns(const T* gradient, const T* x, T* out, int64_t begin, int64_t count, int64_t period, const Body& body) {
  const int64_t whole = count / kLanes, phases = period / kLanes;
  for (int64_t phase = 0; phase < phases && phase < whole; phase++) {
    const int64_t at = begin + phase * kLanes;
    body(Run<T>{gradient ? gradient + at : nullptr, x + at, out + at, (whole - phase + phases - 1) / phases, period,
                static_cast<uint32_t>(at)},
         phase);
  }
  const int64_t rest = count % kLanes, at = begin + whole * kLanes;
  if (rest == 0) return;
  T lanes[3][kLanes] = {};
  if (gradient) std::memcpy(lanes[0], gradient + at, rest * sizeof(T));
  std::memcpy(lanes[1], x + at, rest * sizeof(T));
  body(Run<T>{lanes[0], lanes[1], lanes[2], 1, kLanes, static_cast<uint32_t>(at)}, whole % phases);
  std::memcpy(out + at, lanes[2], rest * sizeof(T));
}

/// Calls `body(begin, count)` for the tiles of a block, in order.
template <typename Body>
void forTiles(int64_t block, int64_t elements, const Cut& cut, const Body& body) {
  for (int64_t tile = cut.firstTile(block); tile < cut.firstTile(block + 1); tile++) {
    const int64_t begin = tile * cut.period * cut.rows;
    body(begin, std::min(cut.period * cut.rows, elements - begin));
  }
}

template <typename Body>
void forBlocks(int64_t elements, const Cut& cut, const Body& body) {
  at::parallel_for(0, cut.blocks, 1, [&](int64_t from, int64_t to) {
    for (int64_t block = from; block < to; block++)
      forTiles(block, elements, cut, [&](int64_t begin, int64_t count) { body(block, begin, count); });
  });
}

/// One element in float64, noise included; `sums` only for backward.
template <typename Write>
void computeOne(double gradient, double x, uint32_t index, const Coefficients& set, const Call& call, Coefficients* sums,
                const Write& write) {
  Coefficients factors;
  const Element e =
      call.noisy ? element(x, noisy(set, call.shape, call.noise, index, &factors), call.shape) : element(x, set, call.shape);
  write(sums ? gradient * e.slope : e.y);
  if (sums) addGradients(gradient, x, e, call.shape, call.noisy ? &factors : nullptr, *sums);
}

/// What the fast kernels leave to float64: elements above the limit, and NaN.
template <typename T>
void computeRare(const Run<T>& run, int64_t phase, const Call& call, const Cut& cut, Coefficients* sums) {
  for (int64_t v = 0; v < run.vectors; v++)
    for (int64_t lane = 0; lane < kLanes; lane++) {
      const int64_t at = v * run.stride + lane;
      const float x = widen(run.x[at]);
      if (std::fabs(x) <= call.shape.limit) continue;
      const int64_t group = cut.groupAt[phase * kLanes + lane];
      computeOne(sums ? widen(run.gradient[at]) : 0, x, run.first + static_cast<uint32_t>(at), call.groups[group], call,
                 sums ? &sums[group] : nullptr, [&](double value) { narrow(run.out[at], value); });
    }
}

/// The gradients of a run: by x, and by the coefficients as additions to `lanes` and, of rare elements, to `sums`.
template <typename T>
void backwardRun(const RunKernels<T>& kernels, const Run<T>& run, int64_t phase, const Pattern& pattern, const Call& call,
                 const Cut& cut, LaneSums& lanes, Coefficients* sums) {
  if (!kernels.backward(run, call.shape, pattern, call.noise, lanes)) return;
  kernels.carefulBackward(run, call.shape, pattern, call.noise, lanes);
  computeRare(run, phase, call, cut, sums);
}

inline void add(const LaneSums& lanes, int64_t phase, const Call& call, const Cut& cut, Coefficients* sums) {
  for (int64_t lane = 0; lane < kLanes; lane++) {
    Coefficients& group = sums[cut.groupAt[phase * kLanes + lane]];
    for (int i = 0; i <= call.shape.m; i++) group.a[i] += lanes.a[i][lane];
    for (int k = call.firstB; k <= call.shape.n; k++) group.b[k] += lanes.b[k][lane];
  }
}

/// Adds the blocks' sums from first to last and stores them with the coefficients' type.
inline std::tuple<Tensor, Tensor> coefficientGradients(const std::vector<Coefficients>& blocks, const Call& call,
                                                const Tensor& numerator, const Tensor& denominator) {
  const size_t groups = call.groups.size();
  std::vector<Coefficients> total(groups);
  for (size_t i = 0; i < blocks.size(); i++)
    for (int k = 0; k <= kMaxDegree; k++) {
      total[i % groups].a[k] += blocks[i].a[k];
      total[i % groups].b[k] += blocks[i].b[k];
    }
  Tensor da = at::empty(numerator.sizes(), at::kDouble), db = at::empty(denominator.sizes(), at::kDouble);
  double *nextA = da.data_ptr<double>(), *nextB = db.data_ptr<double>();
  for (const Coefficients& sums : total) {
    for (int i = 0; i <= call.shape.m; i++) *nextA++ = sums.a[i];
    for (int k = call.firstB; k <= call.shape.n; k++) *nextB++ = sums.b[k];
  }
  if (call.shape.form == Form::SumOfAbsolutes) db.mul_(denominator.to(at::kDouble).sign());  // d|b|/db, 0 at 0
  return {da.to(numerator.scalar_type()), db.to(denominator.scalar_type())};
}

}  // namespace pade
