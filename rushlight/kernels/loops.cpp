#include "rushlight/kernels/loops.h"

#include <cstring>
#include <numeric>

namespace rushlight {

void LoopPlan::add(void* data, const Dims& strides, int64_t item_size) {
  RL_INVARIANT(operands_ < kMaxOperands);
  Dims& mine = strides_[operands_];
  mine = strides;
  for (int64_t& s : mine) s *= item_size;
  data_[operands_++] = static_cast<char*>(data);
}

void LoopPlan::finish() {
  numel_ = product(shape_);
  size_t n = shape_.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  // Outer dimensions first: larger strides of the first operand that tells them apart.
  auto outer = [&](size_t a, size_t b) {
    for (int k = 0; k < operands_; k++) {
      int64_t x = strides_[k][a], y = strides_[k][b];
      if (x != y && x != 0 && y != 0) return x > y;
    }
    return false;
  };
  for (size_t i = 1; i < n; i++)  // insertion sort: the relation is not transitive, and n is small
    for (size_t j = i; j > 0 && outer(order[j], order[j - 1]); j--) std::swap(order[j], order[j - 1]);

  Dims shape, strides[kMaxOperands];
  for (size_t i : order) {
    if (shape_[i] == 1) continue;
    bool merge = !shape.empty();
    for (int k = 0; merge && k < operands_; k++) merge = strides[k].back() == strides_[k][i] * shape_[i];
    if (merge) {
      shape.back() *= shape_[i];
      for (int k = 0; k < operands_; k++) strides[k].back() = strides_[k][i];
    } else {
      shape.push_back(shape_[i]);
      for (int k = 0; k < operands_; k++) strides[k].push_back(strides_[k][i]);
    }
  }
  if (shape.empty()) {
    shape.push_back(1);
    for (int k = 0; k < operands_; k++) strides[k].push_back(0);
  }
  shape_ = std::move(shape);
  for (int k = 0; k < operands_; k++) strides_[k] = std::move(strides[k]);
}

}  // namespace rushlight
