// Index tensors: how they are read and what is said about bad ones.
#pragma once
#include "rushlight/kernels/copying.h"

namespace rushlight {

// A 0-d tensor seen as one element of one dimension; others as they are.
inline Tensor at_least_1d(const Tensor& t) {
  return t.dim() > 0 ? t : alias_tensor(t, IntArrayRef(int64_t(1)), IntArrayRef(int64_t(1)), t.storage_offset());
}

// int64 values, dense.
inline Tensor index_values(const char* op, const Tensor& index) {
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
           "(): Expected dtype int32/int64 for index, got ", index.dtype());
  return dense(index, DType::Int64);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_index(int64_t i, int64_t size, int64_t dim) {
  throw RuntimeError(str("index ", i, " is out of bounds for dimension ", dim, " with size ", size));
}
inline void check_index(int64_t i, int64_t size, int64_t dim) {
  if (uint64_t(i) >= uint64_t(size)) [[unlikely]]
    fail_index(i, size, dim);
}

// For operators that take negative indices.
inline int64_t wrap_index(int64_t i, int64_t size, int64_t dim) {
  RL_CHECK(IndexError, i >= -size && i < size, "index ", i, " is out of bounds for dimension ", dim, " with size ",
           size);
  return i < 0 ? i + size : i;
}

}  // namespace rushlight
