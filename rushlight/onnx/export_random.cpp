// Rules of operators that draw. The model draws anew in each run, from numbers of its runtime's own.
#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {
namespace {

// Draws are made in float32, unless the result is float64.
DType drawn_in(DType d) { return d == DType::Float64 ? d : DType::Float32; }

Name drawn(C c, const char* type, const Name& like, DType d) {
  return c.e.op(type, {like}, {at("dtype", int64_t(elem_of_dtype(d)))});
}
// Between 0 and 1, as many as `like` has.
Name uniform(C c, const Name& like, DType d) { return drawn(c, "RandomUniformLike", like, d); }
Name gaussian(C c, const Name& like, DType d) { return drawn(c, "RandomNormalLike", like, d); }
Name converted(C c, const Name& x, DType from) { return c.dtype() == from ? x : c.e.cast(x, c.dtype()); }

// A tensor of the result's shape: an argument that has it, or one of zeros of a list of sizes.
Name of_shape(C c, size_t k) {
  DType d = drawn_in(c.dtype());
  if (c.in[k]->value.is_tensor()) return c.as(k, d);
  return filled(c, c.e.joined(*c.in[k]), d, 0);
}
Names_ plain(C c, bool normal) {
  DType d = drawn_in(c.dtype());
  Name like = of_shape(c, 0);
  return {converted(c, normal ? gaussian(c, like, d) : uniform(c, like, d), d)};
}
// from + draw * by, of numbers or tensors.
Names_ moved(C c, const Name& draw, const Name& by, const Name& from, DType d) {
  return {converted(c, c.e.op("Add", {c.e.op("Mul", {draw, by}), from}), d)};
}

// Whole numbers from `low` (none: 0) to `high` (an argument's place), less 1.
Names_ whole(C c, int low, size_t high, size_t like) {
  DType d = DType::Float64;  // of numbers up to 2^53
  Name from = low < 0 ? c.e.number(0, d) : c.as(size_t(low), d), to = c.as(high, d);
  Name shape = c.in[like]->value.is_tensor() ? c.as(like, d) : filled(c, c.e.joined(*c.in[like]), d, 0);
  Name at = c.e.op("Floor", {c.e.op("Mul", {uniform(c, shape, d), c.e.op("Sub", {to, from})})});
  return {c.e.cast(c.e.op("Add", {at, from}), c.dtype())};
}

// Which of the elements come, where each does with the probability p.
Name chosen(C c, const Name& like, const Name& p, DType d) { return c.e.op("Less", {uniform(c, like, d), p}); }

Names_ bernoulli(C c) {
  DType d = drawn_in(c.dtype());
  bool given = c.in.size() > 1 && (c.in[1]->value.is_tensor() || c.in[1]->value.is_scalar());
  return {c.e.cast(chosen(c, c.as(0, d), given ? c.as(1, d) : c.as(0, d), d), c.dtype())};
}

Names_ normal(C c) {
  DType d = drawn_in(c.dtype());
  if (!c.in[0]->value.is_tensor() && !c.in[1]->value.is_tensor())
    return moved(c, gaussian(c, of_shape(c, 2), d), c.as(1, d), c.as(0, d), d);
  if (c.node->kind() == "aten::normal_")  // (self, mean, std)
    return moved(c, gaussian(c, c.as(0, d), d), c.as(2, d), c.as(1, d), d);
  Name mean = c.as(0, d), std = c.as(1, d), like = c.e.op("Add", {mean, std});
  return moved(c, gaussian(c, like, d), std, mean, d);
}

// Not ONNX's Dropout: onnxruntime takes that for Identity, in training_mode too.
Names_ dropout(C c, bool channels) {
  if (!c.b(2) || c.f(1) == 0) return {c.t(0)};
  DType d = drawn_in(c.dtype());
  double p = c.f(1);
  Name x = c.t(0);
  if (p == 1) return {c.e.op("Mul", {x, c.e.number(0, c.dtype())})};
  Name like = x;
  List rest;
  for (int64_t k = 2; channels && k < c.rank(0); k++) rest.push_back(k);
  if (!rest.empty()) like = c.e.reduce("ReduceMax", x, rest, true);
  Name kept = c.e.cast(chosen(c, like, c.e.number(1 - p, d), d), c.dtype());
  return {c.e.op("Mul", {x, c.e.op("Mul", {kept, c.e.number(1 / (1 - p), c.dtype())})})};
}

// The largest of p / e, where e is exponential, is each with its probability; the largest few are draws that aren't put back.
Names_ multinomial(C c) {
  DType d = drawn_in(c.example(0).dtype());
  bool line = c.rank(0) == 1;
  Name p = c.as(0, d);
  int64_t count = c.i(1);
  if (count == 1 || !c.b(2)) {
    Name race = c.e.op("Div", {p, c.e.op("Neg", {c.e.op("Log", {uniform(c, p, d)})})});
    return {c.e.ops("TopK", {race, c.e.ints({count})}, 2, {at("axis", int64_t(-1))})[1]};
  }
  if (line) p = c.e.unsqueeze(p, {0});
  Name y = c.e.op("Multinomial", {c.e.op("Log", {p})},
                  {at("sample_size", count), at("dtype", int64_t(elem_of_dtype(DType::Int64)))});
  return {line ? c.e.squeeze(y, {0}) : y};
}

}  // namespace

Rules random_rules() {
  return {
    RL_RULE("aten::rand", return plain(c, false);), RL_RULE("aten::rand_like", return plain(c, false);),
        RL_RULE("aten::randn", return plain(c, true);), RL_RULE("aten::randn_like", return plain(c, true);),
        RL_RULE("aten::randint", if (c.in[1]->value.is_scalar()) return whole(c, 0, 1, 2); return whole(c, -1, 0, 1);),
        RL_RULE("aten::randint_like", if (c.in.size() > 2 && c.in[2]->value.is_int() &&
                                          c.node->schema()->args[2].name == "high") return whole(c, 1, 2, 0);
                return whole(c, -1, 1, 0);),
        RL_RULE("aten::randperm", Name like = filled(c, c.e.joined(*c.in[0]), DType::Float32, 0);
                Name y = c.e.ops("TopK", {uniform(c, like, DType::Float32), c.e.joined(*c.in[0])}, 2)[1];
                return {c.dtype() == DType::Int64 ? y : c.e.cast(y, c.dtype())};),
        RL_RULE("aten::uniform", DType d = drawn_in(c.dtype()); Name from = c.as(1, d);
                return moved(c, uniform(c, c.as(0, d), d), c.e.op("Sub", {c.as(2, d), from}), from, d);),
        RL_RULE("aten::exponential", DType d = drawn_in(c.dtype());
                Name y = c.e.op("Neg", {c.e.op("Log", {uniform(c, c.as(0, d), d)})});
                return {converted(c, c.e.op("Div", {y, c.as(1, d)}), d)};),
        RL_RULE("aten::bernoulli", return bernoulli(c);), RL_RULE("aten::normal", return normal(c);),
        RL_RULE("aten::multinomial", return multinomial(c);), RL_RULE("aten::dropout", return dropout(c, false);),
        RL_RULE("aten::feature_dropout", return dropout(c, true);),
  };
}

bool draws(const std::string& kind) {
  static const Rules rules = random_rules();
  return rules.contains(kind.ends_with("_") ? kind.substr(0, kind.size() - 1) : kind);
}

}  // namespace rushlight::onnx
