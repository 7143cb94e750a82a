// Rows of numbers to integers and back, as PyTorch's CPU engines round them.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

struct QuantizedRange { int64_t min, max; };
// Of a quantised dtype. Throws RuntimeError for those of less than 8 bits, which nothing computes with.
QuantizedRange quantized_range(DType d);

// round(x * (1 / scale)) + zero_point, halves to even, kept within the range of the dtype.
void quantize_row(DType to, void* out, const float* in, int64_t n, float scale, int64_t zero_point);
// (i - zero_point) * scale
void dequantize_row(DType from, float* out, const void* in, int64_t n, float scale, int64_t zero_point);

struct QuantizedAs {
  double scale;
  int64_t zero_point;
};
// How numbers from `min` to `max` are spread over [qmin, qmax] so that 0 is among what they stand for.
QuantizedAs choose_quantization(float min, float max, int64_t qmin, int64_t qmax, bool reduce_range = false);

}  // namespace rushlight
