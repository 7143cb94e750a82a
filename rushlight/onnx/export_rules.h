// What the rules of the topics (export_math.cpp, export_network.cpp, export_shape.cpp) share.
#pragma once
#include <algorithm>
#include <cmath>

#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/exporter.h"
#include "rushlight/onnx/tensors.h"

namespace rushlight::onnx {

using C = Call&;
using List = std::vector<int64_t>;
using Rules = std::map<std::string, ExportRule>;

Rules math_rules();
Rules network_rules();
Rules shape_rules();
Rules random_rules();
// Whether an operator gives other results each time.
bool draws(const std::string& kind);

#define RL_SAME(kind, type) {kind, [](C c) -> Names_ { return {c.e.op(type, {c.t(0)})}; }}
// Of operators that give floats for whole numbers.
#define RL_FLOAT(kind, type) {kind, [](C c) -> Names_ { return {c.e.op(type, {c.promoted(0)})}; }}
#define RL_RULE(kind, ...)                  \
  {                                         \
    kind, [](C c) -> Names_ { __VA_ARGS__ } \
  }

[[noreturn]] void refuse(C c, const std::string& why);
void since(C c, int opset);
// Both sides of a binary operator in the dtype that they are computed in.
DType common(C c);
Names_ binary(C c, const char* type);
Names_ logical(C c, const char* type);
List normal(const List& axes, int64_t rank);
// Axes of a reduction; none: all.
List axes_of(C c, size_t k);
Names_ reduce(C c, const char* type, size_t axes, size_t keep);
Name shape_of(C c, const Name& x);
Name size_of(C c, const Name& x, int64_t axis);
Name reshape(C c, const Name& x, const List& to);
Name filled(C c, const Name& shape, DType d, double v);
Name transposed(C c, const Name& x, int64_t rank, int64_t a, int64_t b);
// Where, in a matrix of as many rows as `rows` has and as many columns as `columns` has, is no more than `offset` right of the diagonal, or, if
// `upper`, no less.
Name in_triangle(C c, const Name& rows, const Name& columns, int64_t offset, bool upper);
Names_ tensors(C c, size_t k);
Names_ split(C c, const List& sizes, int64_t axis);
// Parts of an axis up to each of the ends, which the model computes.
Names_ cut(C c, const Names_& ends, int64_t axis);
List sizes_of_parts(C c, int64_t axis);
// As much of x, from its first elements on, as `like` has.
Name as_large(C c, const Name& x, const Name& like, int64_t rank);
Name square(C c, const Name& x);
// a <= b, or a >= b: false where one is NaN.
Name ordered(Exporter& e, const Name& a, const Name& b, bool greater);
// exp(x) - 1 and log(1 + x) with the digits that they have near 0.
Name exp_minus_1(Exporter& e, const Name& x, DType d);
Name log_1_plus(Exporter& e, const Name& x, DType d);
Names_ to(C c);

}  // namespace rushlight::onnx
