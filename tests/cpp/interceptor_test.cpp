// Interceptors and levels from C++: who sees a call, in which order, and that levels find their own tensors.
#include <gtest/gtest.h>

#include "rushlight/autograd/engine.h"
#include "rushlight/ops/operators.h"
#include "rushlight/transforms/autocast.h"
#include "rushlight/transforms/level.h"
#include "values.h"

namespace rushlight {
namespace {

struct Listed final : Interceptor {
  Listed(std::vector<std::string>& log, std::string name, Place place, bool whole = true)
      : Interceptor(place), log(log), name(std::move(name)), whole(whole) {}
  void call(const Op& op, IValue* args, IValue* rets) override {
    log.push_back(name + ":" + op.name() + (thread_state.grad_enabled ? "" : " (no grad)"));
    rushlight::call(op, args, rets);
  }
  bool takes_whole(const Op& op) const override { return whole || !is_composite(op); }
  std::vector<std::string>& log;
  std::string name;
  bool whole;
};

using Log = std::vector<std::string>;
constexpr auto kAbove = Interceptor::Place::AboveAutograd, kBelow = Interceptor::Place::BelowAutograd;

TEST(InterceptorTest, ThoseBelowAutogradComeLastAndSeeACallThatIsRecorded) {
  Log log;
  Listed outer(log, "outer", kAbove), below(log, "below", kBelow), inner(log, "inner", kAbove);
  Tensor x = ones({2});
  x.impl()->set_requires_grad(true);
  {
    InterceptorGuard a(outer), b(below), c(inner);
    exp(x);
    neg(ones({2}));
  }
  EXPECT_EQ(log, (Log{"inner:exp", "outer:exp", "below:exp (no grad)", "inner:ones", "outer:ones", "below:ones",
                      "inner:neg", "outer:neg", "below:neg"}));
  log.clear();
  exp(x);
  EXPECT_TRUE(log.empty());
}

TEST(InterceptorTest, ACompositeComesWholeOrInParts) {
  Log whole, parts;
  Tensor x = ones({2, 2});
  {
    Listed i(whole, "i", kAbove);
    InterceptorGuard guard(i);
    matmul(x, x);
  }
  {
    Listed i(parts, "i", kAbove, false);
    InterceptorGuard guard(i);
    matmul(x, x);
  }
  EXPECT_EQ(whole, (Log{"i:matmul"}));
  EXPECT_EQ(parts, (Log{"i:mm"}));
}

TEST(InterceptorTest, AnErrorLeavesTheChainAsItWas) {
  Log log;
  Listed i(log, "i", kAbove);
  EXPECT_THROW(
      {
        InterceptorGuard guard(i);
        mm(ones({2, 3}), ones({2, 3}));
      },
      Error);
  EXPECT_EQ(thread_state.interceptor, nullptr);
}

TEST(LevelTest, GradientsOfGradientsAtLevels) {
  // d/dx of (d/dx x^3) = 6 x, each at a level of its own, though base autograd records too.
  Tensor x = ones({}) * 2.0;
  GradLevel outer, inner;
  outer.enter();
  InterceptorGuard outer_guard(outer);
  Tensor a = outer.wrap(x, true), first;
  {
    inner.enter();
    InterceptorGuard inner_guard(inner);
    Tensor b = inner.wrap(a, true);
    first = inner.unwrapped(run_backward({b * b * b}, {Tensor()}, {.create_graph = true, .accumulate = false}, {b})[0]);
  }
  EXPECT_EQ(outer.unwrapped(first).data<float>()[0], 12);
  Tensor second = run_backward({first}, {Tensor()}, {.accumulate = false}, {a})[0];
  EXPECT_EQ(outer.unwrapped(second).data<float>()[0], 12);
}

TEST(LevelTest, ABatchRunsAnyOperator) {
  Tensor x = reshape(arange(Scalar(6), DType::Float32), {2, 3});
  BatchLevel level(2, BatchLevel::Randomness::Error);
  Tensor sums, sorted;
  {
    InterceptorGuard guard(level);
    Tensor row = level.wrap(x);
    EXPECT_EQ(row.sizes(), (Dims{3}));
    sums = level.unwrapped(sum(row * 2.0));
    sorted = level.unwrapped(flip(row, {0}));
  }
  EXPECT_EQ(values_of(sums), (std::vector<float>{6, 24}));
  EXPECT_EQ(values_of(sorted), (std::vector<float>{2, 1, 0, 5, 4, 3}));
}

TEST(LevelTest, ATensorOfABatchThatLeftItIsAnError) {
  BatchLevel level(2, BatchLevel::Randomness::Error);
  Tensor leaked = level.wrap(ones({2, 3}));
  EXPECT_THROW(leaked * 2.0, RuntimeError);
}

TEST(AutocastTest, ProductsAreSmallInARegion) {
  AutocastRegion& region = AutocastRegion::of_thread();
  Tensor x = ones({2, 2});
  region.set_enabled(true);
  DType product = matmul(x, x).dtype(), total = sum(x).dtype();
  region.set_enabled(false);
  EXPECT_EQ(product, DType::BFloat16);
  EXPECT_EQ(total, DType::Float32);
  EXPECT_EQ(matmul(x, x).dtype(), DType::Float32);
}

}  // namespace
}  // namespace rushlight
