// Bitmaps of Windows: headers of 40 to 124 bytes, 1, 4, 8 (palette), 16, 24 and 32 bits, plain or with masks, bottom-up or top-down, and
// runs (RLE8). Not read: OS/2's headers, RLE4, embedded JPEG and PNG.
#include <array>
#include <bit>
#include <vector>

#include "rushlight/data/pixels.h"

namespace rushlight::data {
namespace {

enum Compression : uint32_t { kPlain = 0, kRuns8 = 1, kMasks = 3, kMasksAlpha = 6 };

struct Mask {
  uint32_t bits = 0;
  // The masked bits, scaled to 0 .. 255.
  uint8_t of(uint32_t pixel) const {
    if (!bits) return 255;
    const int low = std::countr_zero(bits);
    const uint64_t most = bits >> low;
    return uint8_t((uint64_t((pixel & bits) >> low) * 255 + most / 2) / most);
  }
};

struct Header {
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, compression = 0;
  size_t pixels = 0;  // where they begin
  Mask red, green, blue, alpha;
  std::vector<std::array<uint8_t, 3>> palette;
  bool gray = false;  // all colours of the palette are
  int channels() const { return bits <= 8 ? gray ? 1 : 3 : alpha.bits ? 4 : 3; }
};

class File {
 public:
  File(std::span<const uint8_t> bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  uint32_t u16(size_t at) const {
    need(at, 2);
    return uint32_t(bytes_[at] | bytes_[at + 1] << 8);
  }
  uint32_t u32(size_t at) const { return u16(at) | u16(at + 2) << 16; }
  void need(size_t at, size_t count) const {
    RL_CHECK(FileError, at <= bytes_.size() && count <= bytes_.size() - at, where_, ": the file ends at byte ",
             bytes_.size(), ", but ", count, " bytes at ", at, " are needed; it is cut short");
  }

 private:
  std::span<const uint8_t> bytes_;
  const std::string& where_;
};

Header read_header(std::span<const uint8_t> bytes, const std::string& where) {
  RL_CHECK(FileError, image_kind(bytes) == ImageKind::Bmp, where, ": no BMP file");
  File f(bytes, where);
  const uint32_t size = f.u32(14);
  RL_CHECK(FileError, size >= 40 && size <= 124, where, ": a bitmap header of ", size,
           " bytes at byte 14; those of 40 to 124 are read");
  Header h;
  h.pixels = f.u32(10);
  h.width = int32_t(f.u32(18));
  const int64_t height = int32_t(f.u32(22));
  h.top_down = height < 0;
  h.height = height < 0 ? -height : height;
  h.bits = f.u16(28);
  h.compression = f.u32(30);
  const bool depth_known = h.bits == 1 || h.bits == 4 || h.bits == 8 || h.bits == 16 || h.bits == 24 || h.bits == 32;
  RL_CHECK(FileError, depth_known, where, ": ", h.bits, " bits a pixel at byte 28, expected 1, 4, 8, 16, 24 or 32");
  const bool masks = h.compression == kMasks || h.compression == kMasksAlpha;
  RL_CHECK(FileError,
           h.compression == kPlain || (h.compression == kRuns8 && h.bits == 8 && !h.top_down) ||
               (masks && (h.bits == 16 || h.bits == 32)),
           where, ": compression ", h.compression, " with ", h.bits,
           " bits is not read; plain bitmaps, masks and RLE8 are");
  if (masks) {
    h.red.bits = f.u32(54);
    h.green.bits = f.u32(58);
    h.blue.bits = f.u32(62);
    if (size >= 56 || h.compression == kMasksAlpha) h.alpha.bits = f.u32(66);
  } else if (h.bits == 16) {
    h.red.bits = 0x7C00, h.green.bits = 0x3E0, h.blue.bits = 0x1F;
  } else {
    h.red.bits = 0xFF0000, h.green.bits = 0xFF00, h.blue.bits = 0xFF;
  }
  if (h.bits <= 8) {
    const uint32_t most = 1u << h.bits, said = f.u32(46);
    const size_t count = said == 0 || said > most ? most : said, at = 14 + size_t(size);
    f.need(at, 4 * count);
    h.gray = true;
    for (size_t i = 0; i < count; i++) {
      const uint8_t* c = bytes.data() + at + 4 * i;
      h.palette.push_back({c[2], c[1], c[0]});
      h.gray = h.gray && c[0] == c[1] && c[1] == c[2];
    }
  }
  return h;
}

// The indices of an RLE8 picture, rows in the file's order.
std::vector<uint8_t> read_runs(const Header& h, std::span<const uint8_t> bytes, const std::string& where) {
  std::vector<uint8_t> out(size_t(h.width * h.height), 0);
  File f(bytes, where);
  int64_t x = 0, y = 0;
  auto put = [&](size_t at, uint8_t index) {
    RL_CHECK(FileError, x < h.width && y < h.height, where, ": the run at byte ", at, " leaves the picture");
    out[size_t(y * h.width + x++)] = index;
  };
  for (size_t at = h.pixels;;) {
    f.need(at, 2);
    const uint8_t count = bytes[at], value = bytes[at + 1];
    const size_t start = at;
    at += 2;
    if (count) {
      for (int i = 0; i < count; i++) put(start, value);
    } else if (value == 0) {
      x = 0, y++;
    } else if (value == 1) {
      return out;
    } else if (value == 2) {
      f.need(at, 2);
      x += bytes[at], y += bytes[at + 1];
      at += 2;
    } else {
      f.need(at, size_t(value + value % 2));
      for (int i = 0; i < value; i++) put(start, bytes[at + size_t(i)]);
      at += size_t(value + value % 2);
    }
  }
}

}  // namespace

ImageInfo bmp_info(std::span<const uint8_t> bytes, const std::string& where) {
  Header h = read_header(bytes, where);
  return {ImageKind::Bmp, h.width, h.height, h.channels(), 8, 1};
}

Tensor decode_bmp(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& options) {
  const Header h = read_header(bytes, where);
  check_picture_size(h.width, h.height, where, options);
  File f(bytes, where);
  const size_t stride = size_t((h.width * h.bits + 31) / 32 * 4);
  std::vector<uint8_t> indices;
  if (h.compression == kRuns8) {
    // 255 pixels a pair of bytes at most, and whole rows may be left out: so little data for so many pixels is no picture.
    RL_CHECK(FileError, h.width * h.height <= (int64_t(bytes.size()) + 64) * 4096, where, ": ", h.width, " x ",
             h.height, " pixels in ", bytes.size(), " bytes");
    indices = read_runs(h, bytes, where);
  } else {
    // The last row may lack its padding.
    const size_t last = size_t((h.width * h.bits + 7) / 8);
    f.need(h.pixels, stride * size_t(h.height - 1) + last);
  }

  const int channels = h.channels();
  Planes planes(h.width, h.height, channels, 8, options.mode);
  std::vector<uint8_t> row(size_t(h.width * channels));
  for (int64_t i = 0; i < h.height; i++) {
    const int64_t y = h.top_down ? i : h.height - 1 - i;
    const uint8_t* in = bytes.data() + h.pixels + stride * size_t(i);
    uint8_t* out = row.data();
    if (h.bits <= 8) {
      for (int64_t x = 0; x < h.width; x++) {
        const size_t index = !indices.empty() ? indices[size_t(i * h.width + x)]
                             : h.bits == 8 ? in[x]
                                           : in[x * h.bits / 8] >> (8 - h.bits - x * h.bits % 8) & ((1 << h.bits) - 1);
        RL_CHECK(FileError, index < h.palette.size(), where, ": row ", y, " has colour ", index, " of a palette of ",
                 h.palette.size());
        for (int c = 0; c < channels; c++) *out++ = h.palette[index][size_t(c)];
      }
    } else if (h.bits == 24) {
      for (int64_t x = 0; x < h.width; x++, in += 3, out += 3) out[0] = in[2], out[1] = in[1], out[2] = in[0];
    } else {
      for (int64_t x = 0; x < h.width; x++) {
        const size_t at = size_t(in - bytes.data()) + size_t(x) * h.bits / 8;
        const uint32_t pixel = h.bits == 16 ? f.u16(at) : f.u32(at);
        *out++ = h.red.of(pixel);
        *out++ = h.green.of(pixel);
        *out++ = h.blue.of(pixel);
        if (channels == 4) *out++ = h.alpha.of(pixel);
      }
    }
    planes.put_row(y, row.data());
  }
  return planes.finish();
}

}  // namespace rushlight::data
