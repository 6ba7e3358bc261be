// Runs the GPU's Padé kernels on the CPU, from their very source (native/pade_cuda.cu on onHost/cuda_runtime.h), and compares
// every output and every coefficient's gradient with the float64 reference. Prints one JSON line a case;
// test/native/padeCuda.test.ts judges them.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "../../native/cuda/pade_cuda.h"
#include "../../native/cuda/pade_walk.h"
#include "../../native/operators/pade_reference.h"
#include "onHost/compare.h"
#include "onHost/cuda_runtime.h"

using namespace pade;
using onHost::Poisoned;
using onHost::rounded;
using onHost::see;
using onHost::sizesOf;
using onHost::typeOf;
namespace gpu = pade::cuda;

namespace {

struct Case {
  const char* name;
  Form form;
  int m, n;
  double q;
  float amplitude;
  int64_t elements, channels, sets;
  int64_t resident;  // blocks at once: fewer blocks make longer ways
  float scale;       // of x
  int shifted;       // tensors that lie an element behind a 16-byte boundary: 1 is x, 2 the gradient, 4 the output, or their sum
  bool awkward;      // with the largest numbers among them, beside which the others add nothing to a coefficient's gradient
  float sizeOfA = 1, sizeOfB = 1;  // of the last set's coefficients; a negative one turns their sign
  bool longKey = false;
};

struct Errors {
  double values = 0, gradients = 0, numerator = 0, denominator = 0;
  int64_t unwritten = 0, different = 0;  // outputs that kept their poison, or that a second run gave otherwise
};

/// What backward gives beside the gradient by x.
struct CoefficientGradients {
  Poisoned<float> numerator, denominator;
  bool operator==(const CoefficientGradients& other) const {
    return numerator == other.numerator && denominator == other.denominator;
  }
};

template <typename T>
CoefficientGradients runBackward(const gpu::Call& call, onHost::Order order, Errors& errors) {
  onHost::order = order;
  Poisoned<unsigned char> scratch(gpu::scratchBytes(call, typeOf<T>));
  CoefficientGradients found{Poisoned<float>(call.sets * (call.m + 1)), Poisoned<float>(call.sets * call.denominators())};
  gpu::backward(call, typeOf<T>, scratch.data(), found.numerator.data(), found.denominator.data(), nullptr);
  errors.unwritten += !scratch.isGuarded() + !found.numerator.isGuarded() + !found.denominator.isGuarded();
  return found;
}

template <typename T>
void runCase(const Case& c, const char* type) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const int firstB = c.form == Form::AbsolutePolynomial ? 0 : 1;
  std::vector<float> numerator(c.sets * (c.m + 1)), denominator(c.sets * (c.n + 1 - firstB));
  for (float& v : numerator) v = normal(random);
  // All of one sign, and x as well where that is not enough: where S cancels, float32 loses digits in any evaluation.
  for (float& v : denominator) v = (c.form == Form::Unsafe ? 0.1f : 0.5f) * std::fabs(normal(random)) + 0.05f;
  for (size_t i = numerator.size() - (c.m + 1); i < numerator.size(); i++) numerator[i] *= c.sizeOfA;
  for (size_t k = denominator.size() - (c.n + 1 - firstB); k < denominator.size(); k++) denominator[k] *= c.sizeOfB;
  if (c.form == Form::SumOfAbsolutes)  // which knows no sign
    for (size_t k = 0; k < denominator.size(); k++) denominator[k] *= k % 3 == 1 ? -1 : k % 7 == 2 ? 0 : 1;
  Poisoned<T> x(c.elements, c.shifted & 1), gradient(c.elements, c.shifted >> 1 & 1), out(c.elements, c.shifted >> 2 & 1);
  const bool isPositive = c.form == Form::Unsafe || c.n > 5 || c.form == Form::AbsolutePolynomial;
  for (int64_t i = 0; i < c.elements; i++) {
    gpu::narrow(x[i], isPositive ? std::fabs(normal(random)) * c.scale : normal(random) * c.scale);
    gpu::narrow(gradient[i], normal(random));
  }
  if (c.elements > 40) gpu::narrow(x[3], 0);
  if (c.awkward) {
    gpu::narrow(x[17], 3e38f);
    gpu::narrow(x[18], -6e4f);
    gpu::narrow(x[38], 1025);
  }
  const int32_t key[2] = {12345, -6};
  const int64_t longKey[2] = {key[0], key[1]};
  gpu::Call call;
  call.x = x.data();
  call.out = out.data();
  call.elements = c.elements;
  call.numerator = numerator.data();
  call.denominator = denominator.data();
  call.sets = c.sets;
  call.channels = c.channels;
  call.key = c.longKey ? static_cast<const void*>(longKey) : key;
  call.longKey = c.longKey;
  call.amplitude = c.amplitude;
  call.form = c.form;
  call.m = c.m;
  call.n = c.n;
  call.q = c.q;
  // In bfloat16 the reference is rounded as well: what remains are ties that fell to the other side.
  const double resolution = sizeof(T) == 4 ? 0 : 1;

  Shape shape;
  shape.form = c.form;
  shape.m = c.m;
  shape.n = c.n;
  shape.q = c.q;
  std::vector<Coefficients> sets(c.sets), sums(c.sets), sizes(c.sets);
  for (int64_t set = 0; set < c.sets; set++) {
    for (int i = 0; i <= c.m; i++) sets[set].a[i] = numerator[set * (c.m + 1) + i];
    for (int k = firstB; k <= c.n; k++) {
      const double b = denominator[set * (c.n + 1 - firstB) + k - firstB];
      sets[set].b[k] = c.form == Form::SumOfAbsolutes ? std::fabs(b) : b;
    }
  }
  const Noise noise = noiseOf(c.amplitude, static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1]));
  Errors errors;
  const auto reference = [&](int64_t i, double g, bool add) {
    const int64_t set = i % c.channels * c.sets / c.channels;
    Coefficients factors;
    const Coefficients present =
        c.amplitude > 0 ? noisy(sets[set], shape, noise, static_cast<uint32_t>(i), &factors) : sets[set];
    const double value = gpu::widen(x[i]);
    const Element e = element(value, present, shape);
    if (add) {
      Coefficients own;
      addGradients(g, value, e, shape, c.amplitude > 0 ? &factors : nullptr, own);
      for (int k = 0; k <= kMaxDegree; k++) {
        sums[set].a[k] += own.a[k];
        sums[set].b[k] += own.b[k];
        const onHost::Sizes size = sizesOf(e, present, shape);
        sizes[set].a[k] += std::fabs(own.a[k]) * size.q;
        sizes[set].b[k] += std::fabs(g * e.ratio[k]) * size.y;
      }
    }
    return e;
  };
  onHost::residentBlocks = static_cast<int>(c.resident);
  const auto sizeOf = [&](int64_t i, const Element& e) { return sizesOf(e, sets[i % c.channels * c.sets / c.channels], shape); };
  const auto runForward = [&](onHost::Order order) {
    onHost::order = order;
    out.poison();
    gpu::forward(call, typeOf<T>, nullptr);
    return out;
  };
  Poisoned<T> first = runForward(onHost::Order::forward);
  for (const onHost::Order order : {onHost::Order::backward, onHost::Order::shuffled})
    if (!(runForward(order) == first)) errors.different++;
  errors.unwritten += out.faults();
  for (int64_t i = 0; i < c.elements; i++) {
    const Element e = reference(i, 0, false);
    see(errors.values, gpu::widen(out[i]), rounded<T>(e.y), std::fmax(1, sizeOf(i, e).y));
  }
  out.poison();
  call.gradient = gradient.data();
  CoefficientGradients found = runBackward<T>(call, onHost::Order::forward, errors);
  first = out;
  errors.unwritten += out.faults();
  for (int64_t i = 0; i < c.elements; i++) {
    const double g = gpu::widen(gradient[i]);
    const Element e = reference(i, g, true);
    see(errors.gradients, gpu::widen(out[i]), rounded<T>(g * e.slope), std::fmax(1, std::fabs(g) * sizeOf(i, e).slope));
  }
  for (const onHost::Order order : {onHost::Order::backward, onHost::Order::shuffled}) {
    out.poison();
    if (!(runBackward<T>(call, order, errors) == found)) errors.different++;
    if (!(out == first)) errors.different++;
  }
  for (int64_t set = 0; set < c.sets; set++) {
    for (int i = 0; i <= c.m; i++)
      see(errors.numerator, found.numerator[set * (c.m + 1) + i], static_cast<float>(sums[set].a[i]), sizes[set].a[i]);
    for (int k = firstB; k <= c.n; k++) {
      const int64_t at = set * (c.n + 1 - firstB) + k - firstB;
      const double side = c.form != Form::SumOfAbsolutes ? 1 : denominator[at] > 0 ? 1 : denominator[at] < 0 ? -1 : 0;
      see(errors.denominator, found.denominator[at], static_cast<float>(side * sums[set].b[k]), sizes[set].b[k]);
    }
  }
  std::printf("{\"name\":\"%s\",\"type\":\"%s\",\"wide\":%s,\"resolution\":%g,\"values\":%.3g,\"gradients\":%.3g,"
              "\"numerator\":%.3g,\"denominator\":%.3g,\"unwritten\":%lld,\"different\":%lld}\n",
              c.name, type, gpu::isWide<T>(call) ? "true" : "false", resolution, std::fmin(errors.values, 1e300),
              std::fmin(errors.gradients, 1e300), std::fmin(errors.numerator, 1e300), std::fmin(errors.denominator, 1e300),
              static_cast<long long>(errors.unwritten), static_cast<long long>(errors.different));
}

}  // namespace

int main() {
  const Form sum = Form::AbsoluteSum, polynomial = Form::AbsolutePolynomial, absolutes = Form::SumOfAbsolutes,
             unsafe = Form::Unsafe;
  const Case cases[] = {
      {"absolute-sum [5,4]", sum, 5, 4, 1, 0, 10007, 1, 1, 3, 2, 0, false},
      {"absolute-sum [5,4], q 0.1", sum, 5, 4, 0.1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"absolute-sum [3,2]", sum, 3, 2, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"absolute-sum [7,6]", sum, 7, 6, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"absolute-sum [10,10]", sum, 10, 10, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"absolute-sum [2,9]", sum, 2, 9, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"absolute-sum [0,0]", sum, 0, 0, 1, 0, 515, 1, 1, 2, 2, 0, false},
      {"absolute-polynomial [5,4]", polynomial, 5, 4, 0.1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"absolute-polynomial [6,8]", polynomial, 6, 8, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"sum-of-absolutes [5,4]", absolutes, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"sum-of-absolutes [9,3]", absolutes, 9, 3, 0.5, 0, 4099, 1, 1, 2, 2, 0, false},
      {"unsafe [5,4]", unsafe, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 0, false},
      {"large x", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 1e30f, 0, true},
      {"the largest x", sum, 5, 4, 1, 0, 10007, 1, 1, 3, 2, 0, true},
      {"the largest x of sum-of-absolutes", absolutes, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 0, true},
      {"the largest x of absolute-polynomial [6,8]", polynomial, 6, 8, 1, 0, 4099, 1, 1, 2, 2, 0, true},
      {"the largest x, noise", sum, 5, 4, 1, 0.01f, 4099, 1, 1, 2, 2, 0, true},
      {"the largest x, per channel", sum, 5, 4, 1, 0, 5130, 10, 10, 4, 2, 0, true},
      {"noise [5,4]", sum, 5, 4, 1, 0.01f, 4099, 1, 1, 2, 2, 0, false},
      {"noise [4,2] of sum-of-absolutes", absolutes, 4, 2, 1, 0.5f, 4099, 1, 1, 2, 2, 0, false},
      {"noise [8,7] of absolute-polynomial", polynomial, 8, 7, 1, 0.1f, 4099, 1, 1, 2, 1, 0, false},
      {"behind a boundary", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 7, false},
      {"x behind a boundary", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 1, false},
      {"the gradient behind a boundary", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 2, false},
      {"the output behind a boundary", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 2, 4, false},
      {"per channel, 10 channels", sum, 5, 4, 1, 0, 5130, 10, 10, 4, 2, 0, false},
      {"per channel, 300 channels", sum, 5, 4, 1, 0, 9900, 300, 300, 5, 2, 0, false},
      {"8 groups of 64 channels", sum, 5, 4, 1, 0, 8192, 64, 8, 4, 2, 0, false},
      {"3 groups of 7 channels", absolutes, 5, 4, 1, 0, 4095, 7, 3, 4, 2, 0, false},
      {"4 groups of 2080 channels", sum, 7, 7, 1, 0, 20800, 2080, 4, 3, 2, 0, false},
      {"large a", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 3e5f, 0, false, 1e16f, 1},
      {"large b", sum, 5, 4, 1, 0, 4099, 1, 1, 2, 3e5f, 0, false, 1, 1e16f},
      {"large a and b of absolute-polynomial", polynomial, 5, 4, 1, 0, 4099, 1, 1, 2, 3e5f, 0, false, 1e16f, 1e16f},
      {"a large set among ten", sum, 5, 4, 1, 0, 5130, 10, 10, 4, 3e5f, 0, false, 1e16f, 1e16f},
      {"small q", polynomial, 5, 4, 1e-39, 0, 4099, 1, 1, 2, 2, 0, false, 1, 1e-30f},
      {"small q of sum-of-absolutes", absolutes, 5, 4, 1e-20, 0, 4099, 1, 1, 2, 2, 0, false},
      {"negative S of absolute-polynomial", polynomial, 5, 4, 1, 0, 4099, 1, 1, 2, 1, 0, false, 1, -1},
      {"unsafe, whose q counts for nothing", unsafe, 5, 4, 0.5, 0, 4099, 1, 1, 2, 2, 0, true},
      {"noise, a key of 64 bits", sum, 5, 4, 1, 0.1f, 20011, 1, 1, 3, 2, 0, false, 1, 1, true},
      {"long ways", sum, 5, 4, 1, 0, 400009, 1, 1, 1, 2, 0, false},
      {"long ways per channel", sum, 5, 4, 1, 0, 400000, 10, 10, 1, 2, 0, false},
      {"40 blocks", sum, 5, 4, 1, 0, 170003, 1, 1, 40, 2, 0, false},
      {"per channel, 12 blocks", sum, 5, 4, 1, 0, 41040, 10, 10, 12, 2, 0, false},
      {"noise per channel", polynomial, 5, 4, 1, 0.1f, 4096, 16, 16, 4, 1, 0, false},
      {"5 elements", sum, 5, 4, 1, 0, 5, 1, 1, 3, 2, 0, false},
      {"1 element", sum, 5, 4, 1, 0, 1, 1, 1, 3, 2, 0, false},
  };
  for (const Case& c : cases) {
    runCase<float>(c, "float32");
    runCase<Bfloat16>(c, "bfloat16");
    runCase<gpu::Float16>(c, "float16");
  }
}
