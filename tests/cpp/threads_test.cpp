// What many threads do at once for the first time: run a fresh module, call operators, go backward, draw, free what others made.
// Meant for a build with RUSHLIGHT_SANITIZE=thread; without it the results are checked.
#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <barrier>
#include <functional>
#include <thread>

#include "rushlight/graph/executor/slots.h"
#include "rushlight/script/module.h"
#include "rushlight/script/parser.h"

namespace rushlight {
namespace {

constexpr int kThreads = 8;

// Runs f(i) in each thread, all starting at one moment; rethrows what one threw.
void at_once(const std::function<void(int)>& f) {
  std::barrier start(kThreads);
  std::vector<std::exception_ptr> errors(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++)
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      try {
        f(i);
      } catch (...) { errors[size_t(i)] = std::current_exception(); }
    });
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
}

struct NoNames final : script::Resolver {
  script::SugaredPtr resolve(const std::string&, const script::Range&) override { return nullptr; }
};

// An archive of a module with a parameter and methods that call one another.
io::Bytes archive() {
  auto type = std::make_shared<graph::ClassType>("__torch__.Net", true);
  type->add_slot("weight", Type::tensor(), true);
  type->add_slot("training", Type::boolean());
  auto source =
      std::make_shared<script::Source>(script::Source{"def scaled(self, x: Tensor) -> Tensor:\n"
                                                      "  return torch.mul(x, self.weight)\n"
                                                      "def forward(self, x: Tensor, times: int=3) -> Tensor:\n"
                                                      "  y = x\n"
                                                      "  for i in range(times):\n"
                                                      "    y = torch.add(self.scaled(y), torch.relu(y))\n"
                                                      "  if bool(torch.gt(torch.sum(y), 1000000.)):\n"
                                                      "    raise ValueError(\"large\")\n"
                                                      "  return torch.tanh(y)\n"
                                                      "def fails(self, x: Tensor) -> Tensor:\n"
                                                      "  return torch.no_such_operator(x)\n",
                                                      "net.py"});
  auto names = std::make_shared<NoNames>();
  for (const script::StmtPtr& s : script::parse_module(source)) {
    auto f = script::lazy_function(s->text, s, names, type->unowned());
    if (s->text != "fails") f->made();
    type->add_method(f);
  }
  auto object = make_ref<ObjectValue>(type, 2);
  torch::Tensor weight = torch::full({2, 3}, 0.5);
  weight.requires_grad_();
  object->slots[0] = IValue(static_cast<const Tensor&>(weight));
  object->slots[1] = IValue(true);
  std::vector<uint8_t> bytes;
  script::save_module(*object, [&](const void* p, size_t n) {
    bytes.insert(bytes.end(), static_cast<const uint8_t*>(p), static_cast<const uint8_t*>(p) + n);
  });
  return io::own_bytes(std::move(bytes));
}

torch::Tensor forward(const Ref<ObjectValue>& m, const torch::Tensor& x) {
  return torch::Tensor(script::run_method(m, "forward", {IValue(static_cast<const Tensor&>(x))}).tensor());
}

// First: nothing has called an operator yet.
TEST(Threads, FirstCallsOfOperators) {
  at_once([](int i) {
    torch::Tensor x = torch::full({4, 4}, 0.25 + i), y = torch::ones({4, 4});
    x.requires_grad_();
    torch::Tensor z = (x * y + x.sigmoid().matmul(y) - x.exp().sum(1).unsqueeze(1) / x.abs()).log_softmax(1);
    z = torch::cat({z, z.t().contiguous()}).index_select(0, torch::arange(4)).max().sqrt() + z.norm() + z.var();
    z.backward();
    EXPECT_EQ(x.grad().numel(), 16);
  });
}

TEST(Threads, AFreshModuleIsCompiledOnce) {
  io::Bytes bytes = archive();
  torch::Tensor x = torch::full({2, 3}, 0.1);
  float wanted = forward(script::load_module(bytes, "net"), x)[0][0].item<float>();
  EXPECT_NEAR(wanted, std::tanh(0.1 * 1.5 * 1.5 * 1.5), 1e-6);
  for (int round = 0; round < 50; round++) {
    Ref<ObjectValue> m = script::load_module(bytes, "net");
    at_once([&](int i) {
      if (i % 4 == 3) {
        IValue in(static_cast<const Tensor&>(x));
        EXPECT_THROW(script::run_method(m, "fails", {in}), Error);
        EXPECT_THROW(script::run_method(m, "fails", {in}), Error);
      }
      EXPECT_EQ(forward(m, x)[0][0].item<float>(), wanted);
    });
  }
}

TEST(Threads, AModuleThatNobodyHoldsIsFreed) {
  io::Bytes bytes = archive();
  int64_t before = graph::ClassType::live();
  at_once([&](int) {
    Ref<ObjectValue> m = script::load_module(bytes, "net");
    EXPECT_GT(graph::ClassType::live(), before);
    forward(m, torch::ones({2, 3}));
  });
  EXPECT_EQ(graph::ClassType::live(), before);
}

TEST(Threads, ModulesAreLoadedAtOnce) {
  io::Bytes bytes = archive();
  torch::Tensor x = torch::ones({2, 3});
  at_once([&](int) {
    for (int k = 0; k < 5; k++) {
      Ref<ObjectValue> m = script::load_module(bytes, "net");
      torch::Tensor y = forward(m, x);
      y.sum().backward();
      EXPECT_TRUE(torch::Tensor(m->slots[0].tensor()).grad().defined());
    }
  });
}

// What a run borrows from a slot lives until the run ends, though another value stands there by then.
TEST(Threads, SlotsAreReadWithoutCounting) {
  IValue slot(static_cast<const Tensor&>(torch::ones({3})));
  TensorImpl* old = slot.tensor().impl();
  Tensor watch = slot.tensor();
  {
    graph::Reading outer;
    graph::set_slot(slot, IValue(static_cast<const Tensor&>(torch::zeros({3}))));
    EXPECT_EQ(old->refs(), 2u);
    { graph::Reading inner; }
    EXPECT_EQ(old->refs(), 2u);
  }
  EXPECT_EQ(old->refs(), 1u);
  old = slot.tensor().impl();
  watch = slot.tensor();
  graph::set_slot(slot, IValue());
  EXPECT_EQ(old->refs(), 1u);  // nobody reads: at once
}

TEST(Threads, SlotsAreReplacedWhileTheyAreRead) {
  IValue slot(static_cast<const Tensor&>(torch::ones({3})));
  at_once([&](int thread) {
    for (int k = 0; k < 300; k++) {
      if (thread % 2) {
        graph::set_slot(slot, k % 3 ? IValue(static_cast<const Tensor&>(torch::full({3}, float(k)))) : IValue());
        continue;
      }
      graph::Reading reading;
      IValue seen = graph::borrow_slot(slot);
      if (seen.is_none()) continue;
      EXPECT_EQ(seen.tensor().numel(), 3);
      EXPECT_GE(seen.tensor().data<float>()[2], 1.0f);
    }
  });
}

TEST(Threads, ARunLeavesTheCountsOfAModuleAlone) {
  Ref<ObjectValue> m = script::load_module(archive(), "net");
  torch::NoGradGuard guard;
  torch::Tensor x = torch::ones({2, 3});
  forward(m, x);
  uint32_t weight = m->slots[0].tensor().impl()->refs(), object = m->refs();
  at_once([&](int) {
    for (int k = 0; k < 20; k++) forward(m, x);
  });
  EXPECT_EQ(m->slots[0].tensor().impl()->refs(), weight);
  EXPECT_EQ(m->refs(), object);
}

TEST(Threads, BackwardAccumulatesIntoOneLeaf) {
  torch::Tensor w = torch::ones({16});
  w.requires_grad_();
  constexpr int kTimes = 50;
  at_once([&](int) {
    for (int k = 0; k < kTimes; k++) (w * 2).sum().backward();
  });
  EXPECT_EQ(w.grad()[3].item<float>(), 2.0f * kThreads * kTimes);
}

TEST(Threads, OneGeneratorServesAll) {
  at_once([](int) {
    for (int k = 0; k < 20; k++) {
      torch::Tensor u = torch::rand({100}), n = torch::randn({100}), p = torch::randperm(10);
      EXPECT_LT(u.max().item<float>(), 1);
      EXPECT_GE(u.min().item<float>(), 0);
      EXPECT_EQ(p.sum().item<int64_t>(), 45);
      if (k == 10) torch::manual_seed(uint64_t(k));
    }
  });
}

TEST(Threads, MemoryIsFreedByOtherThreads) {
  std::vector<std::vector<torch::Tensor>> made(kThreads);
  for (int round = 0; round < 5; round++) {
    at_once([&](int i) {
      for (int64_t n : {1, 10, 1000, 100000, 2000000}) made[size_t(i)].push_back(torch::full({n}, double(i)));
    });
    at_once([&](int i) {
      auto& others = made[size_t((i + 3) % kThreads)];
      for (torch::Tensor& t : others) EXPECT_EQ(t[-1].item<float>(), float((i + 3) % kThreads));
      others.clear();
    });
  }
}

}  // namespace
}  // namespace rushlight
