// Tensors as text, for C++ programs and for what scripts print.
#pragma once
#include <string>

#include "rushlight/core/tensor.h"

namespace rushlight {
// Rows of numbers, a block for each matrix, then "[ CPUFloatType{2,3} ]", as PyTorch's C++ front end prints. `line`: the characters of a
// line; `precision`: the digits of whole numbers.
std::string tensor_text(const Tensor& t, int64_t line = 80, int precision = 6);
}  // namespace rushlight
