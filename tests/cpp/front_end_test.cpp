#include <gtest/gtest.h>
#include <torch/torch.h>

#include <sstream>

TEST(FrontEndTest, ReadsAsPyTorchCode) {
  torch::manual_seed(0);
  torch::Tensor x = torch::rand({2, 3});
  auto y = (x * 2 + 1).transpose(0, 1).contiguous();
  EXPECT_EQ(y.size(0), 3);
  EXPECT_FLOAT_EQ(y[0][0].item<float>(), x[0][0].item<float>() * 2 + 1);
  auto z = torch::zeros({4}, torch::dtype(torch::kInt64));
  z += torch::ones({4}, torch::kInt64);
  EXPECT_EQ(z.data_ptr<int64_t>()[3], 1);
  EXPECT_THROW(z.data_ptr<float>(), c10::Error);
  EXPECT_EQ(torch::tensor({1.0, 2.0}).scalar_type(), at::kFloat);
  EXPECT_EQ(at::tensor({1.0, 2.0}).scalar_type(), at::kDouble);
  EXPECT_EQ(at::tensor(5).sizes(), at::IntArrayRef({1}));
  EXPECT_EQ(at::tensor(std::vector<int>{5}).scalar_type(), at::kInt);
  EXPECT_THROW(torch::tensor(c10::complex<float>(1, 2), torch::kFloat), c10::NotImplementedError);
}

TEST(FrontEndTest, Differentiates) {
  torch::Tensor w = torch::full({2, 2}, 3.0, torch::requires_grad()), x = torch::ones({2, 2});
  torch::Tensor seen;
  torch::Tensor h = w * x;
  h.register_hook([&](torch::Tensor g) { seen = g; });
  h.pow(2).sum().backward();
  EXPECT_TRUE(w.is_leaf() && !h.is_leaf());
  EXPECT_EQ(w.grad().sum().item<float>(), 24);
  EXPECT_EQ(seen.sum().item<float>(), 24);
  EXPECT_THROW(h.sum().backward(), c10::Error);  // the graph is gone
  {
    torch::NoGradGuard guard;
    w -= 0.5 * w.grad();
    w.grad().zero_();
  }
  auto g = torch::autograd::grad({(w * w * w).sum()}, {w}, {}, {}, /*create_graph=*/true);
  auto gg = torch::autograd::grad({g[0].sum()}, {w});
  EXPECT_EQ(gg[0][0][0].item<float>(), 0);  // 6 w, and w is 0
  EXPECT_THROW(torch::ones({2}, torch::kInt64).requires_grad_(), c10::Error);
}

TEST(FrontEndTest, DimensionsAreNumbersOrLists) {
  torch::Tensor x = torch::arange(24).view({2, 3, 4}).to(torch::kFloat);
  EXPECT_EQ(x.sum(0).sizes(), (c10::IntArrayRef{3, 4}));
  EXPECT_EQ(x.sum({0, 2}).sizes(), (c10::IntArrayRef{3}));
  EXPECT_EQ(x.mean({1}, true).sizes(), (c10::IntArrayRef{2, 1, 4}));
  EXPECT_EQ(torch::var(x, {0, 1}).sizes(), (c10::IntArrayRef{4}));
  std::vector<int64_t> dims = {1, 2};
  EXPECT_EQ(x.sum(dims).sizes(), (c10::IntArrayRef{2}));
}

TEST(FrontEndTest, PrintsRowsAndType) {
  std::ostringstream out;
  out << torch::arange(6).view({2, 3});
  EXPECT_EQ(out.str(), " 0  1  2\n 3  4  5\n[ CPULongType{2,3} ]");
}
