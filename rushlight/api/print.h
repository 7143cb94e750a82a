// Tensors as text for C++ programs.
#pragma once
#include <string>

#include "rushlight/core/tensor.h"

namespace rushlight {
// Rows of numbers, a block for each matrix, then "[ CPUFloatType{2,3} ]", as PyTorch's C++ front end prints.
std::string tensor_text(const Tensor& t);
}  // namespace rushlight
