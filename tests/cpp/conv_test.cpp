#include "rushlight/kernels/conv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

using namespace rushlight;

namespace {

std::vector<float> numbers(int64_t n) {
  std::vector<float> v(size_t(n), 0);
  for (size_t i = 0; i < v.size(); i++) v[i] = float(std::sin(double(i) * 1.7));
  return v;
}

// What a pass writes, with and without oneDNN.
std::vector<float> run(ConvProblem p, bool provided) {
  int64_t plane = 1, out = 1, taps = 1;
  for (int i = 0; i < p.spatial; i++) plane *= p.input[i], out *= p.output[i], taps *= p.kernel[i];
  std::vector<float> src = numbers(p.batch * p.groups * p.in * plane), weight = numbers(p.groups * p.out * p.in * taps),
                     bias = numbers(p.groups * p.out), dst = numbers(p.batch * p.groups * p.out * out);
  onednn_provider()->enabled = provided;
  convolve(p, {src.data(), weight.data(), p.has_bias ? bias.data() : nullptr, dst.data()});
  onednn_provider()->enabled = true;
  switch (p.pass) {
    case ConvProblem::Pass::Forward: return dst;
    case ConvProblem::Pass::BackwardData: return src;
    default: return weight;
  }
}

TEST(ConvTest, WindowsAgreeWithTheProvider) {
  if (!onednn_provider()->available()) GTEST_SKIP() << "oneDNN is not installed";
  ConvProblem lines{.spatial = 1,
                    .batch = 2,
                    .in = 3,
                    .out = 4,
                    .input = {11},
                    .output = {5},
                    .kernel = {3},
                    .stride = {2},
                    .padding = {1},
                    .dilation = {2},
                    .has_bias = true};
  ConvProblem image{.spatial = 2,
                    .batch = 3,
                    .groups = 2,
                    .in = 2,
                    .out = 3,
                    .input = {6, 5},
                    .output = {3, 5},
                    .kernel = {3, 2},
                    .stride = {2, 1},
                    .padding = {1, 1},
                    .dilation = {1, 2}};

  ConvProblem points{.spatial = 2,
                     .batch = 2,
                     .in = 3,
                     .out = 2,
                     .input = {4, 4},
                     .output = {4, 4},
                     .kernel = {1, 1},
                     .has_bias = true};
  ConvProblem volume{.spatial = 3,
                     .batch = 2,
                     .in = 1,
                     .out = 2,
                     .input = {4, 5, 3},
                     .output = {5, 2, 2},
                     .kernel = {2, 3, 2},
                     .stride = {1, 2, 1},
                     .padding = {1, 0, 0}};
  for (ConvProblem p : {lines, image, points, volume})
    for (auto pass :
         {ConvProblem::Pass::Forward, ConvProblem::Pass::BackwardData, ConvProblem::Pass::BackwardWeights}) {
      p.pass = pass;
      if (pass != ConvProblem::Pass::Forward) p.has_bias = false;
      std::vector<float> a = run(p, true), b = run(p, false);
      for (size_t i = 0; i < a.size(); i++) ASSERT_NEAR(a[i], b[i], 1e-4) << p.spatial << "-d, pass " << int(pass);
    }
}

}  // namespace
