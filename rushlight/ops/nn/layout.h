// The memory format that pictures' results take over from their arguments: channels last, or contiguous.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

// Whether the channels of (N, C, H, W) or (N, C, D, H, W) come last in memory. Told by the order of the strides, as PyTorch does, so that a
// piece cut out of such a tensor counts too. False for other numbers of dimensions.
bool channels_come_last(const Tensor& x);

inline MemoryFormat channels_last_format(int64_t dims) {
  return dims == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d;
}

// The strides of a result that follows x, for a TensorSpec; empty, which means contiguous, where x is not channels last.
inline Dims strides_following(const Tensor& x, const Dims& sizes) {
  if (int64_t(sizes.size()) != x.dim() || !channels_come_last(x)) return {};
  return strides_for(sizes, channels_last_format(x.dim()));
}

// The result of operators in the format that follows x.
Tensor following(const Tensor& x, const Tensor& result);

}  // namespace rushlight
