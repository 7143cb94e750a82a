// Sums over every set of dimensions of a permuted tensor against a plain loop, and equal bits for any number of threads.
#include <gtest/gtest.h>

#include "rushlight/fn/permute.h"
#include "rushlight/fn/sum.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {
namespace {

Tensor numbers(IntArrayRef sizes) {
  Tensor t = empty_tensor(sizes, DType::Float32);
  for (int64_t i = 0; i < t.numel(); i++) t.data<float>()[i] = float(i % 17) - 8.f + float(i % 5) * 0.25f;
  return t;
}

float element(const Tensor& t, const std::vector<int64_t>& at) {
  int64_t offset = 0;
  for (size_t d = 0; d < at.size(); d++) offset += at[d] * t.strides()[d];
  return t.data<float>()[offset];
}

TEST(ReduceTest, SumsEverySetOfDimensionsOfAPermutedTensor) {
  Tensor t = permute(numbers({5, 3, 7, 4}), Dims{2, 0, 3, 1});
  for (int set = 1; set < 16; set++) {
    Dims dims;
    for (int d = 0; d < 4; d++)
      if (set >> d & 1) dims.push_back(d);
    Tensor got = sum(t, IntArrayRef(dims), true);
    std::vector<int64_t> at(4, 0);
    std::vector<double> want(size_t(got.numel()), 0.0);
    for (int64_t i = 0; i < t.numel(); i++) {
      int64_t to = 0, rest = i;
      for (size_t d = 4; d-- > 0;) {
        at[d] = rest % t.sizes()[d];
        rest /= t.sizes()[d];
      }
      for (size_t d = 0; d < 4; d++)
        if (!(set >> d & 1)) to += at[d] * got.strides()[d];
      want[size_t(to)] += double(element(t, at));
    }
    for (int64_t i = 0; i < got.numel(); i++) EXPECT_NEAR(got.data<float>()[i], want[size_t(i)], 1e-3) << "set " << set;
  }
}

TEST(ReduceTest, GivesTheSameBitsForAnyNumberOfThreads) {
  Tensor flat = numbers({1000003}), matrix = numbers({3001, 401});
  int before = num_threads();
  std::vector<float> first;
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    std::vector<float> got = {*sum(flat).data<float>()};
    for (int64_t d : {0, 1}) {
      Tensor s = sum(matrix, IntArrayRef(d));
      got.insert(got.end(), s.data<float>(), s.data<float>() + s.numel());
    }
    if (first.empty()) first = got;
    EXPECT_EQ(got, first) << threads << " threads";
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace rushlight
