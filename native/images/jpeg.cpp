// Decodes with libjpeg-turbo where the set-up has found it; without it no JPEG is plain.
#include "jpeg.h"

#ifdef PADEZOO_LIBJPEG
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

namespace padezoo::images {
namespace {

#define PADEZOO_TEXT(x) #x
#define PADEZOO_TEXT_OF(x) PADEZOO_TEXT(x)

constexpr int kMaxScans = 100;               // photographs have about 10; each scan of a small file can cover a huge image
constexpr uint64_t kMaxBuffered = 1 << 26;   // pixels, where all coefficients have to lie in memory: 6 bytes each
constexpr JDIMENSION kMaxMcu = 2 * DCTSIZE;  // pixels: where a crop begins is rounded down to a multiple
constexpr JDIMENSION kMargin = 4;  // pixels: upsampling looks one sample of chroma, two pixels, beyond the part

/// Errors and warnings end the decoding: what is damaged is not to become pixels.
struct Failure : jpeg_error_mgr {
  std::jmp_buf escape;
  char reason[JMSG_LENGTH_MAX];
};

[[noreturn]] void fail(j_common_ptr jpeg) {
  auto* failure = static_cast<Failure*>(jpeg->err);
  failure->format_message(jpeg, failure->reason);
  std::longjmp(failure->escape, 1);
}

void onMessage(j_common_ptr jpeg, int level) {
  if (level < 0) fail(jpeg);
}

void onProgress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxScans) return;
  auto* failure = static_cast<Failure*>(jpeg->err);
  std::snprintf(failure->reason, sizeof failure->reason, "has more than %d scans", kMaxScans);
  std::longjmp(failure->escape, 1);
}

/// A decompressor that is freed, however its user is left. It holds no lock and no object whose destructor longjmp skips.
struct Decompressor {
  jpeg_decompress_struct jpeg{};
  Failure failure{};
  jpeg_progress_mgr progress{};

  Decompressor() {
    jpeg.err = jpeg_std_error(&failure);
    failure.error_exit = fail;
    failure.emit_message = onMessage;
    progress.progress_monitor = onProgress;
  }
  ~Decompressor() { jpeg_destroy_decompress(&jpeg); }

  void open(const uint8_t* bytes, size_t size) {
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &progress;
    jpeg_mem_src(&jpeg, bytes, static_cast<unsigned long>(size));
    jpeg_read_header(&jpeg, TRUE);
  }
};

bool isPlain(const jpeg_decompress_struct& jpeg) {
  if (jpeg.data_precision != 8 || jpeg.arith_code) return false;
  if (jpeg.num_components == 1) return jpeg.jpeg_color_space == JCS_GRAYSCALE;
  if (jpeg.num_components != 3 || jpeg.jpeg_color_space != JCS_YCbCr) return false;
  const jpeg_component_info* parts = jpeg.comp_info;
  for (int i = 1; i < 3; i++)
    if (parts[i].h_samp_factor != 1 || parts[i].v_samp_factor != 1) return false;
  return parts[0].h_samp_factor <= 2 && parts[0].v_samp_factor <= 2;
}

/// A progressive file may leave the last bits of its coefficients out, and libjpeg then smooths what it has: its releases do
/// that differently.
bool isComplete(const jpeg_decompress_struct& jpeg) {
  if (!jpeg.coef_bits) return true;
  for (int part = 0; part < jpeg.num_components; part++)
    for (int i = 0; i < DCTSIZE2; i++)
      if (jpeg.coef_bits[part][i] != 0) return false;
  return true;
}

}  // namespace

const char* jpegVersion() { return PADEZOO_TEXT_OF(LIBJPEG_TURBO_VERSION); }

Outcome decodeJpeg(const uint8_t* bytes, size_t size, uint32_t width, uint32_t height, const Plan& plan,
                   Resampler& resampler, std::string& reason) {
  Decompressor decompressor;
  auto& jpeg = decompressor.jpeg;
  // Filled before a longjmp can skip what comes after; two rows, as the resampler likes them.
  const size_t stride = 3 * (static_cast<size_t>(plan.width) + 2 * kMargin + kMaxMcu) + kSlack;
  std::vector<uint8_t> rows(2 * stride);
  volatile bool known = false;
  if (setjmp(decompressor.failure.escape)) {
    reason = decompressor.failure.reason;
    return known ? Outcome::damaged : Outcome::odd;
  }
  decompressor.open(bytes, size);
  if (!isPlain(jpeg) || jpeg.image_width != width || jpeg.image_height != height) return Outcome::odd;
  if (jpeg_has_multiple_scans(&jpeg) && static_cast<uint64_t>(width) * height > kMaxBuffered) return Outcome::odd;
  known = true;
  jpeg.out_color_space = JCS_RGB;
  jpeg.dct_method = JDCT_ISLOW;  // as Pillow, as sharp
  jpeg_start_decompress(&jpeg);
  if (!isComplete(jpeg)) return Outcome::odd;

  const auto left = static_cast<JDIMENSION>(plan.x), right = static_cast<JDIMENSION>(plan.x + plan.width);
  JDIMENSION x = left > kMargin ? left - kMargin : 0;
  JDIMENSION columns = std::min(jpeg.output_width, right + kMargin) - x;
  if (columns < jpeg.output_width) jpeg_crop_scanline(&jpeg, &x, &columns);

  const auto top = static_cast<JDIMENSION>(plan.y), bottom = static_cast<JDIMENSION>(plan.y + plan.height);
  if (top > 0) jpeg_skip_scanlines(&jpeg, top);
  const uint8_t* part = rows.data() + 3 * (left - x);
  for (JDIMENSION y = top; y < bottom;) {
    const JDIMENSION wanted = std::min<JDIMENSION>(2, bottom - y);
    JSAMPROW pointers[2] = {rows.data(), rows.data() + stride};
    for (JDIMENSION got = 0; got < wanted;) got += jpeg_read_scanlines(&jpeg, pointers + got, wanted - got);
    resampler.rows(part, wanted == 2 ? part + stride : nullptr);
    y += wanted;
  }
  // To skip to the very end would not read the rest, so the last row is read.
  if (bottom < jpeg.output_height) {
    if (bottom + 1 < jpeg.output_height) jpeg_skip_scanlines(&jpeg, jpeg.output_height - 1 - bottom);
    JSAMPROW pointer = rows.data();
    jpeg_read_scanlines(&jpeg, &pointer, 1);
  }
  resampler.finish();
  return Outcome::done;
}

}  // namespace padezoo::images

#else

namespace padezoo::images {

const char* jpegVersion() { return nullptr; }

Outcome decodeJpeg(const uint8_t*, size_t, uint32_t, uint32_t, const Plan&, Resampler&, std::string&) {
  return Outcome::odd;
}

}  // namespace padezoo::images
#endif
