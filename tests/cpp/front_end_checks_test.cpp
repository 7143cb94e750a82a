// What the front end refuses, warns of and shows as PyTorch's does: indices, layers, samplers, libraries as values, inference tensors.
#include <ATen/ATen.h>
#include <ATen/DLConvertor.h>
#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include "rushlight/api/library.h"

namespace {

template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const c10::Error& e) { return e.what(); }
  return "nothing was thrown";
}
#define EXPECT_REFUSED(expression, text)                                         \
  EXPECT_NE(error_of([&] { (void)(expression); }).find(text), std::string::npos) \
      << error_of([&] { (void)(expression); })

torch::Tensor sum_of(const torch::Tensor& a, const torch::Tensor& b) { return a + b; }
std::vector<torch::Tensor> both_of(const torch::Tensor& a, const torch::Tensor& b) { return {a + b, a - b}; }

}  // namespace

TEST(FrontEndChecksTest, IndicesThatAreNone) {
  torch::Tensor x = torch::ones({2, 3}), number = torch::tensor(10);
  EXPECT_REFUSED(x.index({}), "Passing an empty index list to Tensor::index() is not valid syntax");
  EXPECT_REFUSED(x.index_put_({}, 1), "Passing an empty index list to Tensor::index_put_() is not valid syntax");
  EXPECT_REFUSED(number.index({0}), "invalid index of a 0-dim tensor");
  EXPECT_REFUSED(x.index({".."}), "Expected \"...\" to represent an ellipsis index, but got \"..\"");
}

TEST(FrontEndChecksTest, LeadingOnesOfValuesMayBeTooMany) {
  torch::Tensor x = torch::zeros({2, 3}), ones = torch::ones({1, 1, 1, 2, 3});
  x.index_put_({true}, ones);
  EXPECT_EQ(x.sum().item<float>(), 6);
  x.index_put_({torch::tensor({1, 0})}, ones * 2);
  EXPECT_EQ(x.sum().item<float>(), 12);
}

TEST(FrontEndChecksTest, LayersCheckTheirOptions) {
  using namespace torch::nn;
  EXPECT_REFUSED(Hardtanh(HardtanhOptions().min_val(0.5).max_val(0.5)), "max_val must be greater than min_val");
  EXPECT_REFUSED(Conv1d(Conv1dOptions(3, 2, 3).groups(-1)), "in_channels, groups and out_channels must");
  EXPECT_REFUSED(RNN(RNNOptions(1, 0)), "hidden_size must be greater than zero");
  EXPECT_REFUSED(AdaptiveLogSoftmaxWithLoss(AdaptiveLogSoftmaxWithLossOptions(8, 4, {2}).div_value(0)),
                 "div_value should not be equal to 0");
  ParameterDict have, more;
  have->insert("a", torch::ones({1}));
  more->insert("b", torch::ones({1}));
  EXPECT_REFUSED(have->update(*more), "'b' is not defined");
}

TEST(FrontEndChecksTest, AdaptiveSoftmaxOfOneExample) {
  torch::nn::AdaptiveLogSoftmaxWithLoss m(torch::nn::AdaptiveLogSoftmaxWithLossOptions(8, 10, {2, 5}));
  torch::Tensor x = torch::randn({1, 8}), y = torch::tensor({7});
  auto batch = m(x, y), one = m(x.squeeze(0), y.squeeze(0));
  EXPECT_EQ(one.output.dim(), 0);
  EXPECT_EQ(one.output.item<float>(), batch.output.item<float>());
}

TEST(FrontEndChecksTest, DistributedSamplersLeaveOutTheLastOrRepeatTheFirst) {
  for (bool duplicates : {true, false}) {
    std::vector<size_t> all;
    for (size_t rank = 0; rank < 3; rank++) {
      torch::data::samplers::DistributedRandomSampler s(10, 3, rank, duplicates);
      while (auto batch = s.next(2)) all.insert(all.end(), batch->begin(), batch->end());
    }
    std::sort(all.begin(), all.end());
    if (duplicates) EXPECT_EQ(all, (std::vector<size_t>{0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    else EXPECT_EQ(all, (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  }
}

TEST(FrontEndChecksTest, LibrariesAsValuesAndGradientsThatAreErrors) {
  {
    auto library = MAKE_TORCH_LIBRARY(rl_checks);
    library.def("sum_of(Tensor a, Tensor b) -> Tensor");
    auto cpu = MAKE_TORCH_LIBRARY_IMPL(rl_checks, CPU), grad = MAKE_TORCH_LIBRARY_IMPL(rl_checks, Autograd);
    cpu.impl("sum_of", c10::DispatchKey::CPU, TORCH_FN(sum_of));
    grad.impl("sum_of", c10::DispatchKey::Autograd, torch::autograd::autogradNotImplementedFallback());
    auto op = c10::Dispatcher::singleton()
                  .findSchemaOrThrow("rl_checks::sum_of", "")
                  .typed<torch::Tensor(const torch::Tensor&, const torch::Tensor&)>();
    torch::Tensor a = torch::ones({2}, torch::requires_grad()), b = torch::ones({2});
    EXPECT_FALSE(op.call(b, b).requires_grad());
    torch::Tensor made = op.call(a, b);
    EXPECT_TRUE(made.requires_grad());
    EXPECT_REFUSED(made.sum().backward(), "derivative for rl_checks::sum_of is not implemented");
    library.def("both_of(Tensor a, Tensor b) -> Tensor[]");
    cpu.impl("both_of", TORCH_FN(both_of));
    grad.impl("both_of", torch::autograd::autogradNotImplementedFallback());
    auto both = c10::Dispatcher::singleton()
                    .findSchemaOrThrow("rl_checks::both_of", "")
                    .typed<std::vector<torch::Tensor>(const torch::Tensor&, const torch::Tensor&)>();
    EXPECT_REFUSED(both.call(a, b)[1].sum().backward(), "derivative for rl_checks::both_of is not implemented");
  }
  EXPECT_REFUSED(c10::Dispatcher::singleton().findSchemaOrThrow("rl_checks::sum_of", ""), "Could not find schema");
}

TEST(FrontEndChecksTest, InferenceTensorsAreNotRecordedOutside) {
  torch::Tensor made, view;
  torch::Tensor outside = torch::ones({2}).requires_grad_().clone();
  {
    c10::InferenceMode mode;
    made = torch::ones({2}).set_requires_grad(true);
    view = outside.view({2, 1});
  }
  EXPECT_FALSE((made * 2).requires_grad());
  EXPECT_FALSE(made.view({2, 1}).requires_grad());
  EXPECT_REFUSED(made.add_(1), "Inplace update to inference tensor outside InferenceMode is not allowed");
  torch::NoGradGuard off;
  torch::Tensor again = view.view({2});
  c10::GradMode::set_enabled(true);
  EXPECT_REFUSED(again.add_(1), "A view was created in inference mode");
}

TEST(FrontEndChecksTest, HooksAreRemovedOnce) {
  torch::Tensor x = torch::ones({1}, torch::requires_grad());
  unsigned id = x.register_hook([](torch::Tensor g) { return g * 2; });
  x.remove_hook(id);
  EXPECT_REFUSED(x.remove_hook(id), "no hook at position");
}

TEST(FrontEndChecksTest, FunctionsAskForRangesOfGradients) {
  struct Second : torch::autograd::Function<Second> {
    static torch::Tensor forward(torch::autograd::AutogradContext*, torch::Tensor a, torch::Tensor b) { return a + b; }
    static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::tensor_list g) {
      EXPECT_FALSE(ctx->needs_input_grad({torch::autograd::IndexRange{0, 1}}));
      EXPECT_TRUE(ctx->needs_input_grad({{0, 1}, {1, 2}}));
      return {torch::Tensor(), g[0]};
    }
  };
  Second::apply(torch::ones({1}), torch::ones({1}, torch::requires_grad())).backward();
}

TEST(FrontEndChecksTest, FunctionsKnowWhichGradientsThisRunWants) {
  struct Either : torch::autograd::Function<Either> {
    static torch::Tensor forward(torch::autograd::AutogradContext*, torch::Tensor a, torch::Tensor b) { return a + b; }
    static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::tensor_list g) {
      asked() = {ctx->needs_input_grad(0), ctx->needs_input_grad(1)};
      return {g[0], g[0]};
    }
    static std::array<bool, 2>& asked() {
      static std::array<bool, 2> both;
      return both;
    }
  };
  torch::Tensor a = torch::ones({1}, torch::requires_grad()), b = torch::ones({1}, torch::requires_grad());
  torch::Tensor y = Either::apply(a, b);
  torch::autograd::grad({y}, {b}, {}, true);
  EXPECT_EQ(Either::asked(), (std::array<bool, 2>{false, true}));
  y.backward({}, true);
  EXPECT_EQ(Either::asked(), (std::array<bool, 2>{true, true}));
  EXPECT_REFUSED(torch::autograd::grad({y}, {}), "non-empty inputs");
}

TEST(FrontEndChecksTest, ModulesTellWhatTheyHave) {
  torch::jit::Module m("Net");
  m.register_parameter("w", torch::ones({2}), false);
  m.define("def forward(self, x):\n  return x * self.w\n");
  std::string text = m.dump_to_str(true, true, false);
  EXPECT_NE(text.find("module __torch__.Net {"), std::string::npos) << text;
  EXPECT_NE(text.find("method forward {"), std::string::npos) << text;
  EXPECT_NE(text.find("aten::mul"), std::string::npos) << text;
}

TEST(FrontEndChecksTest, MemorySharedAsDLPack) {
  torch::Tensor x = torch::arange(6).view({2, 3});
  DLManagedTensor* shared = at::toDLPack(x.t());
  EXPECT_EQ(shared->dl_tensor.shape[0], 3);
  EXPECT_EQ(shared->dl_tensor.strides[0], 1);
  torch::Tensor y = at::fromDLPack(shared);
  y[2][1] = 50;
  EXPECT_EQ(x[1][2].item<int64_t>(), 50);
  bool freed = false;
  DLManagedTensorVersioned* newer = at::toDLPackVersioned(torch::ones({2}));
  {
    torch::Tensor z = at::fromDLPackVersioned(newer, [&](void* p) {
      freed = true;
      static_cast<DLManagedTensorVersioned*>(p)->deleter(static_cast<DLManagedTensorVersioned*>(p));
    });
    EXPECT_EQ(z.sum().item<float>(), 2);
  }
  EXPECT_TRUE(freed);
  EXPECT_REFUSED(at::toDLPack(torch::ones({2}, torch::kMeta)), "only tensors on the CPU can be shared");
  EXPECT_REFUSED(at::fromDLPack(nullptr), "null pointer");
  int64_t sizes[] = {int64_t(1) << 62, 4}, strides[] = {4, 1};
  DLManagedTensor huge{};
  huge.dl_tensor = {nullptr, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, sizes, strides, 0};
  EXPECT_REFUSED(at::fromDLPack(&huge), "overflow");
  huge.dl_tensor.ndim = -1;
  EXPECT_REFUSED(at::fromDLPack(&huge), "dimensions");
  EXPECT_EQ(at::toScalarType(at::getDLDataType(torch::ones({1}, torch::kBFloat16))), torch::kBFloat16);
}

TEST(FrontEndChecksTest, GuardsOfDevices) {
  torch::Tensor x = torch::ones({2});
  at::DeviceGuard guard(x.device());
  EXPECT_EQ(guard.original_device(), torch::Device(torch::kCPU));
  at::OptionalDeviceGuard none(device_of(torch::Tensor())), one(device_of(x));
  EXPECT_FALSE(none.current_device());
  EXPECT_EQ(*one.current_device(), torch::Device(torch::kCPU));
  EXPECT_THROW(at::DeviceGuard(torch::Device(torch::kCUDA, 0)), c10::Error);
}

TEST(FrontEndChecksTest, DataSetsStandInDataToo) {
  struct Ones : torch::data::Dataset<Ones> {
    torch::data::Example<> get(size_t) override { return {torch::ones({1}), torch::ones({1})}; }
    torch::optional<size_t> size() const override { return 3; }
  };
  auto loader = torch::data::make_data_loader(Ones().map(torch::data::transforms::Stack<>()), 2);
  size_t batches = 0;
  for (auto& batch : *loader) batches += size_t(batch.data.size(0) > 0);
  EXPECT_EQ(batches, 2u);
}

TEST(FrontEndChecksTest, ADeleterThatThrowsEndsNothing) {
  float values[2] = {1, 2};
  testing::internal::CaptureStderr();
  {
    auto t = torch::from_blob(values, {2}, [](void*) { throw std::runtime_error("mine"); });
  }
  EXPECT_NE(testing::internal::GetCapturedStderr().find("deleter of borrowed memory threw: mine"), std::string::npos);
}

TEST(FrontEndChecksTest, MemoryThatIsNotThereIsNotBorrowed) {
  EXPECT_NE(error_of([] { torch::from_blob(nullptr, {3}); }).find("got a null pointer"), std::string::npos);
  EXPECT_EQ(torch::from_blob(nullptr, {0, 3}).numel(), 0);
}

TEST(FrontEndChecksTest, AnArchiveOfAnotherOptimizerIsRefused) {
  std::vector<torch::Tensor> w{torch::ones({2}, torch::requires_grad())};
  torch::optim::Adam adam(w);
  w[0].sum().backward();
  adam.step();
  std::stringstream file;
  torch::save(adam, file);
  torch::optim::RMSprop other(w, 0.5);
  EXPECT_NE(error_of([&] { torch::load(other, file); }).find("no 'alpha', which RMSpropOptions need"),
            std::string::npos);
  EXPECT_EQ(other.param_groups()[0].options().get_lr(), 0.5);
}

TEST(FrontEndChecksTest, AMethodIsDefinedOnce) {
  torch::jit::Module m("Once");
  m.define("def f(self):\n  return 1\n");
  EXPECT_NE(error_of([&] { m.define("def f(self):\n  return 2\n"); }).find("Can't redefine method: f on class: "),
            std::string::npos);
  EXPECT_EQ(m.run_method("f").toInt(), 1);
}

TEST(FrontEndChecksTest, AStreamIsReadAgain) {
  torch::nn::Linear saved(2, 2), other(2, 3), same(2, 2);
  std::stringstream stream;
  torch::save(saved, stream);
  EXPECT_NE(error_of([&] { torch::load(other, stream); }).find("weight"), std::string::npos);
  torch::load(same, stream);
  EXPECT_TRUE(torch::equal(same->weight, saved->weight));
  std::stringstream script;
  torch::jit::Module module("m");
  module.define("def forward(self, x):\n    return x + 1\n");
  module.save(script);
  EXPECT_EQ(torch::jit::load(script).forward({torch::ones(1)}).toTensor().item<int>(), 2);
  EXPECT_EQ(torch::jit::load(script).forward({torch::ones(1)}).toTensor().item<int>(), 2);
  std::ifstream closed("/nowhere/model.pt");
  EXPECT_NE(error_of([&] { torch::jit::load(closed); }).find("was its file opened?"), std::string::npos);
}

TEST(FrontEndChecksTest, WhatGetsNoGradient) {
  auto x = torch::ones({2}, torch::requires_grad()), y = (x * x).sum();
  EXPECT_NE(error_of([&] { y.backward({}, false, false, std::vector<torch::Tensor>{}); }).find("cannot be empty"),
            std::string::npos);
  y.backward({}, false, false, {x});
  EXPECT_EQ(x.grad()[0].item<int>(), 2);
  EXPECT_NE(error_of([] { torch::ones({2}, torch::kInt).requires_grad_(); }).find("floating point and complex"),
            std::string::npos);
  auto plain = torch::ones({2});
  EXPECT_NE(error_of([&] {
              plain.to(torch::TensorOptions(torch::kFloat).requires_grad(true));
            }).find("requires_grad set as true"),
            std::string::npos);
  EXPECT_FALSE(plain.requires_grad());
  EXPECT_NE(
      error_of([] { torch::tensor({{1, 2}, {3}}); }).find("sizes: 2 (e.g. {1, 2}), but got sub-list {3} with sizes: 1"),
      std::string::npos);
}

namespace {
struct WritesThroughAPointer : torch::autograd::Function<WritesThroughAPointer> {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, torch::Tensor x) {
    x.data_ptr<float>()[0] = 2;
    ctx->mark_dirty({x});
    return x;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list g) {
    return g;
  }
};
}  // namespace

TEST(FrontEndChecksTest, AMarkCountsAsAWrite) {
  auto x = torch::ones({2}, torch::requires_grad()).clone(), y = x * x;
  WritesThroughAPointer::apply(x);
  EXPECT_EQ(x._version(), 1u);
  EXPECT_NE(error_of([&] { y.sum().backward(); }).find("modified by an inplace operation"), std::string::npos);
}

TEST(FrontEndChecksTest, AnomaliesNameTheCallsOfTheProgram) {
  torch::autograd::DetectAnomalyGuard guard;
  auto x = torch::zeros({1}, torch::requires_grad());
  std::string error = error_of([&] { (x.sqrt() * 0).backward(); });
  EXPECT_NE(error.find("Traceback of forward call that caused the error:\nframe #0: "), std::string::npos);
  EXPECT_NE(c10::get_backtrace().find("frame #1: "), std::string::npos);
}

TEST(FrontEndChecksTest, SettingsAreKept) {
  auto& context = at::globalContext();
  EXPECT_TRUE(context.allowTF32CuDNN());
  context.setAllowTF32CuDNN(false);
  context.setAllowFP16ReductionCuBLAS(false, false);
  EXPECT_FALSE(context.allowTF32CuDNN() || context.allowFP16ReductionCuBLAS());
  EXPECT_FALSE(at::accelerator::getAccelerator().has_value());
  EXPECT_NE(error_of([] { at::accelerator::synchronizeDevice(0); }).find("none is available"), std::string::npos);
}

TEST(FrontEndChecksTest, HalfPrecisionRoundsEachResult) {
  at::Half a = 2048.f, b = 1.f;
  EXPECT_EQ(float(a + b), 2048);  // 2049 is none
  static_assert(std::is_same_v<decltype(a * b), at::Half> && std::is_same_v<decltype(a - 1), at::Half> &&
                std::is_same_v<decltype(1.f / a), float> && std::is_same_v<decltype(a * 2.), double> &&
                std::is_same_v<decltype(-a), at::Half>);
  EXPECT_EQ(float(std::max(a - b, b)), 2047);
  at::BFloat16 c = 256.f;
  c += 1;
  EXPECT_EQ(float(c), 256);
  static_assert(std::is_same_v<at::scalar_value_type<c10::complex<float>>::type, float>);
}

TEST(FrontEndChecksTest, IndicesThatMayBeMissing) {
  auto x = torch::arange(6).view({2, 3});
  std::optional<torch::Tensor> rows = torch::tensor({1}), none;
  EXPECT_EQ(x.index({rows}).sum().item<int>(), 12);
  EXPECT_EQ(x.index({none, 1}).sum().item<int>(), 5);
  EXPECT_FALSE(torch::Tensor(nullptr).defined());
}
