// Plain JPEGs through libjpeg-turbo: only what a plan needs of them is decoded, into a Resampler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "resampler.h"

namespace padezoo::images {

enum class Outcome {
  done,
  damaged,  // `reason` says how
  odd,      // not of the kind that is decoded here, or its header is damaged: another decoder may judge
};

/// The libjpeg-turbo that the addon was compiled with, e.g. "2.1.5"; null without one.
const char* jpegVersion();

/// Decodes the plan's part of a plain JPEG into `resampler`, and reads the rest of the file so far as to see that it is
/// sound: whether an image is damaged does not depend on the part.
/// @param width, height what the header was found to say
Outcome decodeJpeg(const uint8_t* bytes, size_t size, uint32_t width, uint32_t height, const Plan& plan,
                   Resampler& resampler, std::string& reason);

}  // namespace padezoo::images
