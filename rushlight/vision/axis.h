// What the operators on regions (RoIs) share: their checks, and where samples lie along one axis.
//
// Bilinear sampling is separable, and so is its rule at the border: a sample further than one pixel outside counts as zero, one that is
// nearer takes the border's value. A region's samples are therefore two lists, one for each axis.
#pragma once
#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace rushlight::vision {

using torch::Tensor;

// The two neighbours of a sample and their weights.
template <class T>
struct Sample {
  int64_t low, high;
  T weight_low, weight_high;
};

// The neighbours of `at` among `size` pixels, or false if it lies outside. NaN lies outside.
template <class T>
bool sample_at(T at, int64_t size, Sample<T>& out) {
  if (!(at >= T(-1) && at <= T(size))) return false;
  at = std::max(at, T(0));
  int64_t low = int64_t(at);
  if (low >= size - 1) {
    out = {size - 1, size - 1, T(1), T(0)};
  } else {
    T frac = at - T(low);
    out = {low, low + 1, T(1) - frac, frac};
  }
  return true;
}

// The samples of a region along one axis: bins, each with a list of samples of which those outside the image are left out.
template <class T>
class Axis {
 public:
  Axis(T start, T length, int64_t bins, int64_t per_bin, int64_t size) {
    T bin = length / T(bins), step = bin / T(per_bin);
    begin_.push_back(0);
    for (int64_t b = 0; b < bins; b++) {
      T first = start + T(b) * bin + T(0.5) * step;
      // Regions may be much larger than the image: only what can lie inside is visited.
      int64_t from = 0, to = per_bin;
      if (step > 0 && per_bin > 64) {
        from = int64_t(std::clamp<T>(std::floor((T(-1) - first) / step) - 1, T(0), T(per_bin)));
        to = int64_t(std::clamp<T>(std::ceil((T(size) - first) / step) + 2, T(from), T(per_bin)));
      }
      for (int64_t i = from; i < to; i++) {
        Sample<T> s;
        if (sample_at<T>(start + T(b) * bin + (T(i) + T(0.5)) * step, size, s)) samples_.push_back(s);
      }
      begin_.push_back(samples_.size());
    }
  }
  const Sample<T>* begin(int64_t bin) const { return samples_.data() + begin_[size_t(bin)]; }
  const Sample<T>* end(int64_t bin) const { return samples_.data() + begin_[size_t(bin) + 1]; }

 private:
  std::vector<Sample<T>> samples_;
  std::vector<size_t> begin_;
};

// How many samples a bin has along one axis: the ratio that was asked for, else one a pixel (below 0 for a box turned inside out).
template <class T>
int64_t samples_per_bin(T length, int64_t bins, int64_t ratio) {
  if (ratio > 0) return ratio;
  T n = std::ceil(length / T(bins));
  return std::abs(n) < T(1 << 30) ? int64_t(n) : 0;  // NaN, and what overflows, has none
}

// The arguments of the four operators on regions.
struct Regions {
  const char* op;
  int64_t height, width;  // of the result
  void check(const Tensor& input, const Tensor& rois) const;
  // The image that region `n` is of; throws IndexError for one that is not there.
  int64_t image(double index, int64_t n, int64_t images) const;
};

}  // namespace rushlight::vision
