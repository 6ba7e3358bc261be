// Runs the GPU's batch normalisation on the CPU, from its very source (native/batch_norm_cuda.cu on onHost/cuda_runtime.h), with
// and without a Padé activation behind it or behind its sum with a residual, and compares all of its results with float64. Prints one JSON line a case;
// test/native/batchNormCuda.test.ts judges them.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <tuple>
#include <vector>

#include "../../native/cuda/batch_norm_cuda.h"
#include "../../native/cuda/pade_types.h"
#include "../../native/operators/pade_reference.h"
#include "onHost/compare.h"
#include "onHost/cuda_runtime.h"

using namespace pade;
using onHost::Poisoned;
using onHost::rounded;
using onHost::see;
using onHost::typeOf;
namespace gpu = pade::cuda;

namespace {

enum class Data { plain, far, constant, huge, notANumber, oneSided, outlier, hugeResidual };

struct Case {
  const char* name;
  int64_t values, channels;
  int m, n;  // of the activation; none where m is negative
  Form form;
  int64_t resident;  // blocks at once: fewer blocks make longer ways
  Data data;
  int shifted;  // tensors that lie an element behind a boundary: 1 is x, 2 the gradient, 4 the outputs, 8 the residual, 16 the other term, or their sum
  double q = 1;
  float sizeOfA = 1, sizeOfB = 1;  // of the coefficients; a negative one turns their sign
  bool adds = false;               // a residual before the activation
  bool hasOther = false;           // and another term of the gradient
};

struct Errors {
  double statistics = 0, values = 0, gradients = 0, sums = 0, coefficients = 0;
  int64_t unwritten = 0, different = 0;
};

/// What a call writes.
template <typename T>
struct Results {
  Poisoned<T> y, dx, dresidual;
  Poisoned<float> mean, inverse, runningMean, runningVariance, dgamma, dbeta, numerator, denominator;
  explicit Results(const Case& c, size_t a, size_t b)
      : y(c.values * c.channels, c.shifted >> 2 & 1), dx(y), dresidual(c.adds ? y : Poisoned<T>(0)), mean(c.channels), inverse(mean), runningMean(mean), runningVariance(mean),
        dgamma(mean), dbeta(mean), numerator(a), denominator(b) {}
  int64_t faults() const {
    return y.faults() + dx.faults() + dresidual.faults() + mean.faults() + inverse.faults() + dgamma.faults() + dbeta.faults() +
           numerator.faults() + denominator.faults();
  }
  bool operator==(const Results& o) const {
    return y == o.y && dx == o.dx && dresidual == o.dresidual && mean == o.mean && inverse == o.inverse && runningMean == o.runningMean &&
           runningVariance == o.runningVariance && dgamma == o.dgamma && dbeta == o.dbeta && numerator == o.numerator &&
           denominator == o.denominator;
  }
};

template <typename T>
void runCase(const Case& c, const char* type) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const bool activated = c.m >= 0;
  const int firstB = c.form == Form::AbsolutePolynomial ? 0 : 1;
  std::vector<float> numerator(activated ? c.m + 1 : 0), denominator(activated ? c.n + 1 - firstB : 0);
  for (float& v : numerator) v = normal(random) * c.sizeOfA;
  for (float& v : denominator) v = (0.3f * std::fabs(normal(random)) + 0.05f) * c.sizeOfB;
  if (c.form == Form::SumOfAbsolutes)  // which knows no sign
    for (size_t k = 1; k < denominator.size(); k += 2) denominator[k] *= -1;
  std::vector<float> gamma(c.channels), beta(c.channels);
  for (float& v : gamma) v = 0.5f + 0.3f * std::fabs(normal(random));
  for (float& v : beta) v = normal(random);
  const int64_t elements = c.values * c.channels;
  Poisoned<T> x(elements, c.shifted & 1), gradient(elements, c.shifted >> 1 & 1), residual(elements, c.shifted >> 3 & 1),
      other(elements, c.shifted >> 4 & 1);
  for (int64_t i = 0; i < elements; i++) {
    const int64_t channel = i % c.channels;
    double v = normal(random) * 2 + 1;
    if (c.data == Data::far) v += 300;
    if (c.data == Data::constant && channel == 0) v = 0.75;
    if (c.data == Data::huge && channel == 1) v *= 1e18;
    if (c.data == Data::outlier && i / c.channels == c.values * 3 / 11) v += 2000;
    gpu::narrow(x[i], static_cast<float>(v));
    const float g = normal(random);
    gpu::narrow(gradient[i], c.data == Data::oneSided ? 1 + 0.1f * g : g);
    gpu::narrow(other[i], c.data == Data::oneSided ? 1 : std::cos(static_cast<float>(i)));
    const float r = std::sin(static_cast<float>(i));
    gpu::narrow(residual[i], c.data == Data::oneSided ? 1 : c.data == Data::hugeResidual && i % 7 == 0 ? 4e7f * r : r);
  }
  if (c.data == Data::notANumber) {
    gpu::narrow(x[1], NAN);
    gpu::narrow(x[c.channels + 2], INFINITY);
  }
  if (c.data == Data::huge) beta[0] = 3e7f;  // beyond what the fast path of the activation takes
  if (c.sizeOfA != 1) beta[0] = 5e5f;        // what it takes unless coefficients are large
  if (c.data == Data::oneSided)
    for (float& v : beta) v = 3 + 0.1f * v;

  gpu::BatchNorm call;
  call.x = x.data();
  call.values = c.values;
  call.channels = c.channels;
  call.gamma = gamma.data();
  call.beta = beta.data();
  call.momentum = 0.1;
  call.epsilon = 1e-5;
  call.isActivated = activated;
  if (c.adds) call.residual = residual.data();
  if (activated) {
    call.activation.numerator = numerator.data();
    call.activation.denominator = denominator.data();
    call.activation.form = c.form;
    call.activation.m = c.m;
    call.activation.n = c.n;
    call.activation.q = c.q;
  }
  Errors errors;
  const auto run = [&](onHost::Order order) {
    onHost::order = order;
    Results<T> r(c, numerator.size(), denominator.size());
    for (int64_t i = 0; i < c.channels; i++) {
      r.runningMean[i] = 0.5f;
      r.runningVariance[i] = 2;
    }
    gpu::BatchNorm forward = call;
    forward.out = r.y.data();
    forward.mean = r.mean.data();
    forward.inverse = r.inverse.data();
    forward.runningMean = r.runningMean.data();
    forward.runningVariance = r.runningVariance.data();
    Poisoned<unsigned char> scratch(gpu::scratchBytes(forward, typeOf<T>));
    gpu::batchNormForward(forward, typeOf<T>, scratch.data(), nullptr);
    gpu::BatchNorm backward = call;
    backward.gradient = gradient.data();
    backward.otherGradient = c.hasOther ? other.data() : nullptr;
    backward.out = r.dx.data();
    backward.dresidual = c.adds ? r.dresidual.data() : nullptr;
    backward.mean = r.mean.data();
    backward.inverse = r.inverse.data();
    backward.dgamma = r.dgamma.data();
    backward.dbeta = r.dbeta.data();
    backward.numerator = r.numerator.data();
    backward.denominator = r.denominator.data();
    Poisoned<unsigned char> more(gpu::scratchBytes(backward, typeOf<T>));
    gpu::batchNormBackward(backward, typeOf<T>, more.data(), nullptr);
    errors.unwritten += !scratch.isGuarded() + !more.isGuarded();
    return r;
  };
  onHost::residentBlocks = static_cast<int>(c.resident);
  Results<T> r = run(onHost::Order::forward);
  for (const onHost::Order order : {onHost::Order::backward, onHost::Order::shuffled})
    if (!(run(order) == r)) errors.different++;
  // A NaN is poison's bits in float32 alone where nobody calculates one.
  if (c.data != Data::notANumber) errors.unwritten += r.faults();

  Shape shape;
  shape.form = c.form;
  shape.m = c.m;
  shape.n = c.n;
  shape.q = c.q;
  Coefficients set, sums, sizes;
  for (int i = 0; i <= c.m; i++) set.a[i] = numerator[i];
  for (int k = firstB; activated && k <= c.n; k++) {
    const float b = denominator[k - firstB];
    set.b[k] = c.form == Form::SumOfAbsolutes ? std::fabs(b) : b;
  }
  for (int64_t channel = 0; channel < c.channels; channel++) {
    const auto at = [&](int64_t row) { return row * c.channels + channel; };
    double mean = 0, variance = 0;
    for (int64_t row = 0; row < c.values; row++) mean += gpu::widen(x[at(row)]) / static_cast<double>(c.values);
    for (int64_t row = 0; row < c.values; row++) variance += std::pow(gpu::widen(x[at(row)]) - mean, 2) / c.values;
    see(errors.statistics, r.mean[channel], mean, std::sqrt(variance));
    see(errors.statistics, r.inverse[channel], static_cast<float>(1 / std::sqrt(variance + call.epsilon)), 0);
    see(errors.statistics, r.runningMean[channel], 0.9 * 0.5 + 0.1 * mean, std::sqrt(variance));
    see(errors.statistics, r.runningVariance[channel], static_cast<float>(0.9 * 2 + 0.1 * variance * c.values / (c.values - 1)), 0);

    double dbeta = 0, dgamma = 0, sizeOfBeta = 0, sizeOfGamma = 0;
    std::vector<float> dz(c.values);
    const float scale = gamma[channel] * r.inverse[channel];
    for (int64_t row = 0; row < c.values; row++) {
      const float value = gpu::widen(x[at(row)]), given = gpu::widen(gradient[at(row)]);
      const float g = c.hasOther ? rounded<T>(given + gpu::widen(other[at(row)])) : given;
      const float normal = rounded<T>((value - r.mean[channel]) * scale + beta[channel]);
      const float z = c.adds ? rounded<T>(normal + gpu::widen(residual[at(row)])) : normal;
      double y = z, slope = 1;
      onHost::Sizes size{1, 1, 1};
      if (activated) {
        const Element e = element(z, set, shape);
        Coefficients own;
        addGradients(g, z, e, shape, nullptr, own);
        size = onHost::sizesOf(e, set, shape);
        for (int k = 0; k <= kMaxDegree; k++) {
          sums.a[k] += own.a[k];
          sums.b[k] += own.b[k];
          sizes.a[k] += std::fabs(own.a[k]) * size.q;
          sizes.b[k] += std::fabs(g * e.ratio[k]) * size.y;
        }
        y = e.y;
        slope = e.slope;
      }
      see(errors.values, gpu::widen(r.y[at(row)]), rounded<T>(y), std::fmax(1, size.y));
      dz[row] = rounded<T>(g * slope);
      if (c.adds) see(errors.gradients, gpu::widen(r.dresidual[at(row)]), dz[row], std::fmax(1, std::fabs(g) * size.slope));
      const double around = value - static_cast<double>(r.mean[channel]);
      dbeta += dz[row];
      dgamma += dz[row] * around * r.inverse[channel];
      sizeOfBeta += std::fabs(g * size.slope);
      sizeOfGamma += std::fabs(g * size.slope * around * r.inverse[channel]);
    }
    see(errors.sums, r.dbeta[channel], static_cast<float>(dbeta), sizeOfBeta);
    see(errors.sums, r.dgamma[channel], static_cast<float>(dgamma), sizeOfGamma);
    const double inverse = r.inverse[channel], a = gamma[channel] * inverse;
    for (int64_t row = 0; row < c.values; row++) {
      const double around = gpu::widen(x[at(row)]) - static_cast<double>(r.mean[channel]);
      const double b = a * inverse * dgamma / c.values, k = a * dbeta / c.values;
      const double size = std::fabs(a) * (std::fabs(dz[row]) + (sizeOfBeta + sizeOfGamma * std::fabs(around * inverse)) / c.values);
      see(errors.gradients, gpu::widen(r.dx[at(row)]), rounded<T>(a * dz[row] - b * around - k), size);
    }
  }
  for (int i = 0; i <= c.m; i++)
    see(errors.coefficients, r.numerator[i], static_cast<float>(sums.a[i]), sizes.a[i]);
  for (int k = firstB; activated && k <= c.n; k++)
    see(errors.coefficients, r.denominator[k - firstB],
        static_cast<float>(c.form == Form::SumOfAbsolutes && denominator[k - firstB] < 0 ? -sums.b[k] : sums.b[k]), sizes.b[k]);
  std::printf("{\"name\":\"%s\",\"type\":\"%s\",\"statistics\":%.3g,\"values\":%.3g,\"gradients\":%.3g,\"sums\":%.3g,"
              "\"coefficients\":%.3g,\"unwritten\":%lld,\"different\":%lld}\n",
              c.name, type, std::fmin(errors.statistics, 1e300), std::fmin(errors.values, 1e300),
              std::fmin(errors.gradients, 1e300), std::fmin(errors.sums, 1e300), std::fmin(errors.coefficients, 1e300),
              static_cast<long long>(errors.unwritten), static_cast<long long>(errors.different));
}

}  // namespace

int main() {
  const Form sum = Form::AbsoluteSum, polynomial = Form::AbsolutePolynomial, absolutes = Form::SumOfAbsolutes,
             unsafe = Form::Unsafe;
  const Case cases[] = {
      {"alone", 500, 12, -1, -1, sum, 3, Data::plain, 0},
      {"alone, 7 channels", 300, 7, -1, -1, sum, 3, Data::plain, 0},
      {"alone, 1 channel", 1000, 1, -1, -1, sum, 2, Data::plain, 0},
      {"alone, 2 values", 2, 5, -1, -1, sum, 2, Data::plain, 0},
      {"alone, 1040 channels", 40, 1040, -1, -1, sum, 8, Data::plain, 0},
      {"alone, 300 channels, not by four", 40, 301, -1, -1, sum, 8, Data::plain, 0},
      {"alone, behind a boundary", 300, 8, -1, -1, sum, 3, Data::plain, 7},
      {"alone, far from 0", 500, 12, -1, -1, sum, 3, Data::far, 0},
      {"alone, one row far from the others", 500, 12, -1, -1, sum, 3, Data::outlier, 0},
      {"alone, a constant channel", 500, 12, -1, -1, sum, 3, Data::constant, 0},
      {"alone, NaN and infinity", 300, 8, -1, -1, sum, 3, Data::notANumber, 0},
      {"alone, long ways", 8000, 256, -1, -1, sum, 1, Data::oneSided, 0},
      {"alone, 40 blocks", 60000, 4, -1, -1, sum, 40, Data::plain, 0},
      {"absolute-sum [5,4]", 500, 12, 5, 4, sum, 3, Data::plain, 0},
      {"absolute-sum [5,4], 7 channels", 300, 7, 5, 4, sum, 3, Data::plain, 0},
      {"absolute-sum [5,4], 2 values", 2, 5, 5, 4, sum, 2, Data::plain, 0},
      {"absolute-sum [5,4], 1040 channels", 40, 1040, 5, 4, sum, 8, Data::plain, 0},
      {"absolute-sum [5,4], x behind a boundary", 300, 8, 5, 4, sum, 3, Data::plain, 1},
      {"absolute-sum [5,4], the gradient behind a boundary", 300, 8, 5, 4, sum, 3, Data::plain, 2},
      {"absolute-sum [5,4], the outputs behind a boundary", 300, 8, 5, 4, sum, 3, Data::plain, 4},
      {"absolute-sum [5,4], NaN and infinity", 300, 8, 5, 4, sum, 3, Data::notANumber, 0},
      {"absolute-sum [5,4], large a", 300, 8, 5, 4, sum, 3, Data::plain, 0, 1, 1e16f},
      {"absolute-sum [5,4], negative b, q 0.1", 300, 8, 5, 4, sum, 3, Data::plain, 0, 0.1, 1, -1},
      {"absolute-sum [5,4], 40 blocks", 24000, 7, 5, 4, sum, 40, Data::plain, 0},
      {"absolute-sum [5,4], large z", 300, 8, 5, 4, sum, 3, Data::huge, 0},
      {"absolute-sum [5,4], a constant channel", 300, 8, 5, 4, sum, 3, Data::constant, 0},
      {"absolute-sum [5,4], long ways", 8000, 256, 5, 4, sum, 1, Data::oneSided, 0},
      {"absolute-sum [3,2]", 300, 8, 3, 2, sum, 3, Data::plain, 0},
      {"absolute-sum [7,6]", 300, 8, 7, 6, sum, 3, Data::plain, 0},
      {"absolute-polynomial [5,4]", 300, 8, 5, 4, polynomial, 3, Data::plain, 0},
      {"sum-of-absolutes [4,3]", 300, 8, 4, 3, absolutes, 3, Data::plain, 0},
      {"unsafe [5,2]", 300, 8, 5, 2, unsafe, 3, Data::plain, 0},
      {"a sum, absolute-sum [5,4]", 500, 12, 5, 4, sum, 3, Data::plain, 0, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], 7 channels", 300, 7, 5, 4, sum, 3, Data::plain, 0, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], the residual behind a boundary", 300, 8, 5, 4, sum, 3, Data::plain, 8, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], its gradient behind a boundary", 300, 8, 5, 4, sum, 3, Data::plain, 4, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], large z", 300, 8, 5, 4, sum, 3, Data::huge, 0, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], a large residual", 300, 8, 5, 4, sum, 3, Data::hugeResidual, 0, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], NaN and infinity", 300, 8, 5, 4, sum, 3, Data::notANumber, 0, 1, 1, 1, true},
      {"a sum, absolute-sum [5,4], long ways", 8000, 256, 5, 4, sum, 1, Data::oneSided, 0, 1, 1, 1, true},
      {"two gradients, absolute-sum [5,4]", 500, 12, 5, 4, sum, 3, Data::plain, 0, 1, 1, 1, true, true},
      {"two gradients, absolute-sum [5,4], 7 channels", 300, 7, 5, 4, sum, 3, Data::plain, 0, 1, 1, 1, true, true},
      {"two gradients, absolute-sum [5,4], the other behind a boundary", 300, 8, 5, 4, sum, 3, Data::plain, 16, 1, 1, 1, true, true},
      {"two gradients, absolute-sum [5,4], large z", 300, 8, 5, 4, sum, 3, Data::huge, 0, 1, 1, 1, true, true},
      {"two gradients, sum-of-absolutes [4,3]", 300, 8, 4, 3, absolutes, 3, Data::plain, 0, 1, 1, 1, true, true},
      {"a sum, absolute-sum [7,6]", 300, 8, 7, 6, sum, 3, Data::plain, 0, 1, 1, 1, true},
      {"a sum, absolute-polynomial [5,4]", 300, 8, 5, 4, polynomial, 3, Data::plain, 0, 1, 1, 1, true},
      {"a sum, sum-of-absolutes [4,3]", 300, 8, 4, 3, absolutes, 3, Data::plain, 0, 1, 1, 1, true},
  };
  for (const Case& c : cases) {
    runCase<float>(c, "float32");
    runCase<Bfloat16>(c, "bfloat16");
    if (c.sizeOfA == 1) runCase<gpu::Float16>(c, "float16");  // which has no numbers of that size
  }
  for (const auto& [form, m, n, isFused] : {std::make_tuple(sum, 7, 6, true), std::make_tuple(sum, 8, 6, false),
                                            std::make_tuple(sum, 5, 7, false), std::make_tuple(polynomial, 5, 4, true),
                                            std::make_tuple(polynomial, 7, 6, false), std::make_tuple(unsafe, 6, 1, false)}) {
    gpu::BatchNorm call;
    call.isActivated = true;
    call.activation.form = form;
    call.activation.m = m;
    call.activation.n = n;
    if (gpu::isFused(call) != isFused) return 1;
  }
  return gpu::isFused({}) ? 0 : 1;
}
