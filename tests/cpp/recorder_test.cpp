// What watches calls: what the recorder takes down and counts, and where the check for NaN stops.
#include <gtest/gtest.h>

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/finite_check.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/neg.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/relu.h"
#include "rushlight/io/crc32c.h"
#include "rushlight/ops/operators.h"
#include "values.h"

namespace rushlight {
namespace {

TEST(RecorderTest, KnowsTensorsAndCountsMultiplyAdds) {
  Recorder r;
  Tensor a = ones({2, 3}), b = ones({3, 5});
  int module = 0;
  r.start();
  r.enters(&module, {a});
  Tensor c = matmul(a, b);
  r.leaves({c});
  add_(c, c);
  r.stop();
  relu(c);
  ASSERT_EQ(r.calls().size(), 2u);  // the composite as what it is made of
  const Recorder::Call &mm = r.calls()[0], &add = r.calls()[1];
  EXPECT_EQ(mm.op->name(), "mm");
  EXPECT_EQ(mm.multiply_adds, 2 * 3 * 5);
  EXPECT_EQ(mm.scope, 0);
  EXPECT_EQ(add.scope, -1);
  EXPECT_EQ(add.multiply_adds, 0);
  EXPECT_EQ(add.inputs, (std::vector<int>{mm.outputs[0], mm.outputs[0]}));
  EXPECT_NE(add.outputs, mm.outputs);  // written to: another value in the same memory
  EXPECT_EQ(r.values()[size_t(add.outputs[0])].bytes, 0);
  EXPECT_EQ(r.scopes()[0].inputs, (std::vector<int>{mm.inputs[0]}));
  EXPECT_EQ(r.scopes()[0].outputs, mm.outputs);
}

TEST(FiniteCheckTest, StopsAtTheFirstCallThatMakesWhatIsNotFinite) {
  int module = 0;
  FiniteCheck check(true, [&](const void* object) { return object == &module ? "head" : "?"; });
  check.start();
  EXPECT_EQ(FiniteCheck::current(), &check);
  check.enters(&module, {});
  std::string text;
  try {
    log(neg(ones({2, 3})));
  } catch (const RuntimeError& e) { text = e.text(); }
  EXPECT_NE(text.find("log in head: the result"), std::string::npos) << text;
  EXPECT_NE(text.find("6 nan"), std::string::npos) << text;
  check.leaves({});
  check.stop();
  EXPECT_EQ(FiniteCheck::current(), nullptr);
  log(neg(ones({2, 3})));
}

TEST(Crc32cTest, IsCastagnolis) {
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
  EXPECT_EQ(crc32c("", 0), 0u);
}

}  // namespace
}  // namespace rushlight
