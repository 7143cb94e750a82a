// Pictures from and to uint8 tensors (C, H, W): PNG and JPEG by libpng and libjpeg-turbo, BMP and PPM/PGM by readers of our own.
// Specifications: PNG 1.2, ITU T.81 and JFIF 1.02, Microsoft's bitmap headers 3 to 5, netpbm's ppm(5) and pgm(5).
// Nothing is allocated for a picture before its header is found plausible: see ImageOptions::max_pixels.
// Thread safety: every function may be called at once from any thread.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "rushlight/core/tensor.h"
#include "rushlight/io/file.h"

namespace rushlight::data {

// Numbered as torchvision.io.ImageReadMode.
enum class ImageMode : uint8_t { Unchanged = 0, Gray = 1, GrayAlpha = 2, Rgb = 3, RgbAlpha = 4 };

struct ImageOptions {
  ImageMode mode = ImageMode::Unchanged;
  // Turns and mirrors the picture as its EXIF entry says (JPEG and PNG).
  bool apply_exif_orientation = false;
  // A picture of more is refused, as PIL does from the same number on: small files can claim to be pictures of many gigabytes.
  int64_t max_pixels = 178956970;
  // Whether damage inside of the compressed data is an error. If not, what libjpeg makes of the rest is the picture.
  bool strict = true;
};

enum class ImageKind : uint8_t { Unknown, Png, Jpeg, Bmp, Pnm };
ImageKind image_kind(std::span<const uint8_t> bytes);
const char* name_of(ImageKind kind);

// What a picture's header says, without a look at the pixels.
struct ImageInfo {
  ImageKind kind = ImageKind::Unknown;
  int64_t width = 0, height = 0;
  int channels = 0, bits = 8;  // as `Unchanged` gives them; 8 or 16 bits each
  int orientation = 1;         // EXIF's, 1 to 8
};

// `where` begins each error: "read_image 'a.png'". All throw FileError for damage, saying where in the file, and NotImplementedError for a
// kind that this build has no library for. Tensors are uint8, or uint16 of PNG and PPM files that have 16 bits.
ImageInfo image_info(std::span<const uint8_t> bytes, const std::string& where);
Tensor decode_image(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& = {});
Tensor decode_png(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& = {});
Tensor decode_jpeg(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& = {});
Tensor decode_bmp(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& = {});
Tensor decode_pnm(std::span<const uint8_t> bytes, const std::string& where, const ImageOptions& = {});
// Maps the file.
Tensor read_image(const std::string& path, const ImageOptions& = {});

// Of a uint8 tensor (C, H, W) on the CPU, C 1 or 3 (PNG: also 2 and 4). Throw ValueError, TypeError.
std::string encode_png(const Tensor& image, int compression_level = 6);
std::string encode_jpeg(const Tensor& image, int quality = 75);

}  // namespace rushlight::data
