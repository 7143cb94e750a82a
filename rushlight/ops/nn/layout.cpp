#include "rushlight/ops/nn/layout.h"

#include "rushlight/fn/contiguous.h"

namespace rushlight {

bool channels_come_last(const Tensor& x) {
  if (x.dim() != 4 && x.dim() != 5) return false;
  int64_t least = 0;
  for (int64_t i = 0; i < x.dim(); i++) {  // the channels, then sizes from the last on, then the batch
    int64_t d = i == 0 ? 1 : i == x.dim() - 1 ? 0 : x.dim() - i;
    int64_t stride = x.strides()[size_t(d)];
    if (stride < std::max<int64_t>(least, 1) || (d == 0 && least == x.strides()[1])) return false;
    least = stride * std::max<int64_t>(x.size(d), 1);
  }
  return true;
}

Tensor following(const Tensor& x, const Tensor& result) {
  return strides_following(x, result.sizes()).empty() ? result : contiguous(result, channels_last_format(x.dim()));
}

}  // namespace rushlight
