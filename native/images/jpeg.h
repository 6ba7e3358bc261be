// Plain JPEGs through libjpeg-turbo: only what a plan needs of them is decoded, into a Resampler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "resampler.h"

namespace padezoo::images {

struct JpegHeader {
  uint32_t width = 0, height = 0;
  bool exif = false;
};

enum class Outcome {
  done,
  damaged,  // `reason` says how
  odd,      // not of the kind that is decoded here, or its header is damaged: another decoder may judge
};

/// The libjpeg-turbo that the addon was compiled with, e.g. "2.1.5"; null without one.
const char* jpegVersion();

/// Size and kind as the file's first markers have them, without libjpeg. Whether the file is plain (8 bits, grey or YCbCr,
/// Huffman-coded, no more than `maxPixels`) is certain only when `decodeJpeg` has looked closer.
bool readJpegHeader(const uint8_t* bytes, size_t size, uint64_t maxPixels, JpegHeader& header);

/// Decodes the plan's part of a plain JPEG into `resampler`, and reads the rest of the file so far as to see that it is
/// sound: whether an image is damaged does not depend on the part.
/// @param header what `readJpegHeader` said
Outcome decodeJpeg(const uint8_t* bytes, size_t size, const JpegHeader& header, const Plan& plan, Resampler& resampler,
                   std::string& reason);

}  // namespace padezoo::images
