#include <gtest/gtest.h>

#include <thread>

#include "rushlight/autograd/engine.h"
#include "rushlight/ops/operators.h"
#include "values.h"

namespace rushlight {

namespace {

using F = std::vector<float>;

Tensor leaf(F v) {
  Tensor t = tensor_of(std::move(v));
  set_requires_grad(t, true);
  return t;
}
void backward(const Tensor& t, BackwardOptions options = {}) { run_backward({t}, {Tensor()}, options); }
Tensor gradient(const Tensor& of, const Tensor& by, bool create_graph = false) {
  return run_backward({of}, {Tensor()},
                      {.retain_graph = create_graph, .create_graph = create_graph, .accumulate = false}, {by})[0];
}
F grad_values(const Tensor& t) { return values_of(grad_of(t)); }
template <class Fn>
std::string error_of(Fn&& f) {
  try {
    f();
  } catch (const Error& e) { return e.text(); }
  return "no error";
}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(AutogradTest, GradientsAddUpOverUsesBroadcastsAndRuns) {
  Tensor a = leaf({1, 2, 3}), b = leaf({2});
  backward(sum(a * a * b));  // 2ab, sum a^2
  EXPECT_EQ(grad_values(a), (F{4, 8, 12}));
  EXPECT_EQ(grad_values(b), (F{14}));
  backward(sum(a * 3.0));
  EXPECT_EQ(grad_values(a), (F{7, 11, 15}));
}

TEST(AutogradTest, SecondDerivative) {
  Tensor x = leaf({2, 3});
  Tensor g = gradient(sum(x * x * x), x, true);  // 3x^2
  EXPECT_EQ(values_of(g), (F{12, 27}));
  EXPECT_EQ(values_of(gradient(sum(g), x)), (F{12, 18}));
  Tensor t = tanh(x);
  Tensor first = gradient(sum(t), x, true);
  Tensor second = gradient(sum(first), x);
  for (int i = 0; i < 2; i++) {
    float y = values_of(t)[size_t(i)];
    EXPECT_NEAR(values_of(second)[size_t(i)], -2 * y * (1 - y * y), 1e-6);
  }
}

TEST(AutogradTest, NodesHaveTheNamesPyTorchGivesThem) {
  Tensor x = leaf({1, 2});
  EXPECT_EQ(grad_fn(x + x)->name(), "AddBackward0");
  EXPECT_EQ(grad_fn(x * 2.0)->name(), "MulBackward0");
  EXPECT_EQ(grad_fn(sum(x))->name(), "SumBackward0");
  EXPECT_EQ(grad_fn(sum(x, IntArrayRef({0})))->name(), "SumBackward1");
  EXPECT_EQ(grad_fn(view(x, {2, 1}))->name(), "ViewBackward0");
  EXPECT_EQ(grad_fn(to(x, DType::Float64))->name(), "ToCopyBackward0");
  EXPECT_EQ(gradient_edge(x).node->name(), "AccumulateGrad");
}

TEST(AutogradTest, ChangedSavedTensorIsNamed) {
  Tensor a = leaf({1, 2, 3, 4});
  Tensor y = tanh(a);
  add_(y, Scalar(2.0));
  std::string text = error_of([&] { run_backward({y}, {ones_like(y)}, {}); });
  EXPECT_TRUE(contains(
      text, "[torch.FloatTensor [4]], which is output 0 of TanhBackward0, is at version 1; expected version 0 instead"))
      << text;
  EXPECT_TRUE(contains(text, "saved by tanh")) << text;
}

TEST(AutogradTest, SavesOnlyWhatAGradientNeeds) {
  Tensor x = leaf({1, 2});
  Tensor y = x * 3.0;
  {
    NoGradGuard no_grad;
    zero_(x);
  }
  backward(sum(y));  // d(3x) does not read x
  EXPECT_EQ(grad_values(x), (F{3, 3}));
}

TEST(AutogradTest, ChainOfAHundredThousandNodes) {
  Tensor x = leaf({1});
  {
    Tensor y = x;
    for (int i = 0; i < 100000; i++) y = y + x;
    backward(sum(y));
  }
  EXPECT_EQ(grad_values(x), (F{100001}));
  Tensor y = x;
  for (int i = 0; i < 100000; i++) y = sin(y);  // saved tensors hold the chain too
}

TEST(AutogradTest, BackwardTwiceNeedsRetainGraph) {
  Tensor x = leaf({2});
  Tensor y = sum(x * x);
  backward(y, {.retain_graph = true});
  backward(y);
  EXPECT_EQ(grad_values(x), (F{8}));
  EXPECT_TRUE(contains(error_of([&] { backward(y); }), "Trying to backward through the graph a second time"));
}

TEST(AutogradTest, BadRootsAndInputs) {
  Tensor x = leaf({1, 2}), z = leaf({1});
  EXPECT_TRUE(contains(error_of([&] { backward(x * x); }), "grad can be implicitly created only for scalar outputs"));
  EXPECT_TRUE(contains(error_of([&] { backward(tensor_of(F{1})); }),
                       "element 0 of tensors does not require grad and does not have a grad_fn"));
  EXPECT_TRUE(contains(error_of([&] { gradient(sum(x), z); }), "index 0 appears to not have been used in the graph"));
  EXPECT_TRUE(contains(error_of([&] { run_backward({x * x}, {tensor_of({1, 2, 3})}, {}); }), "Mismatch in shape"));
  EXPECT_TRUE(contains(error_of([&] { add_(x, Scalar(1)); }),
                       "a leaf Variable that requires grad is being used in an in-place operation."));
  EXPECT_TRUE(contains(error_of([&] { zero_(view(x, {2, 1})); }), "a view of a leaf Variable that requires grad"));
  EXPECT_TRUE(contains(error_of([&] { set_requires_grad(arange(3), true); }), "only Tensors of floating point"));
  EXPECT_TRUE(contains(error_of([&] { set_requires_grad(x * x, false); }),
                       "you can only change requires_grad flags of leaf variables"));
}

TEST(ViewGradientTest, WriteThroughAView) {
  Tensor a = leaf({1, 2, 3, 4}), w = leaf({5});
  Tensor x = a * 1.0;
  Tensor y = view(x, {2, 2});
  mul_(y, Scalar(2));
  fill_(select(x, 0, 0), Scalar(1));
  copy_(slice(x, 0, 3, 4), w);
  EXPECT_EQ(grad_fn(x)->name(), "CopySlices");
  EXPECT_EQ(grad_fn(y)->name(), "AsStridedBackward0");
  EXPECT_EQ(values_of(x), (F{1, 4, 6, 5}));
  backward(sum(x * x) + sum(y * tensor_of<float>({10, 20, 30, 40}, {2, 2})));
  EXPECT_EQ(grad_values(a), (F{0, 2 * (2 * 4 + 20), 2 * (2 * 6 + 30), 0}));
  EXPECT_EQ(grad_values(w), (F{2 * 5 + 40}));
}

TEST(ViewGradientTest, ViewTakenBeforeItsBaseNeedsAGradient) {
  Tensor w = leaf({3, 4});
  Tensor buffer = zeros({2, 2}, DType::Float32);
  Tensor row = select(buffer, 0, 1);
  copy_(row, w);
  EXPECT_TRUE(buffer.requires_grad());
  Tensor other = select(buffer, 0, 0);
  backward(sum(buffer) + sum(row * row) + sum(other));
  EXPECT_EQ(grad_values(w), (F{7, 9}));
}

TEST(ViewGradientTest, DoubleBackwardThroughCopySlices) {
  Tensor a = leaf({1, 2, 3});
  Tensor x = a * a;
  mul_(slice(x, 0, 1, 3), slice(a, 0, 1, 3));  // a0^2, a1^3, a2^3
  Tensor g = gradient(sum(x), a, true);
  EXPECT_EQ(values_of(g), (F{2, 12, 27}));
  EXPECT_EQ(values_of(gradient(sum(g), a)), (F{2, 12, 18}));
}

TEST(ViewGradientTest, GradientsOfSeveralWritesAreDifferentiable) {
  Tensor a = leaf({2, 3});
  Tensor buffer = zeros({2, 2}, DType::Float32);
  copy_(select(buffer, 0, 0), a * a);
  copy_(select(buffer, 0, 1), a);
  mul_(select(buffer, 0, 1), a * a);
  Tensor g = gradient(sum(buffer), a, true);  // 2a + 3a^2
  EXPECT_EQ(values_of(g), (F{16, 33}));
  EXPECT_EQ(values_of(gradient(sum(g), a)), (F{14, 20}));
}

TEST(ViewGradientTest, SecondDerivativeThroughAViewOfAChangedBase) {
  Tensor a = leaf({1, 2});
  Tensor x = a * 1.0, y = view(x, {2, 1});
  mul_(x, Scalar(2));
  Tensor g = gradient(sum(y * y * y), a, true);  // (2a)^3
  EXPECT_EQ(values_of(g), (F{24, 96}));
  EXPECT_EQ(values_of(gradient(sum(g), a)), (F{48, 96}));
}

TEST(ViewGradientTest, ViewsOfNoGradMayNotBeWritten) {
  Tensor a = leaf({1, 2}), x = a * 1.0, v;
  {
    NoGradGuard no_grad;
    v = view(x, {2, 1});
  }
  EXPECT_TRUE(contains(error_of([&] { mul_(v, Scalar(2)); }), "A view was created in no_grad mode"));
}

namespace {
struct Doubler : TensorHook {
  Tensor call(const Tensor& g) override { return g * 2.0; }
};
struct Counter : LeafHook {
  int calls = 0;
  void call(const Tensor&) override { calls++; }
};
}  // namespace

TEST(HookTest, TensorHooksChangeWhatFlowsOnAndRetainGradSeesTheChange) {
  Tensor a = leaf({1, 2});
  Tensor y = a * 3.0;
  retain_grad(y);
  register_hook(y, make_ref<Doubler>());
  int64_t id = register_hook(a, make_ref<Doubler>());
  remove_hook(a, id);
  auto counter = make_ref<Counter>();
  register_post_accumulate_hook(a, counter);
  backward(sum(y));
  EXPECT_EQ(grad_values(y), (F{2, 2}));
  EXPECT_EQ(grad_values(a), (F{6, 6}));
  EXPECT_EQ(counter->calls, 1);
}

TEST(EngineTest, InputsRestrictWhatIsComputed) {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  Tensor y = a * b, z = sum(y * y);
  Tensors g = run_backward({z}, {Tensor()}, {.retain_graph = true, .accumulate = false}, {y, a});
  EXPECT_EQ(values_of(g[0]), (F{6, 16}));
  EXPECT_EQ(values_of(g[1]), (F{18, 64}));
  EXPECT_FALSE(grad_of(b).defined());
  run_backward({z}, {Tensor()}, {}, {b});
  EXPECT_EQ(grad_values(b), (F{6, 32}));
  EXPECT_FALSE(grad_of(a).defined());
}

TEST(EngineTest, GradientsNeverAliasWhatTheCallerHolds) {
  Tensor a = leaf({1, 2}), b = leaf({3, 4}), g = tensor_of({1, 1});
  run_backward({a + b}, {g}, {});
  run_backward({a + b}, {g}, {});
  EXPECT_EQ(values_of(g), (F{1, 1}));
  EXPECT_EQ(grad_values(a), (F{2, 2}));
  EXPECT_EQ(grad_values(b), (F{2, 2}));
}

TEST(EngineTest, ThreadsShareALeaf) {
  Tensor a = leaf({1, 2});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++)
    threads.emplace_back([&] {
      for (int k = 0; k < 200; k++) backward(sum(a * a));
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(grad_values(a), (F{1600, 3200}));
}

TEST(AutogradTest, WhatIsCopiedIntoIntegersHasNoGradient) {
  Tensor ints = arange(2);
  copy_(ints, leaf({3, 4}));
  EXPECT_FALSE(ints.requires_grad());
  EXPECT_EQ(values_of<int64_t>(ints), (std::vector<int64_t>{3, 4}));
}

TEST(InferenceModeTest, ItsTensorsStayOutOfTheGraph) {
  Tensor a = leaf({1, 2}), t;
  {
    NoGradGuard no_grad;
    Scoped<bool> inference(thread_state.inference_mode, true);
    t = a * 2.0;
    EXPECT_FALSE(t.requires_grad());
    add_(t, Scalar(1));
  }
  EXPECT_TRUE(
      contains(error_of([&] { add_(t, Scalar(1)); }), "Inplace update to inference tensor outside InferenceMode"));
  EXPECT_TRUE(contains(error_of([&] { a* t; }), "Inference tensors cannot be saved for backward"));
}

}  // namespace rushlight
