#include "rushlight/kernels/loops.h"

#include <cstring>
#include <numeric>

namespace rushlight {

void LoopPlan::add(void* data, const Dims& strides, int64_t item_size) {
  RL_INVARIANT(operands_ < kMaxOperands);
  Dims& mine = strides_[operands_];
  mine = strides;
  // The stride of a dimension with one element may be anything; then the product may wrap.
  for (int64_t& s : mine) s = int64_t(uint64_t(s) * uint64_t(item_size));
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

void LoopPlan::for_each_row(bool parallel, Row f) const {
  if (numel_ == 0) return;
  int64_t strides[kMaxOperands];
  for (int k = 0; k < operands_; k++) strides[k] = row_stride(k);
  if (parallel && numel_ >= 2 * kGrain)
    parallel_for(0, numel_, kGrain, [&](int64_t begin, int64_t end) { run(begin, end, strides, f); });
  else run(0, numel_, strides, f);
}

void LoopPlan::run(int64_t begin, int64_t end, const int64_t* strides, Row f) const {
  int64_t inner = row_length();
  for (int64_t at = begin; at < end;) {
    int64_t column = at % inner, row = at / inner;
    int64_t n = std::min(inner - column, end - at);
    char* pointers[kMaxOperands];
    for (int k = 0; k < operands_; k++) pointers[k] = data_[k] + column * strides[k];
    for (size_t d = shape_.size() - 1; d-- > 0;) {
      int64_t i = row % shape_[d];
      row /= shape_[d];
      for (int k = 0; k < operands_; k++) pointers[k] += i * strides_[k][d];
    }
    f(pointers, strides, n);
    at += n;
  }
}

}  // namespace rushlight
