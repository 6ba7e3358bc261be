// ATen's CUDA operators on the simulated device: each is the CPU's own, queued on the current stream over the same memory. It
// has the shapes of its results at once, from a run over other numbers; its values whenever somebody waits, or a graph is launched.
// What real kernels refuse is refused: tensors on different devices, products of whole numbers, waiting under capture.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/copy_native.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "queue.h"

namespace {

using at::Tensor;
using c10::IValue;
using torch::jit::Stack;

/// Operators whose own CUDA versions need no kernel: they give memory, look at it otherwise, or copy it.
const std::set<std::string> kKept{"empty",      "empty_strided", "as_strided", "view",        "_reshape_alias",
                                  "unfold",     "alias",         "set_",       "resize_",     "_local_scalar_dense",
                                  "copy_",      "_to_copy",      "record_stream", "is_set_to", "_pin_memory",
                                  "is_pinned",  "resize_as_",    "view_as_real", "view_as_complex"};
/// Those that choose a library for the GPU only when they run.
const std::set<std::string> kTaken{"convolution", "convolution_backward", "_convolution"};
/// Those whose results' shapes depend on values, for which they wait.
const std::set<std::string> kWaiting{"nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "equal"};
/// Those that CUDA has for floating-point numbers alone.
const std::set<std::string> kFloating{"mm",  "bmm",         "addmm",         "baddbmm",
                                      "dot", "convolution", "_convolution", "convolution_backward"};

std::string nameOf(const c10::OperatorHandle& op) { return op.schema().name().substr(sizeof "aten::" - 1); }

/// The same memory as a tensor of the CPU, which does not keep it.
Tensor aliasOf(const Tensor& t) {
  if (!t.defined() || !t.is_cuda()) return t;
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), at::dtype(t.scalar_type()));
}

/// A tensor of the same shape and strides, full of one number.
Tensor filledLike(const Tensor& t, int number) {
  if (!t.defined() || !t.is_cuda()) return t;
  int64_t elements = 1;
  for (int64_t axis = 0; axis < t.dim(); axis++) elements += std::max<int64_t>(t.size(axis) - 1, 0) * t.stride(axis);
  return at::full({elements}, number, at::dtype(t.scalar_type())).as_strided(t.sizes(), t.strides());
}

template <typename Body>
void forTensors(const IValue& value, const Body& body) {
  if (value.isTensor()) body(value.toTensor());
  else if (value.isTensorList())
    for (const Tensor& each : value.toTensorVector()) body(each);
  else if (value.isOptionalTensorList())
    for (const std::optional<Tensor>& each : value.toOptionalTensorVector())
      if (each) body(*each);
}

/// The arguments with other tensors; on the CPU.
template <typename Map>
Stack mapped(const Stack& values, const Map& map) {
  Stack result;
  for (const IValue& value : values) {
    if (value.isTensor()) {
      result.push_back(map(value.toTensor()));
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      forTensors(value, [&](const Tensor& each) { list.push_back(map(each)); });
      result.push_back(list);
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& each : value.toOptionalTensorVector())
        list.push_back(each ? std::optional<Tensor>(map(*each)) : std::nullopt);
      result.push_back(list);
    } else if (value.isDevice()) {
      result.push_back(at::Device(at::kCPU));
    } else {
      result.push_back(value.isGenerator() ? IValue() : value);
    }
  }
  return result;
}

/// The device of the arguments. @throws what a real one says of those that it does not take
std::optional<at::Device> deviceOf(const c10::OperatorHandle& op, const Stack& arguments) {
  std::optional<at::Device> device;
  for (const IValue& value : arguments) {
    if (value.isDevice() && value.toDevice().is_cuda() && !device) device = value.toDevice();
    forTensors(value, [&](const Tensor& t) {
      if (!t.defined()) return;
      if (!t.is_cuda()) {
        TORCH_CHECK(t.dim() == 0 || nameOf(op) == "index", op.schema().name(), ": a tensor ", t.sizes(),
                    " is on the CPU, others on the GPU");
        return;
      }
      TORCH_CHECK(!device || *device == t.device(), op.schema().name(), ": tensors on ", *device, " and ", t.device());
      TORCH_CHECK(!kFloating.count(nameOf(op)) || at::isFloatingType(t.scalar_type()), "\"", nameOf(op),
                  "_cuda\" not implemented for '", t.scalar_type(), "'");
      device = t.device();
    });
  }
  return device;
}

/// With SIMULATED_TRACE=1 every operator is said, with its bytes read and written, which is what a GPU's memory would have to do,
/// and its tensors.
void trace(const c10::OperatorHandle& op, const Stack& arguments, const Stack& results, bool isCaptured) {
  static const bool isOn = std::getenv("SIMULATED_TRACE") != nullptr;
  if (!isOn) return;
  const auto bytesOf = [](const Tensor& t) {
    if (!t.defined() || !t.is_cuda()) return int64_t{0};
    int64_t elements = 1;
    for (int64_t axis = 0; axis < t.dim(); axis++) elements *= t.stride(axis) == 0 ? 1 : t.size(axis);
    return elements * static_cast<int64_t>(t.element_size());
  };
  int64_t bytes = 0;
  std::ostringstream tensors;
  for (size_t i = 0; i < arguments.size(); i++) {
    const c10::Argument& argument = op.schema().arguments()[i];
    const bool isWritten = argument.alias_info() && argument.alias_info()->isWrite();
    forTensors(arguments[i], [&](const Tensor& t) {
      bytes += bytesOf(t) * (isWritten && !argument.is_out() ? 2 : 1);
      tensors << ' ' << t.scalar_type() << t.sizes();
    });
  }
  for (size_t i = 0; i < results.size(); i++)
    if (!op.schema().returns()[i].alias_info()) forTensors(results[i], [&](const Tensor& t) { bytes += bytesOf(t); });
  std::fprintf(stderr, "%s %lld %s%s\n", isCaptured ? "captured" : "called", static_cast<long long>(bytes),
               op.schema().name().c_str(), tensors.str().c_str());
}

/// A result of the operator that was no argument, and where the device has it: in a list, its place there.
struct Fresh {
  size_t result;
  int64_t place;
  Tensor alias;
};

void runOnHost(const c10::OperatorHandle& op, Stack* stack) {
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  const Stack arguments(stack->end() - static_cast<int64_t>(count), stack->end());
  torch::jit::drop(*stack, count);
  const c10::OptionalDeviceGuard guard(deviceOf(op, arguments));
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const bool isCaptured = device::isCapturing(stream.stream()), waits = kWaiting.count(nameOf(op)) > 0;
  if (waits) stream.synchronize();  // which a capture forbids

  // An `out` has the size of the result, whatever it had: it is made anew.
  const auto withOuts = [&schema](Stack values) {
    for (size_t i = 0; i < values.size(); i++)
      if (schema.arguments()[i].is_out()) values[i] = at::empty({0}, at::dtype(values[i].toTensor().scalar_type()));
    return values;
  };
  const Stack aliases = mapped(arguments, aliasOf);
  const auto resultsOver = [&](int number) {
    Stack values = withOuts(waits ? aliases : mapped(arguments, [=](const Tensor& t) { return filledLike(t, number); }));
    op.callBoxed(values);
    return values;
  };
  Stack found;
  try {
    found = resultsOver(0);  // as an index, 0 is always there
  } catch (const c10::Error&) {
    found = resultsOver(1);  // a divisor
  }

  std::vector<Fresh> fresh;
  const auto onDevice = [&](const Tensor& like, size_t result, int64_t place) {
    if (!like.defined()) return like;
    const Tensor made = at::empty_strided(like.sizes(), like.strides(), like.options().device(at::kCUDA));
    if (waits) aliasOf(made).copy_(like);
    else fresh.push_back({result, place, aliasOf(made)});
    return made;
  };
  Stack results;
  for (size_t i = 0; i < found.size(); i++) {
    const auto* alias = schema.returns()[i].alias_info();
    if (alias) {  // an argument that is written
      for (size_t j = 0; j < count; j++) {
        const c10::Argument& argument = schema.arguments()[j];
        if (!argument.alias_info() || argument.alias_info()->beforeSets() != alias->beforeSets()) continue;
        if (argument.is_out()) {
          const Tensor target = arguments[j].toTensor(), like = found[i].toTensor();
          if (target.sizes() != like.sizes()) target.resize_(like.sizes()).as_strided_(like.sizes(), like.strides());
          fresh.push_back({i, -1, aliasOf(target)});
        }
        results.push_back(arguments[j]);
      }
    } else if (found[i].isTensor()) {
      results.push_back(onDevice(found[i].toTensor(), i, -1));
    } else if (found[i].isTensorList()) {
      c10::List<Tensor> list;
      int64_t place = 0;
      forTensors(found[i], [&](const Tensor& each) { list.push_back(onDevice(each, i, place++)); });
      results.push_back(list);
    } else {
      TORCH_CHECK(waits, "the simulated device does not know when ", schema.name(), " has its result");
      results.push_back(found[i]);
    }
  }
  trace(op, arguments, results, isCaptured);
  for (IValue& result : results) stack->push_back(std::move(result));
  if (waits) return;
  device::enqueue(stream.stream(), [op, aliases, fresh, withOuts] {
    Stack values = withOuts(aliases);
    op.callBoxed(values);
    for (const auto& [result, place, alias] : fresh)
      if (alias.numel()) alias.copy_(place < 0 ? values[result].toTensor() : values[result].toTensorList().get(place));
  });
}

/// Between devices ATen copies itself; on one it may need a kernel.
Tensor& copy(Tensor& self, const Tensor& from, bool nonBlocking) {
  if (!self.is_cuda() || !from.is_cuda() || self.device() != from.device()) return at::native::copy_(self, from, nonBlocking);
  const c10::DeviceGuard guard(self.device());
  void* stream = c10::cuda::getCurrentCUDAStream().stream();
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::copy_", "");
  trace(op, {self, from}, {}, device::isCapturing(stream));
  const Tensor target = aliasOf(self), values = aliasOf(from).expand(self.sizes());
  if (self.numel()) device::enqueue(stream, [target, values] { target.copy_(values); });
  return self;
}

/// libtorch says of each that it takes another's place.
struct Silence final : c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

/// Takes the place of every CUDA kernel of ATen's; the library stays for as long as the process.
[[maybe_unused]] const bool isInstalled = [] {
  Silence silence;
  const c10::WarningUtils::WarningHandlerGuard unheard(&silence);
  auto* library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::CUDA, __FILE__, __LINE__);
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto op = c10::Dispatcher::singleton().findSchema(name);
    if (!op || name.name.rfind("aten::", 0) != 0 || kKept.count(nameOf(*op))) continue;
    if (!kTaken.count(nameOf(*op)) && !op->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) continue;
    bool isView = false;
    for (const c10::Argument& result : op->schema().returns())
      isView |= result.alias_info() && !result.alias_info()->isWrite();
    if (isView) continue;
    const std::string overload = name.overload_name.empty() ? "" : "." + name.overload_name;
    library->impl((name.name + overload).c_str(), torch::CppFunction::makeFromBoxedFunction<&runOnHost>());
  }
  library->impl("copy_", torch::CppFunction(&copy));
  return true;
}();

}  // namespace
