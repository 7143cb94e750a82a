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
  EXPECT_EQ(at::tensor({1.0, 2.0}).scalar_type(), at::kFloat);
}

TEST(FrontEndTest, PrintsRowsAndType) {
  std::ostringstream out;
  out << torch::arange(6).view({2, 3});
  EXPECT_EQ(out.str(), " 0 1 2\n 3 4 5\n[ CPULongType{2,3} ]");
}
