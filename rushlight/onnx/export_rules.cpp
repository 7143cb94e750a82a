// What the rules of all topics share, and the table of them.
#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {

[[noreturn]] void refuse(C c, const std::string& why) {
  throw NotImplementedError(str("onnx.export: ", c.node->kind(), ": ", why));
}
void since(C c, int opset) {
  if (c.e.opset < opset) refuse(c, str("ONNX has it from opset ", opset, " on; opset_version is ", c.e.opset));
}
DType common(C c) {
  auto rank = [](const IValue& v) { return v.is_tensor() ? v.tensor().dim() > 0 ? 2 : 1 : 0; };
  const IValue &a = c.in[0]->value, &b = c.in[1]->value;
  auto dtype = [](const IValue& v) {
    return v.is_tensor()   ? v.tensor().dtype()
           : v.is_double() ? DType::Float32
           : v.is_bool()   ? DType::Bool
                           : DType::Int64;
  };
  DType x = dtype(a), y = dtype(b);
  auto kind = [](DType d) { return d == DType::Bool ? 0 : is_floating(d) ? 2 : 1; };
  if (kind(x) != kind(y)) return kind(x) > kind(y) ? x : y;
  if (rank(a) != rank(b)) return rank(a) > rank(b) ? x : y;
  return item_size(x) >= item_size(y) ? x : y;
}
Names_ binary(C c, const char* type) {
  bool scalar = !c.out[0].value.is_tensor();
  DType d = scalar ? c.out[0].value.is_double() ? DType::Float32 : DType::Int64 : c.dtype();
  if (scalar && c.out[0].value.is_bool()) d = common(c);
  return {c.e.op(type, {c.as(0, d), c.as(1, d)})};
}
Names_ logical(C c, const char* type) { return {c.e.op(type, {c.as(0, DType::Bool), c.as(1, DType::Bool)})}; }
List normal(const List& axes, int64_t rank) {
  List out;
  for (int64_t a : axes) out.push_back(a < 0 ? a + std::max<int64_t>(rank, 1) : a);
  return out;
}
List axes_of(C c, size_t k) { return c.has(k) ? normal(c.list(k), c.rank(0)) : List(); }
Names_ reduce(C c, const char* type, size_t axes, size_t keep) {
  if (c.rank(0) == 0) return {c.promoted(0)};
  return {c.e.reduce(type, c.promoted(0), axes_of(c, axes), keep < c.in.size() && c.b(keep))};
}
Name shape_of(C c, const Name& x) { return c.e.op("Shape", {x}); }
Name size_of(C c, const Name& x, int64_t axis) {
  return c.e.op("Gather", {shape_of(c, x), c.e.number(double(axis), DType::Int64)}, {at("axis", 0)});
}
Name reshape(C c, const Name& x, const List& to) { return c.e.op("Reshape", {x, c.e.ints(to)}); }
Name filled(C c, const Name& shape, DType d, double v) {
  AttributeValue a{"value", AttributeValue::T};
  Tensor t = empty_tensor({1}, DType::Float64);
  *t.data<double>() = v;
  Name y = c.e.op("ConstantOfShape", {shape}, {[&] {
                    a.t = t;
                    return a;
                  }()});
  return d == DType::Float64 ? y : c.e.cast(y, d);
}
Name transposed(C c, const Name& x, int64_t rank, int64_t a, int64_t b) {
  List perm;
  for (int64_t k = 0; k < rank; k++) perm.push_back(k);
  std::swap(perm[size_t(a)], perm[size_t(b)]);
  return c.e.op("Transpose", {x}, {at("perm", perm)});
}
Name in_triangle(C c, const Name& rows, const Name& columns, int64_t offset, bool upper) {
  auto whole = [&](int64_t v) { return c.e.scalar(v, DType::Int64); };
  auto from_end = [&](const Name& x, int64_t axis) {
    Name n = c.e.op("Gather", {shape_of(c, x), whole(axis)}, {at("axis", 0)});
    return c.e.op("Range", {whole(0), n, whole(1)});
  };
  Name i = c.e.op("Add", {c.e.unsqueeze(from_end(rows, -2), {1}), whole(offset)});
  Name j = c.e.unsqueeze(from_end(columns, -1), {0});
  return c.e.op("Not", {c.e.op(upper ? "Less" : "Greater", {j, i})});
}
Names_ tensors(C c, size_t k) {
  Names_ out;
  DType d = c.dtype();
  if (c.in[k]->items)
    for (Known& i : *c.in[k]->items) out.push_back(c.e.name_of(i, &d));
  else
    for (const Tensor& t : c.in[k]->value.tensor_list()) {
      Known one;
      one.value = t;
      out.push_back(c.e.name_of(one, &d));
    }
  return out;
}
Names_ split(C c, const List& sizes, int64_t axis) {
  if (c.e.opset >= 13) return c.e.ops("Split", {c.t(0), c.e.ints(sizes)}, sizes.size(), {at("axis", axis)});
  return c.e.ops("Split", {c.t(0)}, sizes.size(), {at("axis", axis), at("split", sizes)});
}
Names_ cut(C c, const Names_& ends, int64_t axis) {
  Names_ parts;
  Name begin = c.e.ints({0});
  for (const Name& end : ends) {
    parts.push_back(c.e.slice(c.t(0), axis, begin, end, 1));
    begin = end;
  }
  return parts;
}
List sizes_of_parts(C c, int64_t axis) {
  List sizes;
  c.size(0, axis);
  for (const Tensor& t : c.out[0].value.tensor_list()) sizes.push_back(t.size(axis));
  return sizes;
}
Name as_large(C c, const Name& x, const Name& like, int64_t rank) {
  List axes;
  for (int64_t k = 0; k < rank; k++) axes.push_back(k);
  return c.e.op("Slice", {x, c.e.ints(List(axes.size(), 0)), shape_of(c, like), c.e.ints(axes)});
}
Name square(C c, const Name& x) { return c.e.op("Mul", {x, x}); }
Names_ to(C c) {  // whichever overload: the dtype is the result's
  return {c.example(0).dtype() == c.dtype() ? c.t(0) : c.e.cast(c.t(0), c.dtype())};
}

Name ordered(Exporter& e, const Name& a, const Name& b, bool greater) {
  if (e.opset >= 12) return e.op(greater ? "GreaterOrEqual" : "LessOrEqual", {a, b});
  return e.op("Or", {e.op(greater ? "Greater" : "Less", {a, b}), e.op("Equal", {a, b})});
}
Name exp_minus_1(Exporter& e, const Name& x, DType d) {  // tanh(x / 2) * (exp(x) + 1)
  Name half = e.op("Tanh", {e.op("Mul", {x, e.number(0.5, d)})});
  return e.op("Mul", {half, e.op("Add", {e.op("Exp", {x}), e.number(1, d)})});
}
Name log_1_plus(Exporter& e, const Name& x, DType d) {
  Name plain = e.op("Log", {e.op("Add", {x, e.number(1, d)})});
  if (d != DType::Float32) return plain;  // onnxruntime has Atanh of float32 only
  Name near = e.op("Less", {e.op("Abs", {x}), e.number(0.5, d)}), safe = e.op("Where", {near, x, e.number(0, d)});
  Name small = e.op("Mul", {e.op("Atanh", {e.op("Div", {safe, e.op("Add", {safe, e.number(2, d)})})}), e.number(2, d)});
  return e.op("Where", {near, small, plain});
}

const Rules& export_rules() {
  static const Rules rules = [] {
    Rules all = math_rules();
    all.merge(network_rules());
    all.merge(shape_rules());
    all.merge(random_rules());
    return all;
  }();
  return rules;
}

}  // namespace rushlight::onnx
