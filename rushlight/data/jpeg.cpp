// JPEG by libjpeg-turbo. As in png.cpp, nothing that needs a destructor is made where its errors jump.
#include "rushlight/data/libraries.h"
#include "rushlight/data/pixels.h"

#ifdef RL_HAVE_JPEG
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

extern "C" {
#include <jerror.h>
#include <jpeglib.h>
}

namespace rushlight::data {
namespace {

struct Errors {
  jpeg_error_mgr base;  // first: libjpeg gives a pointer to it back
  jmp_buf back;
  bool strict = true;
  int worst = 0;  // the code of the first warning that tells of damage
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void on_error(j_common_ptr c) {
  auto* e = reinterpret_cast<Errors*>(c->err);
  c->err->format_message(c, e->message);
  longjmp(e->back, 1);
}

// Remarks on a file's oddities are common and harmless; these say that pixels were lost.
bool tells_of_damage(int code) {
  return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC ||
         code == JWRN_BOGUS_PROGRESSION || code == JWRN_JPEG_EOF;
}
void on_message(j_common_ptr c, int level) {
  auto* e = reinterpret_cast<Errors*>(c->err);
  if (level >= 0) return;
  e->base.num_warnings++;
  // The end of the file is an error whatever was asked for, as it is for torchvision.
  if (tells_of_damage(c->err->msg_code) && (e->strict || c->err->msg_code == JWRN_JPEG_EOF)) on_error(c);
}

struct Source {
  jpeg_source_mgr base;
  std::span<const uint8_t> bytes;
};
void nothing(j_decompress_ptr) {}
boolean on_fill(j_decompress_ptr c) {  // called when all bytes are used up
  ERREXIT(c, JERR_INPUT_EOF);
  return FALSE;
}
void on_skip(j_decompress_ptr c, long count) {
  if (count <= 0) return;
  if (size_t(count) > c->src->bytes_in_buffer) ERREXIT(c, JERR_INPUT_EOF);
  c->src->next_input_byte += count;
  c->src->bytes_in_buffer -= size_t(count);
}

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& where, bool strict) : where_(where) {
    RL_CHECK(FileError, image_kind(bytes) == ImageKind::Jpeg, where, ": no JPEG file");
    c.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    errors_.strict = strict;
    source_.bytes = bytes;
    guarded([this] { jpeg_create_decompress(&c); });
    source_.base = {bytes.data(), bytes.size(), nothing, on_fill, on_skip, jpeg_resync_to_restart, nothing};
    c.src = &source_.base;
  }
  ~Reader() { jpeg_destroy_decompress(&c); }
  Reader(const Reader&) = delete;

  void read_header() {
    guarded([this] {
      jpeg_save_markers(&c, JPEG_APP0 + 1, 0xFFFF);
      jpeg_read_header(&c, TRUE);
    });
  }
  template <class F> void guarded(F f, int64_t row = -1) {
    if (setjmp(errors_.back) == 0) {
      f();
      return;
    }
    fail(row);
  }
  int orientation() const {
    for (jpeg_saved_marker_ptr m = c.marker_list; m; m = m->next)
      if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && std::memcmp(m->data, "Exif\0\0", 6) == 0)
        return exif_orientation({m->data + 6, m->data_length - 6});
    return 1;
  }
  int channels() const { return c.num_components == 1 ? 1 : 3; }
  [[noreturn]] void fail(int64_t row) {
    const size_t at = source_.bytes.size() - source_.base.bytes_in_buffer;
    std::string text = errors_.base.msg_code == JERR_INPUT_EOF
                           ? str("the file ends at byte ", source_.bytes.size(), "; it is cut short")
                           : str(errors_.message, ", at byte ", at);
    throw FileError(row < 0 ? str(where_, ": ", text)
                            : str(where_, ": ", text, ", in row ", row, " of ", c.image_height));
  }

  jpeg_decompress_struct c{};

 private:
  Errors errors_{};
  Source source_{};
  const std::string& where_;
};

}  // namespace

ImageInfo jpeg_info(std::span<const uint8_t> bytes, const std::string& where) {
  Reader r(bytes, where, true);
  r.read_header();
  return {ImageKind::Jpeg, r.c.image_width, r.c.image_height, r.channels(), 8, r.orientation()};
}

Tensor decode_jpeg(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& options) {
  Reader r(bytes, where, options.strict);
  r.read_header();
  const int64_t width = r.c.image_width, height = r.c.image_height;
  check_picture_size(width, height, where, options);
  // Huffman codes spend a bit at least on each block of 8 x 8; arithmetic ones, which nearly nobody writes, may spend less.
  RL_CHECK(FileError, r.c.arith_code || width * height / 512 <= int64_t(bytes.size()), where, ": the header says ",
           width, " x ", height, " pixels, but the file's ", bytes.size(),
           " bytes can't hold them; it is cut short or made to harm");
  const bool cmyk = r.c.num_components == 4;
  RL_CHECK(FileError, r.c.num_components == 1 || r.c.num_components == 3 || cmyk, where, ": ", r.c.num_components,
           " colour components, expected 1, 3 or 4");
  const bool gray = !cmyk && (options.mode == ImageMode::Gray || options.mode == ImageMode::GrayAlpha ||
                              (options.mode == ImageMode::Unchanged && r.c.num_components == 1));
  r.c.out_color_space = cmyk ? JCS_CMYK : gray ? JCS_GRAYSCALE : JCS_RGB;
  // libjpeg can't make gray of RGB that was stored as such.
  if (gray && r.c.jpeg_color_space == JCS_RGB) r.c.out_color_space = JCS_RGB;
  const int channels = cmyk || r.c.out_color_space == JCS_RGB ? 3 : 1;

  const int orientation = options.apply_exif_orientation ? r.orientation() : 1;
  std::vector<uint8_t> row(size_t(width) * size_t(cmyk ? 4 : channels));
  int scans = 0;
  if (jpeg_has_multiple_scans(&r.c)) {
    // All of the file first: what it says is then known to be there before a tensor is made.
    r.c.buffered_image = TRUE;
    r.guarded([&r] { jpeg_start_decompress(&r.c); });
    for (;;) {
      int status = 0;
      r.guarded([&r, &status] { status = jpeg_consume_input(&r.c); });
      if (status == JPEG_REACHED_EOI) break;
      if (status == JPEG_REACHED_SOS) scans++;
      RL_CHECK(FileError, scans <= 200, where, ": more than 200 scans over one picture; the file is made to harm");
    }
    r.guarded([&r] { jpeg_start_output(&r.c, r.c.input_scan_number); });
  } else {
    r.guarded([&r] { jpeg_start_decompress(&r.c); });
  }
  RL_INVARIANT(int64_t(r.c.output_width) == width && int64_t(r.c.output_height) == height, "decode_jpeg: other sizes");

  Planes planes(width, height, channels, 8, options.mode);
  for (int64_t y = 0; y < height; y++) {
    JSAMPROW to = row.data();
    r.guarded([&r, &to] { jpeg_read_scanlines(&r.c, &to, 1); }, y);
    if (cmyk) {
      // Adobe's programs write the four inverted.
      const bool inverted = r.c.saw_Adobe_marker;
      uint8_t* p = row.data();
      for (int64_t x = 0; x < width; x++) {
        unsigned v[4];
        for (int i = 0; i < 4; i++) v[i] = inverted ? p[4 * x + i] : 255u - p[4 * x + i];
        for (int i = 0; i < 3; i++) p[3 * x + i] = uint8_t((v[i] * v[3] + 127) / 255);
      }
    }
    planes.put_row(y, row.data());
  }
  if (scans == 0) r.guarded([&r] { jpeg_finish_decompress(&r.c); });
  return planes.finish(orientation);
}

std::string encode_jpeg(const Tensor& image, int quality) {
  RL_CHECK(ValueError, image.defined() && image.dim() == 3, "encode_jpeg: expected a tensor (C, H, W), got ",
           image.defined() ? str(image.dim(), " dimensions") : "none");
  RL_CHECK(TypeError, image.dtype() == DType::UInt8 && image.device().is_cpu() && image.layout() == Layout::Strided,
           "encode_jpeg: expected a uint8 tensor on the CPU, got ", name_of(image.dtype()));
  const int64_t C = image.size(0), H = image.size(1), W = image.size(2);
  RL_CHECK(ValueError, C == 1 || C == 3, "encode_jpeg: expected 1 or 3 channels, got ", C);
  RL_CHECK(ValueError, H > 0 && W > 0 && H <= 65500 && W <= 65500, "encode_jpeg: a picture of ", W, " x ", H,
           " pixels can't be written; each side is 1 to 65500");
  RL_CHECK(ValueError, quality >= 1 && quality <= 100, "encode_jpeg: expected a quality of 1 to 100, got ", quality);
  Errors errors{};
  jpeg_compress_struct c{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  std::vector<uint8_t> row(size_t(C * W));
  c.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_error;
  if (setjmp(errors.back) == 0) {
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    c.image_width = JDIMENSION(W);
    c.image_height = JDIMENSION(H);
    c.input_components = int(C);
    c.in_color_space = C == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    jpeg_start_compress(&c, TRUE);
    for (int64_t y = 0; y < H; y++) {
      copy_row(image, y, row.data());
      JSAMPROW from = row.data();
      jpeg_write_scanlines(&c, &from, 1);
    }
    jpeg_finish_compress(&c);
  } else {
    jpeg_destroy_compress(&c);
    std::free(bytes);
    throw RuntimeError(str("encode_jpeg: ", errors.message));
  }
  jpeg_destroy_compress(&c);
  std::string out(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return out;
}

}  // namespace rushlight::data

#else

namespace rushlight::data {
ImageInfo jpeg_info(std::span<const uint8_t>, const std::string& where) { fail_missing_library(where, "jpeg"); }
Tensor decode_jpeg(std::span<const uint8_t>, const std::string& where, const ImageOptions&) {
  fail_missing_library(where, "jpeg");
}
std::string encode_jpeg(const Tensor&, int) { fail_missing_library("encode_jpeg", "jpeg"); }
}  // namespace rushlight::data

#endif
