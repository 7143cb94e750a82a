#include "rushlight/data/image.h"

#include "rushlight/data/pixels.h"

namespace rushlight::data {

ImageKind image_kind(std::span<const uint8_t> b) {
  if (b.size() >= 4 && b[0] == 0x89 && b[1] == 'P' && b[2] == 'N' && b[3] == 'G') return ImageKind::Png;
  if (b.size() >= 3 && b[0] == 0xFF && b[1] == 0xD8 && b[2] == 0xFF) return ImageKind::Jpeg;
  if (b.size() >= 2 && b[0] == 'B' && b[1] == 'M') return ImageKind::Bmp;
  if (b.size() >= 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' && (b[2] <= ' ' || b[2] == '#')) return ImageKind::Pnm;
  return ImageKind::Unknown;
}

const char* name_of(ImageKind kind) {
  switch (kind) {
    case ImageKind::Png: return "PNG";
    case ImageKind::Jpeg: return "JPEG";
    case ImageKind::Bmp: return "BMP";
    case ImageKind::Pnm: return "PPM";
    case ImageKind::Unknown: break;
  }
  return "unknown";
}

ImageInfo image_info(std::span<const uint8_t> bytes, const std::string& where) {
  switch (image_kind(bytes)) {
    case ImageKind::Png: return png_info(bytes, where);
    case ImageKind::Jpeg: return jpeg_info(bytes, where);
    case ImageKind::Bmp: return bmp_info(bytes, where);
    case ImageKind::Pnm: return pnm_info(bytes, where);
    case ImageKind::Unknown: break;
  }
  fail_unknown_picture(bytes, where);
}

Tensor decode_image(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& options) {
  switch (image_kind(bytes)) {
    case ImageKind::Png: return decode_png(bytes, where, options);
    case ImageKind::Jpeg: return decode_jpeg(bytes, where, options);
    case ImageKind::Bmp: return decode_bmp(bytes, where, options);
    case ImageKind::Pnm: return decode_pnm(bytes, where, options);
    case ImageKind::Unknown: break;
  }
  fail_unknown_picture(bytes, where);
}

void fail_unknown_picture(std::span<const uint8_t> bytes, const std::string& where) {
  if (bytes.empty()) throw FileError(str(where, ": the file is empty"));
  std::string first;
  for (size_t i = 0; i < bytes.size() && i < 8; i++) {
    constexpr char digits[] = "0123456789abcdef";
    first += i ? " " : "";
    first += digits[bytes[i] >> 4];
    first += digits[bytes[i] & 15];
  }
  throw FileError(str(where, ": no PNG, JPEG, BMP or PPM picture: its ", bytes.size(), " bytes begin ", first));
}

Tensor read_image(const std::string& path, const ImageOptions& options) {
  io::Bytes file = io::map_file(path, "read_image");
  return decode_image(file.data, str("read_image '", path, "'"), options);
}

}  // namespace rushlight::data
