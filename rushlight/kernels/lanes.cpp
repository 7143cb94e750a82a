#include "rushlight/kernels/lanes.h"

namespace rushlight {

void for_each_lane(IntArrayRef sizes, int64_t dim, const Tensor* const* tensors, size_t count, int64_t grain,
                   FunctionRef<void(char* const*)> f) {
  using Pointers = std::array<char*, kMaxLaneTensors>;
  Dims outer;
  std::array<Dims, kMaxLaneTensors> strides;  // bytes
  for (size_t d = 0; d < sizes.size(); d++) {
    if (int64_t(d) == dim || sizes[d] == 1) continue;
    if (sizes[d] == 0) return;
    size_t last = outer.size() - 1;
    bool merges = !outer.empty();
    for (size_t k = 0; k < count && merges; k++)
      merges = strides[k][last] == sizes[d] * tensors[k]->strides()[d] * tensors[k]->item_size();
    if (merges) outer[last] *= sizes[d];
    else outer.push_back(sizes[d]);
    for (size_t k = 0; k < count; k++) {
      int64_t step = tensors[k]->strides()[d] * tensors[k]->item_size();
      if (merges) strides[k][last] = step;
      else strides[k].push_back(step);
    }
  }
  Pointers base{};
  for (size_t k = 0; k < count; k++) base[k] = static_cast<char*>(tensors[k]->raw());
  parallel_for(0, product(outer), grain, [&](int64_t begin, int64_t end) {
    Dims at(outer.size(), 0);
    Pointers p = base;
    int64_t rest = begin;
    for (size_t d = outer.size(); d-- > 0;) {
      at[d] = rest % outer[d];
      rest /= outer[d];
      for (size_t k = 0; k < count; k++) p[k] += at[d] * strides[k][d];
    }
    for (int64_t i = begin; i < end; i++) {
      f(p.data());
      for (size_t d = outer.size(); d-- > 0;) {
        for (size_t k = 0; k < count; k++) p[k] += strides[k][d];
        if (++at[d] < outer[d]) break;
        for (size_t k = 0; k < count; k++) p[k] -= outer[d] * strides[k][d];
        at[d] = 0;
      }
    }
  });
}

}  // namespace rushlight
