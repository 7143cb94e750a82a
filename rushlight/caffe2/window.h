// The windows of convolutions and pools: kernels, strides, pads and dilations, by all the names that Caffe2 gives them.
#pragma once
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

struct Window {
  // Of `dims` spatial dimensions; the kernel is the picture's size for global_pooling.
  Window(const Call& c, int64_t dims, const std::vector<int64_t>& picture);
  std::vector<int64_t> kernel, stride, dilation, begin, end;
  bool global = false;
  int64_t legacy = 0;
  // Sets pads as legacy_pad asks for; for pools Caffe's rule lets windows begin inside and end outside.
  void fit(const std::vector<int64_t>& picture);
  std::vector<int64_t> result(const std::vector<int64_t>& picture) const;
  bool symmetric() const { return begin == end; }
  // {begin of the last dimension, its end, of the one before ...}, as pad() takes them.
  std::vector<int64_t> as_pad() const;
};
std::vector<int64_t> picture_of(const Tensor& x, bool nhwc);

}  // namespace rushlight::caffe2
