// Lanes: the one-dimensional runs of a tensor along one dimension, as softmax, sort, scans and gather see it.
#pragma once
#include <array>

#include "rushlight/core/tensor.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {

// Stride of a lane in elements; a 0-d tensor is one lane of one element.
inline int64_t lane_stride(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.strides()[size_t(dim)]; }
inline int64_t lane_size(const Tensor& t, int64_t dim) { return t.dim() == 0 ? 1 : t.sizes()[size_t(dim)]; }

// f(std::array<char*, N> first elements) for every lane along `dim`. The tensors agree in all other dimensions with `sizes`.
// Pieces of at least `grain` lanes run in parallel: lanes must not depend on each other.
template <size_t N, class F>
void for_each_lane(IntArrayRef sizes, int64_t dim, const std::array<const Tensor*, N>& tensors, int64_t grain,
                   const F& f) {
  Dims outer;
  std::array<Dims, N> strides;  // bytes
  for (size_t d = 0; d < sizes.size(); d++) {
    if (int64_t(d) == dim || sizes[d] == 1) continue;
    if (sizes[d] == 0) return;
    size_t last = outer.size() - 1;
    bool merges = !outer.empty();
    for (size_t k = 0; k < N && merges; k++)
      merges = strides[k][last] == sizes[d] * tensors[k]->strides()[d] * tensors[k]->item_size();
    if (merges) outer[last] *= sizes[d];
    else outer.push_back(sizes[d]);
    for (size_t k = 0; k < N; k++) {
      int64_t step = tensors[k]->strides()[d] * tensors[k]->item_size();
      if (merges) strides[k][last] = step;
      else strides[k].push_back(step);
    }
  }
  std::array<char*, N> base;
  for (size_t k = 0; k < N; k++) base[k] = static_cast<char*>(tensors[k]->raw());
  parallel_for(0, product(outer), grain, [&](int64_t begin, int64_t end) {
    Dims at(outer.size(), 0);
    std::array<char*, N> p = base;
    int64_t rest = begin;
    for (size_t d = outer.size(); d-- > 0;) {
      at[d] = rest % outer[d];
      rest /= outer[d];
      for (size_t k = 0; k < N; k++) p[k] += at[d] * strides[k][d];
    }
    for (int64_t i = begin; i < end; i++) {
      f(p);
      for (size_t d = outer.size(); d-- > 0;) {
        for (size_t k = 0; k < N; k++) p[k] += strides[k][d];
        if (++at[d] < outer[d]) break;
        for (size_t k = 0; k < N; k++) p[k] -= outer[d] * strides[k][d];
        at[d] = 0;
      }
    }
  });
}

// Lanes a thread should take so that it has work for some tens of microseconds.
inline int64_t lane_grain(int64_t lane_elements, int64_t elements = 32768) {
  return std::max<int64_t>(1, elements / std::max<int64_t>(1, lane_elements));
}

}  // namespace rushlight
