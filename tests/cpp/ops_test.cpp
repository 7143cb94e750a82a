#include <gtest/gtest.h>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "values.h"

namespace rushlight {

using F = std::vector<float>;

TEST(OpTableTest, EveryRecordBuildsAndPrintsTheSchemaItParsed) {
  for (const Op* op : OpTable::get().all()) EXPECT_EQ(Schema::parse(op->schema().text()).text(), op->schema().text());
  EXPECT_GE(OpTable::get().records().size(), 100u);
}

TEST(PointwiseTest, AddsBroadcastsAndPromotes) {
  Tensor a = tensor_of({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(values_of(add(a, a)), (F{2, 4, 6, 8, 10, 12}));
  EXPECT_EQ(values_of(add(view(a, {2, 3}), tensor_of({10, 20, 30}))), (F{11, 22, 33, 14, 25, 36}));
  EXPECT_EQ(values_of(add(a, Scalar(1), Scalar(2))), (F{3, 4, 5, 6, 7, 8}));
  Tensor ints = arange(3);
  EXPECT_EQ(ints.dtype(), DType::Int64);
  EXPECT_EQ(add(ints, Scalar(0.5)).dtype(), DType::Float32);
  EXPECT_EQ(values_of(div(ints, Scalar(2))), (F{0, 0.5, 1}));
}

TEST(PointwiseTest, StridedHalfAndInPlaceForms) {
  Tensor m = view(arange(Scalar(6.f)), {2, 3});
  EXPECT_EQ(values_of(add(transpose(m, 0, 1), Scalar(1))), (F{1, 4, 2, 5, 3, 6}));
  Tensor h = to(m, DType::BFloat16);
  EXPECT_EQ(mul(h, h).dtype(), DType::BFloat16);
  EXPECT_EQ(values_of(to(mul(h, h), DType::Float32)), (F{0, 1, 4, 9, 16, 25}));
  uint32_t before = m.impl()->version();
  mul_(m, Scalar(2));
  EXPECT_EQ(m.impl()->version(), before + 1);
  EXPECT_EQ(values_of(m), (F{0, 2, 4, 6, 8, 10}));
  Tensor out = empty({0});
  exp_out(out, tensor_of({0}));
  EXPECT_EQ(values_of(out), (F{1}));
}

TEST(PointwiseTest, BitsDoNotDependOnThePlaceOfAnElement) {
  Tensor x = full({100}, Scalar(0.7f));
  F y = values_of(exp(x));
  for (float v : y) EXPECT_EQ(v, y[0]);
}

TEST(ViewTest, ViewsShareMemoryAndKnowTheirBase) {
  Tensor base = arange(Scalar(6.f)), v = view(base, {2, 3});
  EXPECT_EQ(&v.storage(), &base.storage());
  EXPECT_TRUE(v.is_view());
  fill_(select(v, 0, 1), Scalar(7));
  EXPECT_EQ(values_of(base), (F{0, 1, 2, 7, 7, 7}));
  EXPECT_THROW(view(transpose(v, 0, 1), {6}), ShapeError);
  EXPECT_EQ(values_of(reshape(transpose(v, 0, 1), {6})), (F{0, 7, 1, 7, 2, 7}));
}

TEST(ErrorTest, ShapesAndDimensionsAreNamed) {
  try {
    add(empty({2, 3}), empty({4}));
    FAIL();
  } catch (const ShapeError& e) {
    EXPECT_NE(
        e.text().find("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1"),
        std::string::npos);
  }
  EXPECT_THROW(transpose(empty({2}), 0, 3), IndexError);
}

}  // namespace rushlight
