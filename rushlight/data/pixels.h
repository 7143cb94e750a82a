// What the readers of pictures share: rows of samples in a file's order become a tensor (C, H, W) in the mode asked for.
#pragma once
#include "rushlight/data/image.h"

namespace rushlight::data {

// Throws FileError where the header's sizes are none, or more than allowed.
void check_picture_size(int64_t width, int64_t height, const std::string& where, const ImageOptions& options);

// How many channels a picture with so many has in a mode.
int channels_in(ImageMode mode, int channels);

// Takes a picture's rows, samples interleaved (R G B R G B ...), and spreads them over the planes of a tensor, changing gray to colour and
// back and adding or leaving out alpha where the mode wants it.
class Planes {
 public:
  // `bits`: 8 or 16; samples of 16 bits are in the machine's byte order.
  Planes(int64_t width, int64_t height, int channels, int bits, ImageMode mode);
  void put_row(int64_t y, const void* samples);
  // As EXIF's orientation says, 1 to 8.
  Tensor finish(int orientation = 1);

 private:
  template <class T> void put(int64_t y, const T* samples);
  int64_t width_, height_;
  int channels_, kept_;
  Tensor image_;
};

// The samples of a row, interleaved. REQUIRES: a uint8 picture (C, H, W) on the CPU.
void copy_row(const Tensor& image, int64_t y, uint8_t* to);

// EXIF's orientation, 1 where there is none; `tiff` is what follows "Exif\0\0". Damage gives 1: it is an annotation, not the picture.
int exif_orientation(std::span<const uint8_t> tiff);

// The readers' parts of image_info().
ImageInfo png_info(std::span<const uint8_t> bytes, const std::string& where);
ImageInfo jpeg_info(std::span<const uint8_t> bytes, const std::string& where);
ImageInfo bmp_info(std::span<const uint8_t> bytes, const std::string& where);
ImageInfo pnm_info(std::span<const uint8_t> bytes, const std::string& where);

// Throws FileError for what begins as no picture that is known.
[[noreturn]] void fail_unknown_picture(std::span<const uint8_t> bytes, const std::string& where);

}  // namespace rushlight::data
