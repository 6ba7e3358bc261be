// The addon's surface: tensors in and out, figures, and one generic call of any operator. See src/engines/torch/addon.ts.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <napi.h>
#include <torch/version.h>

#include <cstring>
#include <memory>
#include <vector>

#include "boxed_call.h"
#include "caching_allocator.h"
#include "device.h"
#include "dtypes.h"
#include "program.h"
#include "tensor_table.h"
#include "typed_array.h"

namespace padezoo {
namespace {

constexpr size_t kMetaLength = 256;  // results' shapes: dtype, rank and sizes of each, one after the other
constexpr int32_t kMetaFull = -1;    // in place of a dtype: from here on, `describe` knows

/// Copies the elements in row-major order, whatever the strides, on all threads.
void copyInto(void* target, const at::Tensor& tensor) {
  if (!tensor.numel()) return;
  at::AutoDispatchBelowADInplaceOrView withoutAutograd;
  at::from_blob(target, tensor.sizes(), at::dtype(tensor.scalar_type())).copy_(tensor);
}

/// Copies a tensor's elements into an ArrayBuffer on a thread of its own and settles a promise.
class ReadWorker : public Napi::AsyncWorker {
 public:
  ReadWorker(Napi::Env env, const at::Tensor& tensor)
      : Napi::AsyncWorker(env),
        // An alias counts as a user of the memory, so that nobody changes it in place meanwhile.
        tensor_(tensor.alias()),
        buffer_(Napi::Persistent(Napi::ArrayBuffer::New(env, tensor.nbytes()))),
        target_(buffer_.Value().Data()),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { copyInto(target_, tensor_); }
  void OnOK() override { deferred_.Resolve(buffer_.Value()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  at::Tensor tensor_;
  Napi::Reference<Napi::ArrayBuffer> buffer_;
  void* target_;
  Napi::Promise::Deferred deferred_;
};

/// oneDNN does what NNPACK would; asking for NNPACK logs a warning at every small convolution where the CPU is not its kind.
void leaveNnpackOut() {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 3)
  at::globalContext().setUserEnabledNNPACK(false);
#endif
}

/// One instance for each JavaScript environment (main thread or worker): handles never cross threads.
class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) {
    installCachingAllocator();
    leaveNnpackOut();
    auto meta = Napi::Int32Array::New(env, kMetaLength);
    metaData_ = meta.Data();
    metaReference_ = Napi::Persistent(meta.As<Napi::Object>());
    DefineAddon(exports, {
      InstanceMethod("operator", &Addon::Operator),
      InstanceMethod("call", &Addon::Call),
      InstanceMethod("create", &Addon::Create),
      InstanceMethod("read", &Addon::Read),
      InstanceMethod("readAsync", &Addon::ReadAsync),
      InstanceMethod("describe", &Addon::Describe),
      InstanceMethod("retain", &Addon::Retain),
      InstanceMethod("release", &Addon::Release),
      InstanceMethod("compile", &Addon::Compile),
      InstanceMethod("replay", &Addon::Replay),
      InstanceMethod("forget", &Addon::Forget),
      InstanceMethod("exclusive", &Addon::Exclusive),
      InstanceMethod("memory", &Addon::Memory),
      InstanceMethod("releaseMemory", &Addon::ReleaseMemory),
      InstanceMethod("threads", &Addon::Threads),
      InstanceMethod("setThreads", &Addon::SetThreads),
      InstanceMethod("gpus", &Addon::Gpus),
      InstanceMethod("device", &Addon::Device),
      InstanceMethod("setDevice", &Addon::SetDevice),
      InstanceMethod("setFastMath", &Addon::SetFastMath),
      InstanceMethod("describeProgram", &Addon::DescribeProgram),
      InstanceValue("meta", meta),
      InstanceValue("version", Napi::String::New(env, TORCH_VERSION)),
    });
  }

 private:
  /// Runs `body`; libtorch's errors lose their backtraces, and node-addon-api throws them in JavaScript as it does all others.
  template <typename Body>
  Napi::Value guarded(const Napi::CallbackInfo& info, const Body& body) {
    try {
      return body();
    } catch (const c10::Error& error) {
      throw Napi::Error::New(info.Env(), error.what_without_backtrace());
    }
  }

  /// operator(name, overload) -> number for `call`
  Napi::Value Operator(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const std::string name = info[0].As<Napi::String>(), overload = info[1].As<Napi::String>();
      operators_.push_back(c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), overload.c_str()));
      return Napi::Number::New(info.Env(), static_cast<double>(operators_.size() - 1));
    });
  }

  /// call(operator, arguments) -> handle, or an array of handles, or a plain value; shapes of tensor results in `meta`
  Napi::Value Call(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const auto& op = operators_.at(info[0].As<Napi::Number>().Uint32Value());
      // Gradients are the tape's work: skip libtorch's own.
      at::AutoDispatchBelowADInplaceOrView withoutAutograd;
      auto results = callBoxed(op, info[1].As<Napi::Array>(), tensors_);
      metaUsed_ = 0;
      if (results.empty()) return info.Env().Undefined();
      if (results.size() == 1) return toJavaScript(info.Env(), results[0]);
      auto array = Napi::Array::New(info.Env(), results.size());
      for (uint32_t i = 0; i < results.size(); i++) array.Set(i, toJavaScript(info.Env(), results[i]));
      return array;
    });
  }

  Napi::Value toJavaScript(Napi::Env env, const c10::IValue& value) {
    if (value.isTensor()) {
      const at::Tensor& tensor = value.toTensor();
      if (!tensor.defined()) return env.Null();
      describe(tensor);
      return Napi::Number::New(env, tensors_.add(tensor));
    }
    if (value.isTensorList()) {
      const auto list = value.toTensorVector();
      auto array = Napi::Array::New(env, list.size());
      for (uint32_t i = 0; i < list.size(); i++) array.Set(i, toJavaScript(env, list[i]));
      return array;
    }
    if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
    if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
    if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
    if (value.isScalar()) return Napi::Number::New(env, value.toScalar().toDouble());
    if (value.isNone()) return env.Null();
    throw std::invalid_argument("a result of type " + value.tagKind() + " has no JavaScript counterpart");
  }

  void describe(const at::Tensor& tensor) {
    const size_t rank = static_cast<size_t>(tensor.dim());
    if (metaUsed_ == kMetaLength) return;
    if (metaUsed_ + 2 + rank >= kMetaLength) {  // one place stays for the mark
      metaData_[metaUsed_] = kMetaFull;
      metaUsed_ = kMetaLength;
      return;
    }
    metaData_[metaUsed_++] = dtypeCode(tensor.scalar_type());
    metaData_[metaUsed_++] = static_cast<int32_t>(rank);
    for (const int64_t size : tensor.sizes()) metaData_[metaUsed_++] = static_cast<int32_t>(size);
  }

  /// create(data: typed array, shape, dtype) -> handle of a dense copy
  Napi::Value Create(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const auto [data, bytes] = memoryOf(info[0].As<Napi::TypedArray>());
      const auto dims = info[1].As<Napi::Array>();
      std::vector<int64_t> shape(dims.Length());
      for (uint32_t i = 0; i < shape.size(); i++) shape[i] = dims.Get(i).As<Napi::Number>().Int64Value();
      at::Tensor tensor = at::empty(shape, dtypeOf(info[2].As<Napi::Number>().Int32Value()));
      TORCH_CHECK(tensor.nbytes() == bytes, "a tensor ", tensor.scalar_type(), " ", tensor.sizes(), " has ", tensor.nbytes(),
                  " bytes, but the data has ", bytes);
      if (bytes) std::memcpy(tensor.data_ptr(), data, bytes);
      if (!tensors_.device().is_cpu()) tensor = tensor.to(tensors_.device());
      return Napi::Number::New(info.Env(), tensors_.add(std::move(tensor)));
    });
  }

  /// read(handle) -> ArrayBuffer with the elements in row-major order
  Napi::Value Read(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const at::Tensor tensor = tensors_.get(info[0].As<Napi::Number>().DoubleValue());
      auto buffer = Napi::ArrayBuffer::New(info.Env(), tensor.nbytes());
      copyInto(buffer.Data(), tensor);
      return buffer;
    });
  }

  /// readAsync(handle) -> promise of the same; the event loop goes on meanwhile
  Napi::Value ReadAsync(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      auto* worker = new ReadWorker(info.Env(), tensors_.get(info[0].As<Napi::Number>().DoubleValue()));
      worker->Queue();  // it deletes itself
      return worker->Promise();
    });
  }

  /// describe(handle) -> [dtype, ...sizes]
  Napi::Value Describe(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const at::Tensor tensor = tensors_.get(info[0].As<Napi::Number>().DoubleValue());
      auto description = Napi::Array::New(info.Env(), tensor.dim() + 1);
      description.Set(0u, dtypeCode(tensor.scalar_type()));
      for (int64_t i = 0; i < tensor.dim(); i++)
        description.Set(static_cast<uint32_t>(i + 1), static_cast<double>(tensor.size(i)));
      return description;
    });
  }

  /// retain(handle) -> another handle of the same tensor, which is released by itself
  Napi::Value Retain(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), tensors_.add(tensors_.get(info[0].As<Napi::Number>().DoubleValue())));
    });
  }

  Napi::Value Release(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      tensors_.release(info[0].As<Napi::Number>().DoubleValue());
      return info.Env().Undefined();
    });
  }

  /// exclusive(handle) -> whether nothing else sees the tensor's memory and it is dense: it may be changed in place
  Napi::Value Exclusive(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const at::Tensor tensor = tensors_.get(info[0].As<Napi::Number>().DoubleValue());
      return Napi::Boolean::New(info.Env(), isExclusive(tensor));
    });
  }

  /// compile(plan) -> number of a program for `replay` and `forget`
  Napi::Value Compile(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      programs_.push_back(std::make_unique<Program>(info[0].As<Napi::Object>(), operators_, tensors_));
      return Napi::Number::New(info.Env(), static_cast<double>(programs_.size() - 1));
    });
  }

  /// replay(program, input handles) -> handles of the outputs; their shapes in `meta`
  Napi::Value Replay(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const auto& program = programs_.at(info[0].As<Napi::Number>().Uint32Value());
      TORCH_CHECK(program, "the program has been forgotten");
      const auto handles = info[1].As<Napi::Array>();
      std::vector<at::Tensor> inputs;
      inputs.reserve(handles.Length());
      for (uint32_t i = 0; i < handles.Length(); i++)
        inputs.push_back(tensors_.get(handles.Get(i).As<Napi::Number>().DoubleValue()));
      const auto outputs = program->run(inputs);
      metaUsed_ = 0;
      auto array = Napi::Array::New(info.Env(), outputs.size());
      for (uint32_t i = 0; i < outputs.size(); i++) array.Set(i, toJavaScript(info.Env(), outputs[i]));
      return array;
    });
  }

  Napi::Value Forget(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      programs_.at(info[0].As<Napi::Number>().Uint32Value()).reset();
      return info.Env().Undefined();
    });
  }

  Napi::Value Memory(const Napi::CallbackInfo& info) {
    const auto figures = allocatorFigures();
    const bool onGpu = !tensors_.device().is_cpu();
    const auto gpu = onGpu ? gpuMemory(tensors_.device()) : std::pair<int64_t, int64_t>{0, 0};
    auto memory = Napi::Object::New(info.Env());
    memory.Set("tensors", static_cast<double>(tensors_.live()));
    memory.Set("usedBytes", static_cast<double>(figures.used + gpu.first));
    memory.Set("cachedBytes", static_cast<double>(figures.cached + gpu.second));
    return memory;
  }

  Napi::Value ReleaseMemory(const Napi::CallbackInfo& info) {
    releaseCachedMemory();
    if (!tensors_.device().is_cpu()) releaseGpuMemory(tensors_.device());
    return info.Env().Undefined();
  }

  Napi::Value Threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), at::get_num_threads()); }

  Napi::Value SetThreads(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      at::set_num_threads(info[0].As<Napi::Number>().Int32Value());
      return info.Env().Undefined();
    });
  }

  /// gpus() -> how many GPUs libtorch sees; null for a libtorch without CUDA
  Napi::Value Gpus(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      if (!hasCuda()) return info.Env().Null();
      return Napi::Number::New(info.Env(), static_cast<double>(gpuCount()));
    });
  }

  Napi::Value Device(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), tensors_.device().str()); }

  /// setDevice('cpu' | 'cuda' | 'cuda:1'): new tensors are made there, and those that exist move there
  Napi::Value SetDevice(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      tensors_.moveTo(deviceOf(info[0].As<Napi::String>()));
      return info.Env().Undefined();
    });
  }

  /// setFastMath(tf32, tryOut)
  Napi::Value SetFastMath(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      setFastMath(info[0].As<Napi::Boolean>().Value(), info[1].As<Napi::Boolean>().Value());
      return info.Env().Undefined();
    });
  }

  /// describeProgram(program) -> { mode, reason, plannedBytes, blockBytes }
  Napi::Value DescribeProgram(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
      const auto& program = programs_.at(info[0].As<Napi::Number>().Uint32Value());
      TORCH_CHECK(program, "the program has been forgotten");
      auto result = Napi::Object::New(info.Env());
      result.Set("mode", program->mode());
      result.Set("reason", program->reason());
      result.Set("plannedBytes", static_cast<double>(program->memory().bytes()));
      result.Set("blockBytes", static_cast<double>(program->memory().blockBytes()));
      return result;
    });
  }

  TensorTable tensors_;
  std::vector<c10::OperatorHandle> operators_;
  std::vector<std::unique_ptr<Program>> programs_;
  Napi::ObjectReference metaReference_;
  int32_t* metaData_;
  size_t metaUsed_ = 0;
};

NODE_API_ADDON(Addon)

}  // namespace
}  // namespace padezoo
