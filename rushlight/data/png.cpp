// PNG by libpng. Its errors come by longjmp, which runs no destructors: each function that calls setjmp keeps its objects outside of
// what it jumps over.
#include "rushlight/data/libraries.h"
#include "rushlight/data/pixels.h"
#include "rushlight/data/swap.h"

#ifdef RL_HAVE_PNG
#include <png.h>

#include <bit>
#include <cstring>
#include <memory>
#include <vector>

namespace rushlight::data {
namespace {

struct Input {
  std::span<const uint8_t> bytes;
  size_t at = 0;
  bool cut = false;
  char message[160] = "";
  jmp_buf back;
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto* in = static_cast<Input*>(png_get_error_ptr(png));
  if (!*in->message) std::strncpy(in->message, text, sizeof(in->message) - 1);
  longjmp(in->back, 1);
}
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t count) {
  auto* in = static_cast<Input*>(png_get_io_ptr(png));
  if (count > in->bytes.size() - in->at) {
    in->cut = true;
    png_error(png, "the file is cut short");
  }
  std::memcpy(to, in->bytes.data() + in->at, count);
  in->at += count;
}

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& where) : where_(where) {
    in_.bytes = bytes;
    RL_CHECK(FileError, image_kind(bytes) == ImageKind::Png, where, ": no PNG file");
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &in_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw OutOfMemory(str(where, ": libpng gets no memory"));
    }
    png_set_read_fn(png_, &in_, on_read);
#ifdef PNG_MAXIMUM_INFLATE_WINDOW
    png_set_option(png_, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
#endif
    png_set_chunk_malloc_max(png_, 8 << 20);
    // Texts, profiles and EXIF are skipped: libpng inflates them, and takes memory for EXIF as large as the file says.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;

  void read_header() {
    // Sizes are checked by ours, with the caller's limit.
    png_set_user_limits(png_, 0x7FFFFFFF, 0x7FFFFFFF);
    guarded([this] { png_read_info(png_, info_); }, "the header");
    width = png_get_image_width(png_, info_);
    height = png_get_image_height(png_, info_);
    type = png_get_color_type(png_, info_);
    depth = png_get_bit_depth(png_, info_);
    transparent = png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
  }

  // Runs what may longjmp. `f` must hold nothing that needs a destructor.
  template <class F> void guarded(F f, const char* what, int64_t row = -1) {
    if (setjmp(in_.back) == 0) {
      f();
      return;
    }
    fail(what, row);
  }

  int64_t width = 0, height = 0;
  int type = 0, depth = 0;
  bool transparent = false;

  // After the transformations of decode_png.
  int channels() const {
    const bool color = type & PNG_COLOR_MASK_COLOR;
    return (color ? 3 : 1) + (type & PNG_COLOR_MASK_ALPHA || transparent ? 1 : 0);
  }
  // Of the chunk eXIf, wherever it is.
  int orientation() const {
    const std::span<const uint8_t> b = in_.bytes;
    for (size_t at = 8; at + 12 <= b.size();) {
      const size_t size = big_u32(b.data() + at);
      if (size > b.size() - at - 12) break;
      if (std::memcmp(b.data() + at + 4, "eXIf", 4) == 0) return exif_orientation(b.subspan(at + 8, size));
      at += 12 + size;
    }
    return 1;
  }
  png_structp png() { return png_; }
  png_infop info() { return info_; }

 private:
  [[noreturn]] void fail(const char* what, int64_t row) {
    std::string text =
        in_.cut ? str("the file ends at byte ", in_.bytes.size()) : str(in_.message, ", at byte ", in_.at);
    throw FileError(row < 0 ? str(where_, ": ", text, ", in ", what)
                            : str(where_, ": ", text, ", in row ", row, " of ", height));
  }
  Input in_;
  const std::string& where_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

struct Output {
  std::string bytes;
  std::string failure;
  char message[160] = "";
  jmp_buf back;
};

[[noreturn]] void on_write_error(png_structp png, png_const_charp text) {
  auto* out = static_cast<Output*>(png_get_error_ptr(png));
  std::strncpy(out->message, text, sizeof(out->message) - 1);
  longjmp(out->back, 1);
}
void on_write(png_structp png, png_bytep from, size_t count) {
  auto* out = static_cast<Output*>(png_get_io_ptr(png));
  bool fits = true;
  try {
    out->bytes.append(reinterpret_cast<const char*>(from), count);
  } catch (const std::bad_alloc&) { fits = false; }
  if (!fits) png_error(png, "no memory is left");
}
void on_flush(png_structp) {}

}  // namespace

ImageInfo png_info(std::span<const uint8_t> bytes, const std::string& where) {
  Reader r(bytes, where);
  r.read_header();
  return {ImageKind::Png, r.width, r.height, r.channels(), r.depth == 16 ? 16 : 8, r.orientation()};
}

Tensor decode_png(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& options) {
  Reader r(bytes, where);
  r.read_header();
  check_picture_size(r.width, r.height, where, options);
  // Deflate makes 1 byte of 1032 at best, so a file of this size can't hold the picture that its header claims.
  const int64_t bits = r.depth * png_get_channels(r.png(), r.info());
  const int64_t raw = (r.width * bits / 8 + 1) * r.height;
  RL_CHECK(FileError, raw / 1032 <= int64_t(bytes.size()), where, ": the header says ", r.width, " x ", r.height,
           " pixels, but the file's ", bytes.size(), " bytes can't hold them; it is cut short or made to harm");

  // Whatever is in the file comes out as gray or RGB of 8 or 16 bits, with alpha if there is one.
  int passes = 1;
  r.guarded(
      [&r, &passes] {
        if (r.type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(r.png());
        if (r.type == PNG_COLOR_TYPE_GRAY && r.depth < 8) png_set_expand_gray_1_2_4_to_8(r.png());
        if (r.transparent) png_set_tRNS_to_alpha(r.png());
        if (r.depth == 16 && std::endian::native == std::endian::little) png_set_swap(r.png());
        passes = png_set_interlace_handling(r.png());
        png_read_update_info(r.png(), r.info());
      },
      "the header");
  const int channels = r.channels();
  const size_t row_bytes = png_get_rowbytes(r.png(), r.info());
  RL_INVARIANT(row_bytes == size_t(r.width * channels * (r.depth == 16 ? 2 : 1)), "decode_png: ", row_bytes);

  Planes planes(r.width, r.height, channels, r.depth == 16 ? 16 : 8, options.mode);
  // An interlaced picture comes in passes over all of it.
  std::vector<uint8_t> rows(passes > 1 ? row_bytes * size_t(r.height) : row_bytes);
  png_structp png = r.png();
  for (int pass = 0; pass < passes; pass++) {
    for (int64_t y = 0; y < r.height; y++) {
      uint8_t* row = rows.data() + (passes > 1 ? row_bytes * size_t(y) : 0);
      r.guarded([png, row] { png_read_row(png, row, nullptr); }, "", y);
      if (pass + 1 == passes) planes.put_row(y, row);
    }
  }
  return planes.finish(options.apply_exif_orientation ? r.orientation() : 1);
}

std::string encode_png(const Tensor& image, int compression_level) {
  RL_CHECK(ValueError, image.defined() && image.dim() == 3, "encode_png: expected a tensor (C, H, W), got ",
           image.defined() ? str(image.dim(), " dimensions") : "none");
  RL_CHECK(TypeError, image.dtype() == DType::UInt8 && image.device().is_cpu() && image.layout() == Layout::Strided,
           "encode_png: expected a uint8 tensor on the CPU, got ", name_of(image.dtype()));
  const int64_t C = image.size(0), H = image.size(1), W = image.size(2);
  RL_CHECK(ValueError, C >= 1 && C <= 4, "encode_png: expected 1 to 4 channels, got ", C);
  RL_CHECK(ValueError, H > 0 && W > 0 && H <= INT32_MAX && W <= INT32_MAX, "encode_png: a picture of ", W, " x ", H,
           " pixels can't be written");
  RL_CHECK(ValueError, compression_level >= 0 && compression_level <= 9,
           "encode_png: expected a compression level of 0 to 9, got ", compression_level);
  Output out;
  std::vector<uint8_t> row(size_t(C * W));
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &out, on_write_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) {
    png_destroy_write_struct(&png, &info);
    throw OutOfMemory("encode_png: libpng gets no memory");
  }
  static constexpr int types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGBA};
  if (setjmp(out.back) == 0) {
    png_set_write_fn(png, &out, on_write, on_flush);
    png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
    png_set_IHDR(png, info, png_uint_32(W), png_uint_32(H), 8, types[C - 1], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, compression_level);
    png_write_info(png, info);
    for (int64_t y = 0; y < H; y++) {
      copy_row(image, y, row.data());
      png_write_row(png, row.data());
    }
    png_write_end(png, info);
  } else {
    png_destroy_write_struct(&png, &info);
    throw RuntimeError(str("encode_png: ", out.message));
  }
  png_destroy_write_struct(&png, &info);
  return std::move(out.bytes);
}

}  // namespace rushlight::data

#else

namespace rushlight::data {
ImageInfo png_info(std::span<const uint8_t>, const std::string& where) { fail_missing_library(where, "png"); }
Tensor decode_png(std::span<const uint8_t>, const std::string& where, const ImageOptions&) {
  fail_missing_library(where, "png");
}
std::string encode_png(const Tensor&, int) { fail_missing_library("encode_png", "png"); }
}  // namespace rushlight::data

#endif
