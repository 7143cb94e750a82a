// Half types computed in float as a whole, so that a kernel's loops are compiled for float only.
#pragma once
#include "rushlight/kernels/copying.h"

namespace rushlight {

// Where `in` is of a half type: f(in as float, a float tensor like out), and what that then holds goes to out, rounded once. False
// for other dtypes, for which nothing is done.
template <class F>
bool through_float(const Tensor& in, const Tensor& out, F&& f) {
  if (!is_half(in.dtype())) return false;
  Tensor floats = empty_tensor(out.sizes(), DType::Float32);
  f(dense(in, DType::Float32), floats);
  copy_elements(out, floats);
  return true;
}

}  // namespace rushlight
