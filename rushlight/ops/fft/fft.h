// What the records of Fourier transforms share: PyTorch's checks of dimensions, lengths and normalisation.
#pragma once
#include "rushlight/dispatch/kernel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {

enum class FftNorm : int64_t { None, ByRoot, ByLength };

// Of "backward", "ortho" and "forward": what a transform in the given direction divides by.
FftNorm fft_norm(const std::optional<std::string_view>& norm, bool forward);
// t as an operand of a transform: integers become the default dtype. Throws for half types.
Tensor fft_operand(const Tensor& t, bool complex);
// Cut or filled up with zeros to these lengths along dim.
Tensor fft_resized(Tensor t, IntArrayRef dim, IntArrayRef lengths);

}  // namespace rushlight
