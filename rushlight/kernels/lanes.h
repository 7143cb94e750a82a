// Lanes: the one-dimensional runs of a tensor along one dimension, as softmax, sort, scans and gather see it.
#pragma once
#include <array>

#include "rushlight/core/tensor.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {

// Stride of a lane in elements; a 0-d tensor is one lane of one element.
inline int64_t lane_stride(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.strides()[size_t(dim)]; }
inline int64_t lane_size(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[size_t(dim)]; }

constexpr size_t kMaxLaneTensors = 4;
// f(first elements of a lane, one for each tensor) for every lane along `dim`; see the template below.
void for_each_lane(IntArrayRef sizes, int64_t dim, const Tensor* const* tensors, size_t count, int64_t grain,
                   FunctionRef<void(char* const*)> f);

// f(std::array<char*, N> first elements) for every lane along `dim`. The tensors agree in all other dimensions with `sizes`.
// Pieces of at least `grain` lanes run in parallel: lanes must not depend on each other.
template <size_t N, class F>
void for_each_lane(IntArrayRef sizes, int64_t dim, const std::array<const Tensor*, N>& tensors, int64_t grain,
                   const F& f) {
  static_assert(N <= kMaxLaneTensors);
  for_each_lane(sizes, dim, tensors.data(), N, grain, [&](char* const* p) {
    std::array<char*, N> first;
    for (size_t k = 0; k < N; k++) first[k] = p[k];
    f(first);
  });
}

// Lanes a thread should take so that it has work for some tens of microseconds.
inline int64_t lane_grain(int64_t lane_elements, int64_t elements = 32768) {
  return std::max<int64_t>(1, elements / std::max<int64_t>(1, lane_elements));
}

}  // namespace rushlight
