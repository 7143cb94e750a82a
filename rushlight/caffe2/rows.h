// Rows of tensors: those of segments, those that indices name, and those of fields of datasets.
#pragma once
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

// For each row the number of its segment. Throws unless the lengths add up to `rows` (-1: any).
Tensor segments_of_lengths(const Tensor& lengths, int64_t rows);
// Throws for an index outside.
Tensor rows_at(const Tensor& data, const Tensor& indices);
// A number for each row, shaped to stand beside the rows.
Tensor beside(const Tensor& v, const Tensor& rows);

// Of blobs that hold a tensor of numbers or of strings; throw for others.
int64_t rows_in(const Value& v);
Value part_of(const Value& v, int64_t from, int64_t n);
// The rows of all, one after the other; what is empty may have other sizes.
Value joined(const std::vector<Value>& parts);
inline Value appended(const Value& a, const Value& b) { return joined({a, b}); }
Value string_value(std::vector<std::string> items, std::vector<int64_t> sizes);

inline Tensor one_bool(bool v) { return torch::full({}, v, torch::TensorOptions().dtype(torch::kBool)); }
inline Tensor one_long(int64_t v) { return torch::full({}, v, torch::TensorOptions().dtype(torch::kLong)); }

}  // namespace rushlight::caffe2
