// padezoo::batch_norm over the last axis in training, alone, with the Padé activation after it, or with that after the sum with a
// residual block's other branch r; and their gradients.
//
//   z = (x - mean) / sqrt(variance + epsilon) * gamma + beta   (Ioffe & Szegedy 2015, Algorithm 1)
//   y = z, P(z)/Q(z), or P(z + r)/Q(z + r), whose gradient may come as two terms
//
// Tensors are walked in tiles that stay in the cache, so that z is never written to memory: the pair reads x twice and
// writes y once, its gradient reads x and dy once, then x and dz. Every number is the same as in one operator after the
// other. x, r, y: float32 or bfloat16 [..., c] (computed in float32); everything per channel is float32 [c].
#include <torch/library.h>

#include "channels.h"
#include "versions.h"

namespace padezoo {
namespace {

// --- loops over a tile; per-channel numbers are repeated to its length ---

PADEZOO_VERSIONS void addMoments(const float* __restrict x, const float* __restrict shift, float* __restrict sums,
                                 float* __restrict squares, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const float d = x[i] - shift[i];
    sums[i] += d;
    squares[i] += d * d;
  }
}

PADEZOO_VERSIONS void normalise(const float* __restrict x, const float* __restrict mean, const float* __restrict scale,
                                const float* __restrict beta, float* __restrict z, int64_t count) {
  for (int64_t i = 0; i < count; i++) z[i] = (x[i] - mean[i]) * scale[i] + beta[i];
}

PADEZOO_VERSIONS void addGradients(const float* __restrict dz, const float* __restrict x, const float* __restrict mean,
                                   float* __restrict sums, float* __restrict products, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    sums[i] += dz[i];
    products[i] += dz[i] * (x[i] - mean[i]);
  }
}

/// dx = a * dz - b * (x - mean) - k; dx may be dz.
PADEZOO_VERSIONS void combine(const float* dz, const float* __restrict x, const float* __restrict mean,
                              const float* __restrict a, const float* __restrict b, const float* __restrict k, float* dx,
                              int64_t count) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; i++) dx[i] = a[i] * dz[i] - b[i] * (x[i] - mean[i]) - k[i];
}

PADEZOO_VERSIONS void addTo(const float* __restrict r, float* __restrict z, int64_t count) {
  for (int64_t i = 0; i < count; i++) z[i] += r[i];
}

/// Asks for the next tile while this one is calculated, when the memory would otherwise wait.
template <typename T>
void fetchNext(const T* tile) {
  for (int64_t i = 0; i < kTile; i += 64 / sizeof(T)) __builtin_prefetch(tile + kTile + i, 0, 2);
}

// --- the activation behind the normalisation ---

/// P/Q with one set of coefficients and no noise, tile by tile, as pade::forward and pade::backward calculate it.
template <typename T>
class PadeTiles {
 public:
  PadeTiles(pade::Call call, const pade::Cut& cut)
      : call_(std::move(call)), cut_(cut), patterns_(pade::patternsOf(call_, cut)),
        kernels_(pade::runKernels<T>(call_.shape, false)) {}

  void forward(const T* z, T* y, int64_t count) const {
    pade::forRuns<T>(nullptr, z, y, 0, count, cut_.period, [&](const pade::Run<T>& run, int64_t phase) {
      if (kernels_.forward(run, call_.shape, patterns_[phase], call_.noise)) pade::computeRare(run, phase, call_, cut_, nullptr);
    });
  }
  void backward(const T* gradient, const T* z, T* dz, int64_t count, pade::Coefficients& sums) const {
    pade::LaneSums lanes; // one set of coefficients is one phase
    pade::forRuns<T>(gradient, z, dz, 0, count, cut_.period, [&](const pade::Run<T>& run, int64_t phase) {
      pade::backwardRun(kernels_, run, phase, patterns_[phase], call_, cut_, lanes, &sums);
    });
    pade::add(lanes, 0, call_, cut_, &sums);
  }
  const pade::Call& call() const { return call_; }

 private:
  pade::Call call_;
  const pade::Cut& cut_;
  std::vector<pade::Pattern> patterns_;
  pade::RunKernels<T> kernels_;
};

struct PadeStep {
  const at::Tensor &numerator, &denominator;
  c10::string_view form;
  double q;
  at::Tensor residual;        // undefined where nothing is added before it
  at::Tensor other;           // undefined, or what is added to the gradient by the result

  template <typename T>
  PadeTiles<T> tiles(const pade::Cut& cut) const {
    TORCH_CHECK(numerator.dim() == 1, "one set of coefficients is taken here, got numerator ", numerator.sizes());
    return {pade::readCall(numerator, denominator, form, q, {}, 0), cut};
  }
};

/// A tile of what is activated, each step rounded as in memory.
template <typename T>
void activatedTile(const float* x, const PerChannel& mean, const PerChannel& scale, const PerChannel& beta, const T* residual,
                   int64_t begin, int64_t count, T* z) {
  float buffer[kTile], wide[kTile];
  float* result = target(z, buffer);
  normalise(x, mean.from(begin), scale.from(begin), beta.from(begin), result, count);
  put(result, z, count);
  if (!residual) return;
  floats(z, result, count);  // as it was rounded
  addTo(floats(residual + begin, wide, count), result, count);
  put(result, z, count);
}

/// A tile of the gradient by the result, the sum of two where there is another.
template <typename T>
const T* upstreamTile(const T* upstream, const T* other, int64_t begin, int64_t count, T* sum) {
  if (!other) return upstream + begin;
  float buffer[kTile], wide[kTile];
  float* result = target(sum, buffer);
  std::copy_n(floats(upstream + begin, wide, count), count, result);
  addTo(floats(other + begin, wide, count), result, count);
  put(result, sum, count);
  return sum;
}

// --- the operators ---

void checkChannels(const at::Tensor& x, std::initializer_list<const at::Tensor*> vectors) {
  for (const at::Tensor* vector : vectors)
    TORCH_CHECK(vector->dim() == 1 && vector->size(0) == x.size(-1) && vector->scalar_type() == at::kFloat && vector->is_contiguous(),
                "numbers per channel must be float32 [", x.size(-1), "], got ", vector->scalar_type(), " ", vector->sizes());
}

void checkAdded(const at::Tensor& x, const PadeStep& activation) {
  for (const at::Tensor* each : {&activation.residual, &activation.other})
    TORCH_CHECK(!each->defined() || (each->sizes() == x.sizes() && each->scalar_type() == x.scalar_type()),
                "what is added must look like x, got ", each->scalar_type(), " ", each->sizes(), " for ", x.scalar_type(), " ",
                x.sizes());
}

using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

template <typename T>
Triple forward(const at::Tensor& input, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& runningMean,
               const at::Tensor& runningVariance, double momentum, double epsilon, const PadeStep* activation) {
  const at::Tensor x = input.contiguous();
  const int64_t channels = x.size(-1), elements = x.numel(), values = elements / channels;
  const pade::Cut cut(x, 1);
  const T* from = static_cast<const T*>(x.data_ptr());

  // Around the middle one of three values of each channel, so that neither a mean far from 0 nor an outlier costs digits.
  const PerChannel shift(channels, [&](int64_t c) {
    const auto valueAt = [&](int64_t elevenths) { return pade::widen(from[values * elevenths / 11 * channels + c]); };
    const float a = valueAt(3), b = valueAt(6);
    return std::fmax(std::fmin(a, b), std::fmin(std::fmax(a, b), valueAt(9)));
  });
  ChannelSums moments(channels, cut);
  moments.over(elements, [&](ChannelSums::Scratch& scratch, int64_t begin, int64_t count, int64_t) {
    float buffer[kTile];
    const int64_t at = begin % channels;
    addMoments(floats(from + begin, buffer, count), shift.from(begin), &scratch.first[at], &scratch.second[at], count);
  });

  at::Tensor mean = at::empty({channels}, at::kFloat), inverse = at::empty({channels}, at::kFloat);
  float *means = mean.data_ptr<float>(), *inverses = inverse.data_ptr<float>();
  float *runningMeans = runningMean.data_ptr<float>(), *runningVariances = runningVariance.data_ptr<float>();
  for (int64_t c = 0; c < channels; c++) {
    const double offset = moments.first(c) / values;
    const double around = moments.second(c) / values - offset * offset, average = *(shift.from(c)) + offset;
    const double variance = around < 0 ? 0 : around;  // rounding makes it negative; a NaN stays one
    means[c] = static_cast<float>(average);
    inverses[c] = static_cast<float>(1 / std::sqrt(variance + epsilon));
    runningMeans[c] = static_cast<float>((1 - momentum) * runningMeans[c] + momentum * average);
    runningVariances[c] = static_cast<float>((1 - momentum) * runningVariances[c] + momentum * variance * values / (values - 1));
  }

  at::Tensor y = at::empty_like(x);
  T* to = static_cast<T*>(y.data_ptr());
  const float *gammas = gamma.data_ptr<float>(), *betas = beta.data_ptr<float>();
  const PerChannel centre(channels, [&](int64_t c) { return means[c]; });
  const PerChannel scale(channels, [&](int64_t c) { return gammas[c] * inverses[c]; });
  const PerChannel offset(channels, [&](int64_t c) { return betas[c]; });
  const at::Tensor residual = activation && activation->residual.defined() ? activation->residual.contiguous() : at::Tensor();
  const T* added = residual.defined() ? static_cast<const T*>(residual.data_ptr()) : nullptr;
  const auto normaliseTile = [&](int64_t begin, int64_t count, T* z) {
    float wide[kTile];
    activatedTile(floats(from + begin, wide, count), centre, scale, offset, added, begin, count, z);
  };
  if (activation) {
    const auto tiles = activation->tiles<T>(cut);
    pade::forBlocks(elements, cut, [&](int64_t, int64_t begin, int64_t count) {
      alignas(64) T z[kTile];
      normaliseTile(begin, count, z);
      fetchNext(from + begin);
      if (added) fetchNext(added + begin);
      tiles.forward(z, to + begin, count);
    });
  } else {
    pade::forBlocks(elements, cut, [&](int64_t, int64_t begin, int64_t count) { normaliseTile(begin, count, to + begin); });
  }
  return {y, mean, inverse};
}

struct Gradients {
  at::Tensor dx, dgamma, dbeta, numerator, denominator, residual;
};

template <typename T>
Gradients backward(const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& gamma, const at::Tensor* beta,
                   const at::Tensor& mean, const at::Tensor& inverse, const PadeStep* activation) {
  const at::Tensor x = input.contiguous(), dy = gradient.contiguous();
  const int64_t channels = x.size(-1), elements = x.numel(), values = elements / channels;
  const pade::Cut cut(x, 1);
  at::Tensor dx = at::empty_like(x);
  const T *from = static_cast<const T*>(x.data_ptr()), *upstream = static_cast<const T*>(dy.data_ptr());
  T* to = static_cast<T*>(dx.data_ptr());
  const float *means = mean.data_ptr<float>(), *inverses = inverse.data_ptr<float>(), *gammas = gamma.data_ptr<float>();
  const PerChannel centre(channels, [&](int64_t c) { return means[c]; });

  ChannelSums sums(channels, cut);
  Gradients result;
  const T* dz = upstream;
  if (activation) {
    const bool adds = activation->residual.defined();
    const at::Tensor residual = adds ? activation->residual.contiguous() : at::Tensor();
    const T* added = adds ? static_cast<const T*>(residual.data_ptr()) : nullptr;
    const at::Tensor more = activation->other.defined() ? activation->other.contiguous() : at::Tensor();
    const T* other = more.defined() ? static_cast<const T*>(more.data_ptr()) : nullptr;
    // The gradient by z is the residual's too; else it waits where the gradient by x will be.
    result.residual = adds ? at::empty_like(x) : dx;
    T* between = static_cast<T*>(result.residual.data_ptr());
    const auto tiles = activation->tiles<T>(cut);
    const float* betas = beta->data_ptr<float>();
    const PerChannel scale(channels, [&](int64_t c) { return gammas[c] * inverses[c]; });
    const PerChannel offset(channels, [&](int64_t c) { return betas[c]; });
    std::vector<pade::Coefficients> coefficients(cut.blocks);
    sums.over(elements, [&](ChannelSums::Scratch& scratch, int64_t begin, int64_t count, int64_t block) {
      alignas(64) T z[kTile], sum[kTile];
      float wide[kTile], buffer[kTile];
      const float* xs = floats(from + begin, wide, count);
      activatedTile(xs, centre, scale, offset, added, begin, count, z);
      fetchNext(from + begin);
      fetchNext(upstream + begin);
      if (added) fetchNext(added + begin);
      if (other) fetchNext(other + begin);
      tiles.backward(upstreamTile(upstream, other, begin, count, sum), z, between + begin, count, coefficients[block]);
      const int64_t at = begin % channels;
      addGradients(floats(between + begin, buffer, count), xs, centre.from(begin), &scratch.first[at], &scratch.second[at], count);
    });
    std::tie(result.numerator, result.denominator) =
        pade::coefficientGradients(coefficients, tiles.call(), activation->numerator, activation->denominator);
    dz = between;
  } else {
    sums.over(elements, [&](ChannelSums::Scratch& scratch, int64_t begin, int64_t count, int64_t) {
      float wide[kTile], buffer[kTile];
      const int64_t at = begin % channels;
      addGradients(floats(upstream + begin, buffer, count), floats(from + begin, wide, count), centre.from(begin),
                   &scratch.first[at], &scratch.second[at], count);
    });
  }

  result.dgamma = at::empty({channels}, at::kFloat);
  result.dbeta = at::empty({channels}, at::kFloat);
  float *dgammas = result.dgamma.template data_ptr<float>(), *dbetas = result.dbeta.template data_ptr<float>();
  for (int64_t c = 0; c < channels; c++) {
    dbetas[c] = static_cast<float>(sums.first(c));
    dgammas[c] = static_cast<float>(sums.second(c) * inverses[c]);
  }
  const PerChannel a(channels, [&](int64_t c) { return gammas[c] * inverses[c]; });
  const PerChannel b(channels, [&](int64_t c) {
    return static_cast<double>(gammas[c]) * inverses[c] * inverses[c] * dgammas[c] / values;
  });
  const PerChannel k(channels, [&](int64_t c) { return static_cast<double>(gammas[c]) * inverses[c] * dbetas[c] / values; });
  pade::forBlocks(elements, cut, [&](int64_t, int64_t begin, int64_t count) {
    float wide[kTile], buffer[kTile], out[kTile];
    float* written = target(to + begin, out);
    combine(floats(dz + begin, buffer, count), floats(from + begin, wide, count), centre.from(begin), a.from(begin),
            b.from(begin), k.from(begin), written, count);
    put(written, to + begin, count);
  });
  result.dx = dx;
  return result;
}

Triple anyForward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& runningMean,
                  const at::Tensor& runningVariance, double momentum, double epsilon, const PadeStep* activation) {
  checkInput(x);
  checkChannels(x, {&gamma, &beta, &runningMean, &runningVariance});
  TORCH_CHECK(x.numel() / std::max<int64_t>(1, x.size(-1)) > 1, "training needs more than one value per channel, got ", x.sizes());
  if (activation) checkAdded(x, *activation);
  const auto run = x.scalar_type() == at::kFloat ? &forward<float> : &forward<Bfloat16>;
  return run(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, activation);
}

Gradients anyBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gamma, const at::Tensor* beta,
                      const at::Tensor& mean, const at::Tensor& inverse, const PadeStep* activation) {
  checkInput(x);
  checkChannels(x, {&gamma, &mean, &inverse});
  if (beta) checkChannels(x, {beta});
  TORCH_CHECK(dy.sizes() == x.sizes() && dy.scalar_type() == x.scalar_type(), "the gradient must look like x, got ",
              dy.scalar_type(), " ", dy.sizes(), " for ", x.scalar_type(), " ", x.sizes());
  if (activation) checkAdded(x, *activation);
  const auto run = x.scalar_type() == at::kFloat ? &backward<float> : &backward<Bfloat16>;
  return run(dy, x, gamma, beta, mean, inverse, activation);
}

Triple batchNorm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& runningMean,
                 const at::Tensor& runningVariance, double momentum, double epsilon) {
  return anyForward(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, nullptr);
}

Triple batchNormPade(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& runningMean,
                     const at::Tensor& runningVariance, double momentum, double epsilon, const at::Tensor& numerator,
                     const at::Tensor& denominator, c10::string_view form, double q) {
  const PadeStep activation{numerator, denominator, form, q, {}, {}};
  return anyForward(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, &activation);
}

Triple batchNormAddPade(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& runningMean,
                        const at::Tensor& runningVariance, double momentum, double epsilon, const at::Tensor& residual,
                        const at::Tensor& numerator, const at::Tensor& denominator, c10::string_view form, double q) {
  const PadeStep activation{numerator, denominator, form, q, residual, {}};
  return anyForward(x, gamma, beta, runningMean, runningVariance, momentum, epsilon, &activation);
}

Triple batchNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& mean,
                         const at::Tensor& inverse) {
  const Gradients result = anyBackward(dy, x, gamma, nullptr, mean, inverse, nullptr);
  return {result.dx, result.dgamma, result.dbeta};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> batchNormPadeBackward(
    const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& mean,
    const at::Tensor& inverse, const at::Tensor& numerator, const at::Tensor& denominator, c10::string_view form, double q) {
  const PadeStep activation{numerator, denominator, form, q, {}, {}};
  const Gradients result = anyBackward(dy, x, gamma, &beta, mean, inverse, &activation);
  return {result.dx, result.dgamma, result.dbeta, result.numerator, result.denominator};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> batchNormAddPadeBackward(
    const at::Tensor& dy, const c10::optional<at::Tensor>& other, const at::Tensor& x, const at::Tensor& gamma,
    const at::Tensor& beta, const at::Tensor& mean, const at::Tensor& inverse, const at::Tensor& residual,
    const at::Tensor& numerator, const at::Tensor& denominator, c10::string_view form, double q) {
  const PadeStep activation{numerator, denominator, form, q, residual, other.value_or(at::Tensor())};
  const Gradients result = anyBackward(dy, x, gamma, &beta, mean, inverse, &activation);
  return {result.dx, result.dgamma, result.dbeta, result.residual, result.numerator, result.denominator};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(padezoo, library) {
  library.def(
      "batch_norm(Tensor x, Tensor gamma, Tensor beta, Tensor(a!) running_mean, Tensor(b!) running_variance,"
      " float momentum, float epsilon) -> (Tensor y, Tensor mean, Tensor inverse_deviation)");
  library.def(
      "batch_norm_backward(Tensor dy, Tensor x, Tensor gamma, Tensor mean, Tensor inverse_deviation)"
      " -> (Tensor x, Tensor gamma, Tensor beta)");
  library.def(
      "batch_norm_pade(Tensor x, Tensor gamma, Tensor beta, Tensor(a!) running_mean, Tensor(b!) running_variance,"
      " float momentum, float epsilon, Tensor numerator, Tensor denominator, str form, float q)"
      " -> (Tensor y, Tensor mean, Tensor inverse_deviation)");
  library.def(
      "batch_norm_pade_backward(Tensor dy, Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor inverse_deviation,"
      " Tensor numerator, Tensor denominator, str form, float q)"
      " -> (Tensor x, Tensor gamma, Tensor beta, Tensor numerator, Tensor denominator)");
  library.def(
      "batch_norm_add_pade(Tensor x, Tensor gamma, Tensor beta, Tensor(a!) running_mean, Tensor(b!) running_variance,"
      " float momentum, float epsilon, Tensor residual, Tensor numerator, Tensor denominator, str form, float q)"
      " -> (Tensor y, Tensor mean, Tensor inverse_deviation)");
  library.def(
      "batch_norm_add_pade_backward(Tensor dy, Tensor? other_dy, Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor inverse_deviation,"
      " Tensor residual, Tensor numerator, Tensor denominator, str form, float q)"
      " -> (Tensor x, Tensor gamma, Tensor beta, Tensor residual, Tensor numerator, Tensor denominator)");
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("batch_norm", &batchNorm);
  library.impl("batch_norm_backward", &batchNormBackward);
  library.impl("batch_norm_pade", &batchNormPade);
  library.impl("batch_norm_pade_backward", &batchNormPadeBackward);
  library.impl("batch_norm_add_pade", &batchNormAddPade);
  library.impl("batch_norm_add_pade_backward", &batchNormAddPadeBackward);
}

}  // namespace padezoo
