// Index tensors: how they are read and what is said about bad ones.
#pragma once
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"

namespace rushlight {

// A 0-d tensor seen as one element of one dimension; others as they are.
inline Tensor at_least_1d(const Tensor& t) {
  return t.dim() > 0 ? t : alias_tensor(t, IntArrayRef(int64_t(1)), IntArrayRef(int64_t(1)), t.storage_offset());
}

// A table that was worked out on the CPU, on the device of what it is used with.
inline Tensor moved_to(const Tensor& t, Device device) {
  return device.is_cpu() ? t : to(t, std::nullopt, std::nullopt, device);
}

// int64 values, dense.
inline Tensor index_values(const char* op, const Tensor& index) {
  RL_CHECK(RuntimeError, index.dtype() == DType::Int64 || index.dtype() == DType::Int32, op,
           "(): Expected dtype int32/int64 for index, got ", index.dtype());
  return dense(index, DType::Int64);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_index(int64_t i, int64_t size, int64_t dim) {
  throw RuntimeError(str("index ", i, " is out of bounds for dimension ", dim, " with size ", size,
                         ". Hint: indices are 0 to ", size - 1));
}
inline void check_index(int64_t i, int64_t size, int64_t dim) {
  if (uint64_t(i) >= uint64_t(size)) [[unlikely]]
    fail_index(i, size, dim);
}
// All of a lane at once: a loop without a branch, which the compiler vectorises.
inline void check_indices(const int64_t* indices, int64_t stride, int64_t n, int64_t size, int64_t dim) {
  int64_t signs =
      0;  // negative once an index or its distance to the last one is: no 64-bit comparison, which SSE2 lacks
  if (stride == 1)
    for (int64_t i = 0; i < n; i++) signs |= indices[i] | (size - 1 - indices[i]);
  else
    for (int64_t i = 0; i < n; i++) signs |= indices[i * stride] | (size - 1 - indices[i * stride]);
  if (signs < 0) [[unlikely]]
    for (int64_t i = 0; i < n; i++) check_index(indices[i * stride], size, dim);
}

// For operators that take negative indices.
inline int64_t wrap_index(int64_t i, int64_t size, int64_t dim) {
  RL_CHECK(IndexError, i >= -size && i < size, "index ", i, " is out of bounds for dimension ", dim, " with size ",
           size);
  return i < 0 ? i + size : i;
}

}  // namespace rushlight
