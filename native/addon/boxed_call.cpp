// From JavaScript values to a schema's IValues; a value that does not fit is an error that names the argument.
#include "boxed_call.h"

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "typed_array.h"

namespace padezoo {
namespace {

using c10::IValue;
using c10::TypeKind;

[[noreturn]] void mismatch(const c10::Argument& argument, const char* expected) {
  throw std::invalid_argument("argument '" + argument.name() + "' must be " + expected);
}

double number(const Napi::Value& value, const c10::Argument& argument) {
  if (!value.IsNumber()) mismatch(argument, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer(const Napi::Value& value, const c10::Argument& argument) {
  const double v = number(value, argument);
  if (std::trunc(v) != v) mismatch(argument, "a whole number");
  return static_cast<int64_t>(v);
}

bool boolean(const Napi::Value& value, const c10::Argument& argument) {
  if (!value.IsBoolean()) mismatch(argument, "true or false");
  return value.As<Napi::Boolean>().Value();
}

/// A whole number becomes an integer scalar, so that it does not turn an integer tensor into a float one.
c10::Scalar scalar(const Napi::Value& value, const c10::Argument& argument) {
  if (value.IsBoolean()) return c10::Scalar(value.As<Napi::Boolean>().Value());
  const double v = number(value, argument);
  const bool whole = std::trunc(v) == v && std::fabs(v) < 9007199254740992.0 && !(v == 0 && std::signbit(v));
  return whole ? c10::Scalar(static_cast<int64_t>(v)) : c10::Scalar(v);
}

template <typename T, typename Convert>
IValue list(const Napi::Value& value, const c10::Argument& argument, const Convert& convert) {
  c10::List<T> items;
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array) {
    if constexpr (std::is_same_v<T, int64_t>) {
      const auto array = value.As<Napi::Int32Array>();
      for (size_t i = 0; i < array.ElementLength(); i++) items.push_back(array[i]);
      return items;
    }
  }
  if (!value.IsArray()) mismatch(argument, "an array");
  const auto array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  items.reserve(length);
  for (uint32_t i = 0; i < length; i++) items.push_back(convert(array.Get(i)));
  return items;
}

/// A tensor by its handle, or the bytes of a Uint8Array, which the operator borrows: uint8 [length], on the CPU. What the call
/// gives must not be a view of it.
at::Tensor tensor(const Napi::Value& value, const c10::Argument& argument, const TensorSource& tensors) {
  if (value.IsNumber()) return tensors.get(value.As<Napi::Number>().DoubleValue());
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    mismatch(argument, "a tensor or a Uint8Array");
  static uint8_t none = 0;
  const auto [data, bytes] = memoryOf(value.As<Napi::TypedArray>());
  return at::from_blob(bytes ? data : &none, {static_cast<int64_t>(bytes)}, at::kByte);
}

IValue convert(const Napi::Value& value, const c10::TypePtr& type, const c10::Argument& argument, const TensorSource& tensors) {
  switch (type->kind()) {
    case TypeKind::OptionalType:
      if (value.IsNull() || value.IsUndefined()) return IValue();
      return convert(value, type->castRaw<c10::OptionalType>()->getElementType(), argument, tensors);
    case TypeKind::TensorType:
      return tensor(value, argument, tensors);
    case TypeKind::IntType:
    case TypeKind::SymIntType:
      return integer(value, argument);
    case TypeKind::FloatType:
      return number(value, argument);
    case TypeKind::BoolType:
      return boolean(value, argument);
    case TypeKind::NumberType:
      return scalar(value, argument);
    case TypeKind::StringType:
      if (!value.IsString()) mismatch(argument, "a string");
      return value.As<Napi::String>().Utf8Value();
    case TypeKind::DeviceObjType:
      if (!value.IsString()) mismatch(argument, "a device such as 'cpu'");
      return c10::Device(value.As<Napi::String>().Utf8Value());
    case TypeKind::ListType: {
      const auto element = type->castRaw<c10::ListType>()->getElementType();
      switch (element->kind()) {
        case TypeKind::TensorType:
          return list<at::Tensor>(value, argument, [&](const Napi::Value& v) { return tensors.get(number(v, argument)); });
        case TypeKind::OptionalType:  // Tensor?[]
          return list<c10::optional<at::Tensor>>(value, argument, [&](const Napi::Value& v) -> c10::optional<at::Tensor> {
            if (v.IsNull() || v.IsUndefined()) return {};
            return tensors.get(number(v, argument));
          });
        case TypeKind::IntType:
        case TypeKind::SymIntType:
          return list<int64_t>(value, argument, [&](const Napi::Value& v) { return integer(v, argument); });
        case TypeKind::FloatType:
          return list<double>(value, argument, [&](const Napi::Value& v) { return number(v, argument); });
        case TypeKind::BoolType:
          return list<bool>(value, argument, [&](const Napi::Value& v) { return boolean(v, argument); });
        default:
          break;
      }
      [[fallthrough]];
    }
    default:
      throw std::invalid_argument("argument '" + argument.name() + "' has type " + type->str() +
                                  ", which cannot be given from JavaScript");
  }
}

bool isDevice(const c10::Argument& argument) {
  const auto& type = argument.type();
  return type->kind() == TypeKind::OptionalType &&
         type->castRaw<c10::OptionalType>()->getElementType()->kind() == TypeKind::DeviceObjType;
}

void describe(std::ostringstream& text, const IValue& value) {
  if (value.isTensor()) {
    const auto& tensor = value.toTensor();
    if (tensor.defined()) text << tensor.scalar_type() << tensor.sizes();
    else text << "none";
  } else if (value.isTensorList()) {
    text << value.toTensorVector().size() << " tensors";
  } else {
    text << value;
  }
}

/// An error's text with the call that it came from: operator, arguments, dtypes and shapes.
std::invalid_argument described(const c10::FunctionSchema& schema, const torch::jit::Stack& arguments,
                                const std::exception& error) {
  std::ostringstream text;
  text << schema.name() << "(";
  for (size_t i = 0; i < arguments.size(); i++) {
    text << (i ? ", " : "") << schema.arguments()[i].name() << ": ";
    describe(text, arguments[i]);
  }
  const auto* torchError = dynamic_cast<const c10::Error*>(&error);
  text << "): " << (torchError ? torchError->what_without_backtrace() : error.what());
  return std::invalid_argument(text.str());
}

}  // namespace

void convertArguments(const c10::FunctionSchema& schema, const Napi::Array& arguments, const TensorSource& tensors,
                      torch::jit::Stack& stack, const std::function<void(uint32_t)>& pushed) {
  const auto& expected = schema.arguments();
  const uint32_t given = arguments.Length();
  if (given > expected.size())
    throw std::invalid_argument("it takes " + std::to_string(expected.size()) + " arguments, got " + std::to_string(given));
  stack.reserve(expected.size());
  for (uint32_t i = 0; i < expected.size(); i++) {
    const Napi::Value value = i < given ? arguments.Get(i) : arguments.Env().Undefined();
    if (value.IsUndefined() && isDevice(expected[i]) && !tensors.device().is_cpu())
      stack.push_back(tensors.device());  // what is made from nothing is made where the engine is
    else if (value.IsUndefined() && expected[i].default_value())
      stack.push_back(*expected[i].default_value());
    else
      stack.push_back(convert(value, expected[i].type(), expected[i], tensors));
    if (pushed) pushed(i);
  }
}

namespace {

/// Whether our own operators run as a device without kernels of ours runs them; for tests of that on a CPU.
bool isComposed(const c10::OperatorHandle& op) {
  static const bool wanted = [] {
    const char* word = std::getenv("PADEZOO_COMPOSED");
    return word && std::string(word) == "1";
  }();
  return wanted && op.schema().name().compare(0, 4, "pade") == 0;
}

}  // namespace

void callOrDescribe(const c10::OperatorHandle& op, torch::jit::Stack& stack, c10::function_ref<torch::jit::Stack()> again) {
  try {
    if (isComposed(op)) op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), &stack);
    else op.callBoxed(stack);
  } catch (const std::exception& error) {
    throw described(op.schema(), again(), error);
  }
}

torch::jit::Stack callBoxed(const c10::OperatorHandle& op, const Napi::Array& arguments, const TensorTable& tensors) {
  torch::jit::Stack stack;
  try {
    convertArguments(op.schema(), arguments, tensors, stack);
  } catch (const std::exception& error) {
    throw described(op.schema(), stack, error);
  }
  callOrDescribe(op, stack, [&] {
    torch::jit::Stack same;
    convertArguments(op.schema(), arguments, tensors, same);
    return same;
  });
  return stack;
}

}  // namespace padezoo
