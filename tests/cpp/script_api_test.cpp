// Scripted modules and archives as C++ programs use them.
#include <gtest/gtest.h>
#include <torch/script.h>

#include <sstream>

namespace {

torch::jit::Module network() {
  torch::jit::Module inner("Inner"), net("Net");
  inner.register_parameter("weight", torch::full({2, 3}, 2.0, torch::requires_grad()), false);
  inner.register_buffer("count", torch::tensor({3}));
  inner.register_attribute("training", c10::BoolType::get(), true);
  inner.define("def forward(self, x : Tensor) -> Tensor:\n  return torch.matmul(x, torch.t(self.weight))\n");
  net.register_module("inner", inner);
  net.register_attribute("training", c10::BoolType::get(), true);
  net.define("def forward(self, x : Tensor, n : int = 1) -> Tensor:\n  return torch.mul(self.inner.forward(x), n)\n");
  return net;
}
torch::Tensor x() { return torch::ones({1, 3}); }

}  // namespace

TEST(ScriptApiTest, ModulesShowWhatTheyHold) {
  torch::jit::Module m = network();
  auto parameters = m.named_parameters();
  ASSERT_EQ(parameters.size(), 1u);
  EXPECT_EQ(parameters[0].name, "inner.weight");
  EXPECT_EQ(m.named_buffers()[0].name, "inner.count");
  EXPECT_EQ(m.named_children()[0].name, "inner");
  EXPECT_EQ(m.named_modules().size(), 2u);
  EXPECT_TRUE(m.parameters(/*recurse=*/false).empty());
  EXPECT_TRUE(m.hasattr("inner") && m.attr("inner").isModule());
  EXPECT_EQ(m.attr("nothing", 5).toInt(), 5);
  m.eval();
  EXPECT_FALSE(m.is_training() || m.attr("inner").toModule().is_training());
}

TEST(ScriptApiTest, SavedModulesComeBack) {
  torch::jit::Module m = network();
  std::stringstream file;
  m.save(file, {{"notes.txt", "hello"}});
  torch::jit::ExtraFilesMap extra{{"notes.txt", ""}};
  torch::jit::Module back = torch::jit::load(file, torch::kCPU, extra);
  EXPECT_EQ(extra["notes.txt"], "hello");
  EXPECT_TRUE(torch::equal(back.forward({x(), 2}).toTensor(), m.forward({x(), 2}).toTensor()));
  EXPECT_EQ(back.get_method("forward")({x()}).toTensor()[0][0].item<float>(), 6);
}

TEST(ScriptApiTest, ModulesConvertInPlaceAndTrain) {
  torch::jit::Module m = network();
  torch::Tensor weight = m.parameters()[0];
  m.to(torch::kDouble);
  EXPECT_EQ(weight.scalar_type(), torch::kDouble);
  EXPECT_EQ(m.buffers()[0].scalar_type(), torch::kLong);
  m.forward({x().to(torch::kDouble)}).toTensor().sum().backward();
  EXPECT_EQ(weight.grad().sum().item<double>(), 6);
  torch::jit::Module copy = m.deepcopy();
  copy.parameters()[0].data().zero_();
  EXPECT_EQ(weight.sum().item<double>(), 12);
  EXPECT_TRUE(copy.parameters()[0].requires_grad());
  m.copy().parameters()[0].data().zero_();
  EXPECT_EQ(weight.sum().item<double>(), 0);
}

TEST(ScriptApiTest, CopiesOutliveAnAttributeAddedToTheOther) {
  torch::jit::Module m = network(), copy = m.copy();
  m.register_attribute("late", c10::IntType::get(), 3);
  EXPECT_TRUE(copy.attr("late").isNone());
  EXPECT_EQ(copy.named_attributes(/*recurse=*/false).size(), m.named_attributes(false).size());
}

TEST(ScriptApiTest, FunctionsOfATextRun) {
  auto unit = torch::jit::compile("def twice(a, n : int = 2):\n  return torch.mul(a, n)\n");
  EXPECT_EQ(unit->run_method("twice", torch::ones({2})).toTensor().sum().item<float>(), 4);
  EXPECT_THROW(unit->run_method("thrice", torch::ones({2})), c10::Error);
  EXPECT_THROW(torch::jit::compile("def broken(:\n"), c10::Error);
}

TEST(ScriptApiTest, TensorsAndArchivesAreSavedAndLoaded) {
  torch::Tensor t = torch::rand({2, 3}), u;
  std::stringstream one, many, named;
  torch::save(t, one);
  torch::load(u, one);
  EXPECT_TRUE(torch::equal(t, u));
  torch::save(std::vector<torch::Tensor>{t, t + 1}, many);
  std::vector<torch::Tensor> list;
  torch::load(list, many);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_TRUE(torch::equal(list[1], t + 1));

  torch::serialize::OutputArchive out, inner;
  inner.write("w", t);
  out.write("inner", inner);
  out.write("step", torch::IValue(3));
  out.save_to(named);
  torch::serialize::InputArchive in, nested;
  in.load_from(named);
  in.read("inner", nested);
  nested.read("w", u);
  torch::IValue step;
  in.read("step", step);
  EXPECT_EQ(step.toInt(), 3);
  EXPECT_TRUE(torch::equal(t, u));
  EXPECT_FALSE(in.try_read("missing", u));
  EXPECT_THROW(in.read("missing", u), c10::Error);
}

TEST(ScriptApiTest, PicklesHoldContainers) {
  c10::Dict<std::string, torch::Tensor> d;
  d.insert("w", torch::rand({2}));
  torch::IValue back = torch::pickle_load(torch::pickle_save(std::make_tuple(d, std::vector<int64_t>{1, 2}, 2.5, "s")));
  auto items = back.toTuple()->elements();
  EXPECT_TRUE(torch::equal(items[0].toGenericDict().at("w").toTensor(), d.at("w")));
  EXPECT_EQ(items[1].toListRef().size(), 2u);
  EXPECT_EQ(items[2].toDouble(), 2.5);
  EXPECT_EQ(items[3].toStringRef(), "s");
  EXPECT_THROW(torch::pickle_save(torch::Device("cpu")), c10::Error);
}
