// Shorthands for tests: small tensors from lists and back.
#pragma once
#include <vector>

#include "rushlight/functions.h"

namespace rushlight {

template <class T>
Tensor tensor_of(std::vector<T> v, IntArrayRef sizes) {
  Tensor t = empty_tensor(sizes, dtype_of<T>);
  std::copy(v.begin(), v.end(), t.data<T>());
  return t;
}
inline Tensor tensor_of(std::vector<float> v) {
  int64_t n = int64_t(v.size());
  return tensor_of<float>(std::move(v), n);
}

template <class T = float>
std::vector<T> values_of(const Tensor& t) {
  Tensor dense = clone(t, MemoryFormat::Contiguous);
  return {dense.data<T>(), dense.data<T>() + dense.numel()};
}

}  // namespace rushlight
