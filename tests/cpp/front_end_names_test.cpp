// Small names of c10 and at that programs use, and how they print.
#include <ATen/Dispatch_v2.h>
#include <ATen/Operators.h>
#include <c10/util/Logging.h>
#include <gtest/gtest.h>
#include <torch/script.h>

TEST(FrontEndNamesTest, SmallTypes) {
  c10::SmallVector<int64_t, 4> v = {1, 2};
  v.append({3, 4});
  EXPECT_EQ(v.pop_back_val(), 4);
  EXPECT_EQ(c10::str(v), "[1, 2, 3]");
  EXPECT_EQ(torch::ones(v).dim(), 3);
  EXPECT_EQ(at::infer_size({2, 1}, {1, 3}), (std::vector<int64_t>{2, 3}));
  EXPECT_THROW(at::infer_size({-1, 4}, 6), c10::Error);
  EXPECT_EQ(at::scalar_to_tensor(2.5).scalar_type(), at::kDouble);
  EXPECT_TRUE(c10::GetAllocator(c10::kCPU)->allocate(16).get());
  EXPECT_EQ(c10::Join(",", std::vector<int>{1, 2}), "1,2");
  EXPECT_EQ(c10::DeviceTypeName(c10::kCPU), "CPU");
}

TEST(FrontEndNamesTest, ChecksTakeMoreText) {
  try {
    TORCH_CHECK_EQ(1, 2) << "more";
    FAIL();
  } catch (const c10::Error& e) { EXPECT_EQ(e.msg(), "Check failed: 1 == 2 (1 vs. 2). more"); }
  EXPECT_THROW(CAFFE_ENFORCE(false, "no"), c10::Error);
}

TEST(FrontEndNamesTest, IndicesAndValuesPrint) {
  using namespace torch::indexing;
  EXPECT_EQ(c10::str(Slice(1, 2, 3)), "1:2:3");
  EXPECT_EQ(Slice().stop(), INDEX_MAX);
  EXPECT_THROW(Slice(0, 1, 0), c10::Error);
  EXPECT_EQ(c10::str(std::vector<TensorIndex>{None, "...", 1, true}), "(None, ..., 1, true)");
  EXPECT_EQ(c10::str(torch::IValue(3.0)), "3.");
  EXPECT_EQ(torch::IValue(3).type()->str(), "int");
}

TEST(FrontEndNamesTest, NamespacesAndOverloads) {
  torch::Tensor a = torch::eye(2) * 2;
  EXPECT_EQ(torch::linalg::det(a).item<float>(), 4);
  EXPECT_EQ(torch::fft::fft(torch::ones({4})).size(0), 4);
  EXPECT_EQ(torch::special::expit(torch::zeros({1})).item<float>(), 0.5f);
  EXPECT_EQ(at::_ops::add_Tensor::call(a, a, 1).sum().item<float>(), 8);
  auto schema = torch::jit::parseSchema("foo::bar(Tensor x, int y=3) -> Tensor");
  EXPECT_EQ(schema.arguments()[1].default_value()->toInt(), 3);
  size_t size = 0;
  AT_DISPATCH_V2(at::kInt, "size", AT_WRAP([&] { size = sizeof(scalar_t); }), AT_EXPAND(AT_ALL_TYPES), at::kBool);
  EXPECT_EQ(size, 4u);
}

TEST(FrontEndNamesTest, FrozenModulesHaveNoParameters) {
  torch::jit::Module m("M");
  m.register_parameter("w", torch::ones({2}), false);
  m.register_attribute("training", c10::BoolType::get(), true);
  m.define("def forward(self, x):\n  return x + self.w\n");
  EXPECT_THROW(torch::jit::freeze(m), c10::Error);
  m.eval();
  auto frozen = torch::jit::freeze(m);
  EXPECT_TRUE(frozen.parameters().empty());
  EXPECT_EQ(frozen.forward({torch::ones({2})}).toTensor().sum().item<float>(), 4);
}
