#include <gtest/gtest.h>
#include <torch/torch.h>

namespace F = torch::nn::functional;

TEST(FunctionalTest, OptionsAreThoseOfPyTorch) {
  torch::Tensor x = torch::tensor({3.0, 4.0}).to(torch::kFloat32).view({1, 1, 2});
  EXPECT_NEAR(F::lp_pool1d(x, F::LPPool1dFuncOptions(2, 2)).item<double>(), 5.0, 1e-6);
  EXPECT_NEAR(F::mse_loss(x, x + 2).item<double>(), 4.0, 1e-6);
  EXPECT_EQ(F::l1_loss(x, x + 2, torch::kNone).sizes(), x.sizes());
  EXPECT_NEAR(F::elu(-x, F::ELUFuncOptions().alpha(0.5))[0][0][0].item<double>(), 0.5 * (std::exp(-3.0) - 1), 1e-6);
}

TEST(FunctionalTest, SizesOfUnpoolingAndResamplingComeOutOfTheOptions) {
  torch::Tensor x = torch::arange(16, torch::kFloat32).view({1, 1, 4, 4});
  auto [most, where] = F::max_pool2d_with_indices(x, F::MaxPool2dFuncOptions(2));
  EXPECT_EQ(F::max_unpool2d(most, where, F::MaxUnpool2dFuncOptions(2)).sizes(), x.sizes());
  auto larger = F::MaxUnpool2dFuncOptions(2).output_size(std::vector<int64_t>{5, 5});
  EXPECT_EQ(F::max_unpool2d(most, where, larger).size(3), 5);
  EXPECT_EQ(F::interpolate(x, F::InterpolateFuncOptions().size(std::vector<int64_t>{2, 3})).size(3), 3);
  EXPECT_EQ(F::interpolate(x, F::InterpolateFuncOptions().scale_factor(std::vector<double>{2.0, 2.0})).size(2), 8);
  EXPECT_EQ(F::pad(x, F::PadFuncOptions({1, 2, 0, 0}).mode(torch::kReplicate)).size(3), 7);
}

TEST(FunctionalTest, GradientsFlow) {
  torch::Tensor x = torch::ones({2, 3}).requires_grad_();
  F::normalize(x).sum().backward();
  EXPECT_TRUE(x.grad().defined());
}

TEST(FunctionalTest, ErrorsAreThoseOfOperators) {
  torch::Tensor x = torch::ones({2, 3});
  EXPECT_THROW(F::dropout(x, F::DropoutFuncOptions().p(2)), c10::Error);
  try {
    F::linear(x, torch::ones({4, 5}));
    FAIL();
  } catch (const c10::Error& e) { EXPECT_NE(std::string(e.what()).find("linear"), std::string::npos); }
}
