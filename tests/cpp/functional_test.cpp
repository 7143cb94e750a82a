#include <gtest/gtest.h>
#include <torch/nn/functional.h>

namespace F = torch::nn::functional;

TEST(FunctionalTest, PoolsAndLossesHavePythonsArguments) {
  torch::Tensor x = torch::tensor({3.0, 4.0}).to(torch::kFloat32).view({1, 1, 2});
  EXPECT_NEAR(F::lp_pool1d(x, 2, {2}).item<double>(), 5.0, 1e-6);
  EXPECT_NEAR(F::mse_loss(x, x + 2).item<double>(), 4.0, 1e-6);
  EXPECT_EQ(F::l1_loss(x, x + 2, std::nullopt, std::nullopt, "none").sizes(), x.sizes());
  torch::Tensor variance = torch::ones({1, 1, 2});
  EXPECT_NEAR(F::gaussian_nll_loss(x, x + 1, variance).item<double>(), 0.5, 1e-6);
  EXPECT_NEAR(F::gaussian_nll_loss(x, x + 1, 1.0).item<double>(), 0.5, 1e-6);
}

TEST(FunctionalTest, SizesOfUnpoolingAndResamplingComeOutOfTheArguments) {
  torch::Tensor x = torch::arange(16, torch::kFloat32).view({1, 1, 4, 4});
  auto [most, where] = torch::max_pool2d_with_indices(x, {2, 2});
  EXPECT_EQ(F::max_unpool2d(most, where, {2, 2}).sizes(), x.sizes());
  EXPECT_EQ(F::max_unpool2d(most, where, {2, 2}, std::nullopt, {0, 0}, torch::IntArrayRef({5, 5})).size(3), 5);
  EXPECT_EQ(F::interpolate(x, 2).size(2), 2);
  EXPECT_EQ(F::interpolate(x, std::nullopt, 2.0).size(2), 8);
}

TEST(FunctionalTest, GradientsFlow) {
  torch::Tensor x = torch::ones({2, 3}).requires_grad_();
  F::normalize(x).sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(FunctionalTest, ErrorsAreThoseOfOperators) {
  torch::Tensor x = torch::ones({2, 3});
  try {
    F::mse_loss(x, x, std::nullopt, std::nullopt, "most");
    FAIL();
  } catch (const c10::Error& e) { EXPECT_EQ(e.msg(), "most is not a valid value for reduction"); }
}
