// Tensors between devices, by bytes: a tensor's span is what lies between its first and its last element.
// What converts, broadcasts or moves values in another order is in kernels/copying.h.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

// Bytes from t's first element to behind its last; 0 without elements.
size_t span_bytes(const Tensor& t);
// t itself if the CPU can read it, else a tensor of the same sizes and strides on the CPU with a copy of t's span.
Tensor host_span(const Tensor& t);
// Uninitialised, on the CPU; sizes and strides as t has them.
Tensor host_like(const Tensor& t);
// Writes the span of `host` over that of t, which has the same sizes and strides; what lies between elements is written too.
void send_span(const Tensor& t, const Tensor& host);

}  // namespace rushlight
