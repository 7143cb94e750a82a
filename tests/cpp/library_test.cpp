// Operators of C++ programs: TORCH_LIBRARY, calls by name, and the table as it grows and shrinks under calls.
#include <gtest/gtest.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <atomic>
#include <thread>

namespace {

using torch::Tensor;

Tensor shift(const Tensor& x, int64_t by) { return x + by; }
std::tuple<Tensor, int64_t> counted(const Tensor& x) { return {x, x.numel()}; }

TORCH_LIBRARY(program, m) {
  m.def("shift(Tensor x, int by=1) -> Tensor", &shift);
  m.def("counted", &counted);
}

auto find(const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, ""); }

TEST(LibraryTest, OperatorsOfAProgramAreCalledByName) {
  auto typed = find("program::shift").typed<Tensor(const Tensor&, int64_t)>();
  EXPECT_EQ(typed.call(torch::ones({1}), 4).item<float>(), 5);
  auto [same, n] = find("program::counted").typed<std::tuple<Tensor, int64_t>(const Tensor&)>().call(torch::ones({3}));
  EXPECT_EQ(n, 3);
  EXPECT_EQ(find("program::shift").schema(), "program::shift(Tensor x, int by=1) -> Tensor");
  torch::jit::Stack stack = {torch::ones({1}), int64_t(2)};
  find("program::shift").callBoxed(stack);
  EXPECT_EQ(stack.at(0).toTensor().item<float>(), 3);
  auto add = c10::Dispatcher::singleton().findSchemaOrThrow("aten::add", "Tensor");
  auto call = add.typed<Tensor(const Tensor&, const Tensor&, const at::Scalar&)>();
  EXPECT_EQ(call.call(torch::ones({1}), torch::ones({1}), 2).item<float>(), 3);
}

TEST(LibraryTest, UnknownNamesAndWrongTypesAreErrors) {
  EXPECT_THROW(
      try { find("program::shfit"); } catch (const c10::Error& e) {
        EXPECT_NE(std::string(e.what()).find("program::shift"), std::string::npos) << e.what();
        throw;
      },
      c10::Error);
  EXPECT_THROW(find("program::shift").typed<Tensor(const Tensor&)>(), c10::Error);
  EXPECT_THROW((find("program::shift").typed<Tensor(const Tensor&, double)>()), c10::Error);
  torch::jit::Stack empty;
  EXPECT_THROW(find("program::shift").callBoxed(empty), c10::Error);
}

TEST(LibraryTest, WhatALibraryRegisteredGoesWithIt) {
  std::optional<c10::OperatorHandle> kept;
  {
    torch::Library library(torch::Library::DEF, "passing", std::nullopt, "here", 1);
    library.def("f(Tensor x) -> Tensor", [](const Tensor& x) { return x * 2; });
    EXPECT_THROW(library.def("f(Tensor x) -> Tensor"), c10::Error);
    EXPECT_THROW(library.def("g(Tensor x) -> Tensor", [](const Tensor&) { return int64_t(1); }), c10::Error);
    kept = find("passing::f");
    EXPECT_EQ(kept->typed<Tensor(const Tensor&)>().call(torch::ones({1})).item<float>(), 2);
  }
  EXPECT_FALSE(c10::Dispatcher::singleton().findSchema({"passing::f", ""}));
  EXPECT_THROW(kept->typed<Tensor(const Tensor&)>().call(torch::ones({1})), c10::Error);
}

TEST(LibraryTest, AKernelForAutogradGoesBelowIt) {
  torch::Library library(torch::Library::DEF, "graded", std::nullopt, "here", 1);
  library.def("f(Tensor x) -> Tensor");
  library.impl("f", torch::dispatch(torch::kCPU, [](const Tensor& x) { return x.detach() * 3; }));
  library.impl("f", torch::dispatch(c10::DispatchKey::Autograd, [](c10::DispatchKeySet keys, const Tensor& x) {
                 auto op = find("graded::f").typed<Tensor(const Tensor&)>();
                 return op.redispatch(keys & c10::after_autograd_keyset, x) + x;
               }));
  Tensor x = torch::ones({1}, torch::requires_grad());
  Tensor y = find("graded::f").typed<Tensor(const Tensor&)>().call(x);
  EXPECT_EQ(y.item<float>(), 4);
  y.backward();
  EXPECT_EQ(x.grad().item<float>(), 1);
}

TEST(LibraryTest, TheTableGrowsAndShrinksUnderCalls) {
  std::atomic<bool> stop{false};
  std::atomic<int> right{0}, gone{0}, wrong{0};
  auto define = [](torch::Library& library) {
    library.def("f(Tensor x) -> Tensor", [](const Tensor& x) { return x + 1; });
  };
  std::thread caller([&] {
    Tensor x = torch::ones({1});
    while (!stop) {
      try {
        auto op = c10::Dispatcher::singleton().findSchema({"coming::f", ""});
        if (!op) continue;
        (op->typed<Tensor(const Tensor&)>().call(x).item<float>() == 2 ? right : wrong)++;
      } catch (const c10::Error&) { gone++; }
    }
  });
  for (int i = 0; i < 300; i++) {
    torch::Library library(torch::Library::DEF, "coming", std::nullopt, "here", 1);
    define(library);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    library.reset();
  }
  stop = true;
  caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(right, 0);
}

}  // namespace
