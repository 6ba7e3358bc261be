// The image addon's surface; see datasets/images/addon.ts. It keeps no state, so every thread may use it. What is thrown here,
// node-addon-api throws in JavaScript.
#include <napi.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "jpeg.h"
#include "resampler.h"

namespace padezoo::images {
namespace {

struct Bytes {
  uint8_t* data;
  size_t size;
};

Bytes bytesOf(const Napi::Value& value) {
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

int32_t intOf(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().Int32Value();
}

/// @param inputs how many there are on this axis
/// @throws std::invalid_argument where they would lead outside
Weights weightsOf(const Napi::Value& value, int32_t inputs, int32_t outputs) {
  const auto object = value.As<Napi::Object>();
  auto first = object.Get("first").As<Napi::Int32Array>();
  auto count = object.Get("count").As<Napi::Int32Array>();
  auto weights = object.Get("weights").As<Napi::Int32Array>();
  const Weights found{first.Data(), count.Data(), weights.Data(), outputs, intOf(object, "taps")};
  const auto length = static_cast<size_t>(outputs);
  bool sound = found.taps > 0 && first.ElementLength() == length && count.ElementLength() == length &&
               weights.ElementLength() == length * static_cast<size_t>(found.taps);
  for (size_t i = 0; sound && i < length; i++)
    sound = found.first[i] >= 0 && found.count[i] >= 1 && found.count[i] <= found.taps &&
            found.first[i] <= inputs - found.count[i];
  if (!sound) throw std::invalid_argument("the plan's weights lie outside its part");
  return found;
}

/// @param width, height of the image
/// @throws std::invalid_argument where the plan and these do not fit together
Plan planOf(const Napi::Value& value, uint32_t width, uint32_t height, const Bytes& out) {
  const auto object = value.As<Napi::Object>();
  Plan plan;
  plan.x = intOf(object, "x");
  plan.y = intOf(object, "y");
  plan.width = intOf(object, "width");
  plan.height = intOf(object, "height");
  plan.outWidth = intOf(object, "outWidth");
  plan.outHeight = intOf(object, "outHeight");
  plan.mirror = object.Get("mirror").As<Napi::Boolean>().Value();
  const auto inside = [](int32_t from, int32_t length, uint32_t size) {
    return from >= 0 && length >= 1 && static_cast<int64_t>(from) + length <= static_cast<int64_t>(size);
  };
  if (!inside(plan.x, plan.width, width) || !inside(plan.y, plan.height, height))
    throw std::invalid_argument("the plan's part lies outside the image");
  if (plan.outWidth < 1 || plan.outHeight < 1 ||
      out.size != 3 * static_cast<size_t>(plan.outWidth) * static_cast<size_t>(plan.outHeight))
    throw std::invalid_argument("the result has another size than the plan");
  const auto across = object.Get("across"), down = object.Get("down");
  if (!across.IsNull()) plan.across = weightsOf(across, plan.width, plan.outWidth);
  else if (plan.outWidth != plan.width) throw std::invalid_argument("the plan has no weights across");
  if (!down.IsNull()) plan.down = weightsOf(down, plan.height, plan.outHeight);
  else if (plan.outHeight != plan.height) throw std::invalid_argument("the plan has no weights down");
  return plan;
}

/// decode(bytes, width, height, plan, out) -> false where the file is no plain JPEG after all
Napi::Value Decode(const Napi::CallbackInfo& info) {
  const auto [data, size] = bytesOf(info[0]);
  const uint32_t width = info[1].As<Napi::Number>().Uint32Value(), height = info[2].As<Napi::Number>().Uint32Value();
  const auto out = bytesOf(info[4]);
  const Plan plan = planOf(info[3], width, height, out);
  Resampler resampler(plan, out.data, bestInstructions());
  std::string reason;
  const auto outcome = decodeJpeg(data, size, width, height, plan, resampler, reason);
  if (outcome == Outcome::damaged) throw std::runtime_error(reason);
  return Napi::Boolean::New(info.Env(), outcome == Outcome::done);
}

/// resample(pixels [height, width, 3], width, height, plan, out, 'scalar'?)
Napi::Value Resample(const Napi::CallbackInfo& info) {
  const auto [data, size] = bytesOf(info[0]);
  const uint32_t width = info[1].As<Napi::Number>().Uint32Value(), height = info[2].As<Napi::Number>().Uint32Value();
  if (size != 3 * static_cast<size_t>(width) * height) throw std::invalid_argument("the pixels have another size");
  const auto out = bytesOf(info[4]);
  const Plan plan = planOf(info[3], width, height, out);
  Resampler resampler(plan, out.data, info[5].IsUndefined() ? bestInstructions() : Instructions::scalar);
  const size_t stride = 3 * static_cast<size_t>(width), rowBytes = 3 * static_cast<size_t>(plan.width);
  std::vector<uint8_t> copies[2];  // the image's last pixels have nothing behind them that may be read
  const auto row = [&](int32_t y) -> const uint8_t* {
    const uint8_t* at = data + (static_cast<size_t>(plan.y) + y) * stride + 3 * static_cast<size_t>(plan.x);
    if (at + rowBytes + kSlack <= data + size) return at;
    auto& copy = copies[y % 2];
    copy.resize(rowBytes + kSlack);
    std::memcpy(copy.data(), at, rowBytes);
    return copy.data();
  };
  for (int32_t y = 0; y < plan.height; y += 2) resampler.rows(row(y), y + 1 < plan.height ? row(y + 1) : nullptr);
  resampler.finish();
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  const char* version = jpegVersion();
  exports.Set("jpeg", version ? Napi::Value(Napi::String::New(env, version)) : env.Null());
  exports.Set("instructions", bestInstructions() == Instructions::avx2 ? "avx2" : "scalar");
  exports.Set("decode", Napi::Function::New(env, Decode));
  exports.Set("resample", Napi::Function::New(env, Resample));
  return exports;
}

NODE_API_MODULE(padezoo_images, Init)

}  // namespace
}  // namespace padezoo::images
