// The gradient that every kind of max pooling has: each maximum's goes to the element it was taken from.
#pragma once
#include "rushlight/dispatch/op.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/scatter_add.h"
#include "rushlight/fn/zeros.h"

namespace rushlight {

// (planes, rest): the last `dims` dimensions as one.
inline Tensor planes(const Tensor& t, int64_t dims) {
  int64_t rest = product(IntArrayRef(t.sizes()).slice(size_t(t.dim() - dims), size_t(dims)));
  return reshape(t, {rest ? t.numel() / rest : 0, rest});
}

// `indices` are places in the planes of an input of these sizes.
inline Tensor maxima_gradient(const Tensor& g, const Tensor& indices, const Dims& sizes, int64_t dims) {
  int64_t rest = product(IntArrayRef(sizes).slice(sizes.size() - size_t(dims), size_t(dims)));
  Tensor gp = planes(g, dims);
  return reshape(
      scatter_add(zeros({gp.size(0), rest}, gp.dtype(), std::nullopt, gp.device()), 1, planes(indices, dims), gp),
      sizes);
}

}  // namespace rushlight
