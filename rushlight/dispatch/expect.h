// Checks for operators that read several tensors by the geometry of one: a backward step takes what its forward step made, but anybody may
// call it.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

// Throws unless t is there and has this shape.
inline void expect_shape(const char* op, const char* name, const Tensor& t, IntArrayRef sizes) {
  RL_CHECK(RuntimeError, t.defined(), op, ": expected ", name, " to be a tensor, got None");
  RL_CHECK(ShapeError, IntArrayRef(t.sizes()) == sizes, op, ": expected ", name, " of shape ", sizes, ", got ",
           t.sizes());
}
inline void expect_dtype(const char* op, const char* name, const Tensor& t, DType dtype) {
  RL_CHECK(DTypeError, t.dtype() == dtype, op, ": expected ", name, " of dtype ", dtype, ", got ", t.dtype());
}

}  // namespace rushlight
