// Rows of tensors: those of segments, and those that indices name.
#pragma once
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

// For each row the number of its segment. Throws unless the lengths add up to `rows` (-1: any).
Tensor segments_of_lengths(const Tensor& lengths, int64_t rows);
// Throws for an index outside.
Tensor rows_at(const Tensor& data, const Tensor& indices);
// A number for each row, shaped to stand beside the rows.
Tensor beside(const Tensor& v, const Tensor& rows);

}  // namespace rushlight::caffe2
