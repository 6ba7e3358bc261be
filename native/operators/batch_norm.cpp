// padezoo::batch_norm over the last axis in training, alone or with the Padé activation after it, and their gradients.
//
//   z = (x - mean) / sqrt(variance + epsilon) * gamma + beta,  y = z or P(z)/Q(z)   (Ioffe & Szegedy 2015, Algorithm 1)
//
// Tensors are walked in tiles that stay in the cache, so that z is never written to memory: the pair reads x twice and
// writes y once, its gradient reads x and dy once, then x and dz. Every number is the same as in one operator after the
// other. x, y: float32 or bfloat16 [..., c] (computed in float32); everything per channel is float32 [c].
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

  template <typename T>
  PadeTiles<T> tiles(const pade::Cut& cut) const {
    TORCH_CHECK(numerator.dim() == 1, "one set of coefficients is taken here, got numerator ", numerator.sizes());
    return {pade::readCall(numerator, denominator, form, q, {}, 0), cut};
  }
};

// --- the operators ---

void checkChannels(const at::Tensor& x, std::initializer_list<const at::Tensor*> vectors) {
  for (const at::Tensor* vector : vectors)
    TORCH_CHECK(vector->dim() == 1 && vector->size(0) == x.size(-1) && vector->scalar_type() == at::kFloat && vector->is_contiguous(),
                "numbers per channel must be float32 [", x.size(-1), "], got ", vector->scalar_type(), " ", vector->sizes());
}

using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

template <typename T>
Triple forward(const at::Tensor& input, const at::Tensor& gamma, const at::Tensor& beta, const at::Tensor& runningMean,
               const at::Tensor& runningVariance, double momentum, double epsilon, const PadeStep* activation) {
  const at::Tensor x = input.contiguous();
  const int64_t channels = x.size(-1), elements = x.numel(), values = elements / channels;
  const pade::Cut cut(x, 1);
  const T* from = static_cast<const T*>(x.data_ptr());

  // Around a value of each channel, so that a mean far from 0 costs no digits.
  const PerChannel shift(channels, [&](int64_t c) { return pade::widen(from[c]); });
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
  const auto normaliseTile = [&](int64_t begin, int64_t count, T* z) {
    float wide[kTile], buffer[kTile];
    float* result = target(z, buffer);
    normalise(floats(from + begin, wide, count), centre.from(begin), scale.from(begin), offset.from(begin), result, count);
    put(result, z, count);
  };
  if (activation) {
    const auto tiles = activation->tiles<T>(cut);
    pade::forBlocks(elements, cut, [&](int64_t, int64_t begin, int64_t count) {
      alignas(64) T z[kTile];
      normaliseTile(begin, count, z);
      fetchNext(from + begin);
      tiles.forward(z, to + begin, count);
    });
  } else {
    pade::forBlocks(elements, cut, [&](int64_t, int64_t begin, int64_t count) { normaliseTile(begin, count, to + begin); });
  }
  return {y, mean, inverse};
}

struct Gradients {
  at::Tensor dx, dgamma, dbeta, numerator, denominator;
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
    const auto tiles = activation->tiles<T>(cut);
    const float* betas = beta->data_ptr<float>();
    const PerChannel scale(channels, [&](int64_t c) { return gammas[c] * inverses[c]; });
    const PerChannel offset(channels, [&](int64_t c) { return betas[c]; });
    std::vector<pade::Coefficients> coefficients(cut.blocks);
    sums.over(elements, [&](ChannelSums::Scratch& scratch, int64_t begin, int64_t count, int64_t block) {
      alignas(64) T z[kTile];
      float wide[kTile], buffer[kTile];
      const float* xs = floats(from + begin, wide, count);
      float* normal = target(z, buffer);
      normalise(xs, centre.from(begin), scale.from(begin), offset.from(begin), normal, count);
      put(normal, z, count);
      fetchNext(from + begin);
      fetchNext(upstream + begin);
      tiles.backward(upstream + begin, z, to + begin, count, coefficients[block]);
      const int64_t at = begin % channels;
      addGradients(floats(to + begin, buffer, count), xs, centre.from(begin), &scratch.first[at], &scratch.second[at], count);
    });
    std::tie(result.numerator, result.denominator) =
        pade::coefficientGradients(coefficients, tiles.call(), activation->numerator, activation->denominator);
    dz = to;  // the gradient by z waits where the gradient by x will be
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
  const PadeStep activation{numerator, denominator, form, q};
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
  const PadeStep activation{numerator, denominator, form, q};
  const Gradients result = anyBackward(dy, x, gamma, &beta, mean, inverse, &activation);
  return {result.dx, result.dgamma, result.dbeta, result.numerator, result.denominator};
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
}

TORCH_LIBRARY_IMPL(padezoo, CPU, library) {
  library.impl("batch_norm", &batchNorm);
  library.impl("batch_norm_backward", &batchNormBackward);
  library.impl("batch_norm_pade", &batchNormPade);
  library.impl("batch_norm_pade_backward", &batchNormPadeBackward);
}

}  // namespace padezoo
