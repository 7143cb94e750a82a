// PGM and PPM, text (P2, P3) and binary (P5, P6), up to 16 bits. Bitmaps (P1, P4) are read as gray, 0 and 255.
#include <bit>
#include <vector>

#include "rushlight/data/pixels.h"

namespace rushlight::data {
namespace {

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  size_t at = 2;  // behind P5

  // The next number of the header or of a text file. Comments run from # to the end of the line.
  int64_t number(const char* what) {
    while (at < bytes_.size() && (space(bytes_[at]) || bytes_[at] == '#')) {
      if (bytes_[at] == '#')
        while (at < bytes_.size() && bytes_[at] != '\n') at++;
      else at++;
    }
    RL_CHECK(FileError, at < bytes_.size(), where_, ": the file ends at byte ", at, " before its ", what);
    RL_CHECK(FileError, digit(bytes_[at]), where_, ": expected ", what, " at byte ", at, ", got ",
             unsigned(bytes_[at]));
    int64_t v = 0;
    for (; at < bytes_.size() && digit(bytes_[at]); at++) {
      v = v * 10 + (bytes_[at] - '0');
      RL_CHECK(FileError, v <= INT32_MAX, where_, ": the ", what, " at byte ", at, " is no sensible number");
    }
    return v;
  }
  // A pixel of a text bitmap, whose digits may touch.
  int bit() {
    while (at < bytes_.size() && space(bytes_[at])) at++;
    RL_CHECK(FileError, at < bytes_.size(), where_, ": the file ends at byte ", at, " inside of its pixels");
    RL_CHECK(FileError, bytes_[at] == '0' || bytes_[at] == '1', where_, ": expected 0 or 1 at byte ", at);
    return bytes_[at++] - '0';
  }

 private:
  static bool space(uint8_t c) { return c == ' ' || (c >= 9 && c <= 13); }
  static bool digit(uint8_t c) { return c >= '0' && c <= '9'; }
  std::span<const uint8_t> bytes_;
  const std::string& where_;
};

struct Header {
  int kind;  // 1 to 6
  int64_t width, height, largest;
  int channels() const { return kind == 3 || kind == 6 ? 3 : 1; }
  bool text() const { return kind <= 3; }
  bool bitmap() const { return kind == 1 || kind == 4; }
};

Header read_header(Reader& r, std::span<const uint8_t> bytes, const std::string& where) {
  RL_CHECK(FileError, image_kind(bytes) == ImageKind::Pnm, where, ": no PPM or PGM file");
  Header h{bytes[1] - '0', r.number("width"), r.number("height"), 1};
  if (!h.bitmap()) {
    h.largest = r.number("largest sample");
    RL_CHECK(FileError, h.largest > 0 && h.largest < 65536, where, ": the largest sample is ", h.largest,
             ", expected 1 to 65535");
  }
  r.at++;  // the one space before binary pixels
  return h;
}

}  // namespace

ImageInfo pnm_info(std::span<const uint8_t> bytes, const std::string& where) {
  Reader r(bytes, where);
  Header h = read_header(r, bytes, where);
  return {ImageKind::Pnm, h.width, h.height, h.channels(), h.largest > 255 ? 16 : 8, 1};
}

Tensor decode_pnm(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& options) {
  Reader r(bytes, where);
  const Header h = read_header(r, bytes, where);
  check_picture_size(h.width, h.height, where, options);
  const bool wide = h.largest > 255;
  const int64_t samples = h.width * h.channels();
  const int64_t row_bytes = h.kind == 4 ? (h.width + 7) / 8 : samples * (wide ? 2 : 1);
  const int64_t left = int64_t(bytes.size()) - int64_t(r.at);
  // Of text, each sample needs a digit and, but for bitmaps, a space.
  const int64_t least = h.kind == 1 ? samples * h.height : h.text() ? 2 * samples * h.height - 1 : row_bytes * h.height;
  RL_CHECK(FileError, left >= least, where, ": ", h.width, " x ", h.height, " pixels take ", least, " bytes, but ",
           left < 0 ? 0 : left, " follow the header; the file is cut short");

  Planes planes(h.width, h.height, h.channels(), wide ? 16 : 8, options.mode);
  std::vector<uint16_t> row16(size_t(wide ? samples : 0));
  std::vector<uint8_t> row8(size_t(wide ? 0 : samples));
  // Samples below the largest stand for fractions of it.
  const int64_t full = wide ? 65535 : 255;
  auto scaled = [&](int64_t v) { return h.largest == full ? v : (v * full + h.largest / 2) / h.largest; };
  for (int64_t y = 0; y < h.height; y++) {
    const uint8_t* in = bytes.data() + r.at;
    for (int64_t i = 0; i < samples; i++) {
      int64_t v;
      if (h.kind == 1) v = !r.bit();
      else if (h.text()) v = r.number("sample");
      else if (h.kind == 4) v = !(in[i / 8] >> (7 - i % 8) & 1);
      else v = wide ? in[2 * i] << 8 | in[2 * i + 1] : in[i];
      RL_CHECK(FileError, v <= h.largest, where, ": row ", y, " has a sample of ", v, ", but the largest is ",
               h.largest);
      if (wide) row16[size_t(i)] = uint16_t(scaled(v));
      else row8[size_t(i)] = uint8_t(scaled(v));
    }
    if (!h.text()) r.at += size_t(row_bytes);
    planes.put_row(y, wide ? static_cast<const void*>(row16.data()) : row8.data());
  }
  return planes.finish();
}

}  // namespace rushlight::data
