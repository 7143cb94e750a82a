#include "rushlight/data/pixels.h"

#include <cstring>

namespace rushlight::data {

void check_picture_size(int64_t width, int64_t height, const std::string& where, const ImageOptions& options) {
  RL_CHECK(FileError, width > 0 && height > 0, where, ": the header says ", width, " x ", height, " pixels");
  RL_CHECK(FileError, width <= options.max_pixels / height, where, ": the header says ", width, " x ", height,
           " pixels, more than the limit of ", options.max_pixels,
           "; if the file is to be trusted, read it with a greater max_pixels");
}

int channels_in(ImageMode mode, int channels) { return mode == ImageMode::Unchanged ? channels : int(mode); }

Planes::Planes(int64_t width, int64_t height, int channels, int bits, ImageMode mode)
    : width_(width), height_(height), channels_(channels), kept_(channels_in(mode, channels)) {
  image_ = empty_tensor({kept_, height, width}, bits == 16 ? DType::UInt16 : DType::UInt8);
}

namespace {

// libpng's and PIL's weights: 0.299, 0.587, 0.114.
inline unsigned gray_of(unsigned r, unsigned g, unsigned b) {
  return unsigned((uint64_t(r) * 19595 + uint64_t(g) * 38470 + uint64_t(b) * 7471 + 0x8000) >> 16);
}

}  // namespace

template <class T>
void Planes::put(int64_t y, const T* in) {
  const int64_t plane = width_ * height_;
  T* out = image_.data<T>() + y * width_;
  const bool color = channels_ >= 3, wants_color = kept_ >= 3;
  const bool alpha = channels_ % 2 == 0, wants_alpha = kept_ % 2 == 0;
  if (channels_ == 1 && kept_ == 1) {
    std::memcpy(out, in, size_t(width_) * sizeof(T));
    return;
  }
  if (channels_ == 3 && kept_ == 3) {  // nearly all
    T *r = out, *g = out + plane, *b = out + 2 * plane;
    for (int64_t x = 0; x < width_; x++) {
      r[x] = in[3 * x];
      g[x] = in[3 * x + 1];
      b[x] = in[3 * x + 2];
    }
    return;
  }
  for (int64_t x = 0; x < width_; x++, in += channels_) {
    if (wants_color) {
      out[x] = in[0];
      out[x + plane] = color ? in[1] : in[0];
      out[x + 2 * plane] = color ? in[2] : in[0];
    } else {
      out[x] = color ? T(gray_of(in[0], in[1], in[2])) : in[0];
    }
    if (wants_alpha) out[x + (kept_ - 1) * plane] = alpha ? in[channels_ - 1] : T(-1);
  }
}

void Planes::put_row(int64_t y, const void* samples) {
  RL_BOUNDS(y >= 0 && y < height_);
  if (image_.dtype() == DType::UInt16) put(y, static_cast<const uint16_t*>(samples));
  else put(y, static_cast<const uint8_t*>(samples));
}

namespace {

template <class T>
Tensor turned(const Tensor& image, int orientation) {
  const int64_t C = image.size(0), H = image.size(1), W = image.size(2);
  const bool swap = orientation >= 5;
  const int64_t h = swap ? W : H, w = swap ? H : W;
  Tensor out = empty_tensor({C, h, w}, image.dtype());
  // The place in the file of the pixel that is shown at (0, 0), and the steps to its neighbours.
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  // 6 is shown turned by 90 degrees clockwise: its first row is the file's first column from the bottom up.
  const bool bottom = swap ? orientation == 6 || orientation == 7 : from_bottom;
  const bool right = swap ? orientation == 8 || orientation == 7 : from_right;
  const int64_t start = (bottom ? (H - 1) * W : 0) + (right ? W - 1 : 0);
  const int64_t down = bottom ? -W : W, along = right ? -1 : 1;
  const int64_t row_step = swap ? along : down, column_step = swap ? down : along;
  for (int64_t c = 0; c < C; c++) {
    const T* in = image.data<T>() + c * H * W + start;
    T* to = out.data<T>() + c * h * w;
    for (int64_t y = 0; y < h; y++)
      for (int64_t x = 0; x < w; x++) *to++ = in[y * row_step + x * column_step];
  }
  return out;
}

}  // namespace

Tensor Planes::finish(int orientation) {
  if (orientation <= 1 || orientation > 8) return std::move(image_);
  return image_.dtype() == DType::UInt16 ? turned<uint16_t>(image_, orientation) : turned<uint8_t>(image_, orientation);
}

void copy_row(const Tensor& image, int64_t y, uint8_t* to) {
  const int64_t C = image.size(0), W = image.size(2), c_step = image.stride(0), x_step = image.stride(2);
  const uint8_t* from = image.data<uint8_t>() + y * image.stride(1);
  for (int64_t x = 0; x < W; x++)
    for (int64_t c = 0; c < C; c++) *to++ = from[c * c_step + x * x_step];
}

int exif_orientation(std::span<const uint8_t> tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff[0] == 'I';
  if (!(little ? tiff[1] == 'I' : tiff[0] == 'M' && tiff[1] == 'M')) return 1;
  auto u16 = [&](size_t at) -> uint32_t {
    return little ? tiff[at] | tiff[at + 1] << 8 : tiff[at] << 8 | tiff[at + 1];
  };
  auto u32 = [&](size_t at) -> uint32_t { return little ? u16(at) | u16(at + 2) << 16 : u16(at) << 16 | u16(at + 2); };
  const size_t directory = u32(4);
  if (directory > tiff.size() - 2) return 1;
  const size_t count = u16(directory);
  for (size_t i = 0; i < count; i++) {
    const size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 1;
    if (u16(at) != 0x0112 || u16(at + 2) != 3) continue;  // the tag Orientation, of type SHORT
    const uint32_t value = u16(at + 8);
    return value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

}  // namespace rushlight::data
