// The table of operators: what ONNX has for each of ATen's.
#include <algorithm>
#include <cmath>

#include "rushlight/onnx/exporter.h"
#include "rushlight/onnx/tensors.h"

namespace rushlight::onnx {
namespace {

using C = Call&;
using List = std::vector<int64_t>;

[[noreturn]] void refuse(C c, const std::string& why) {
  throw NotImplementedError(str("onnx.export: ", c.node->kind(), ": ", why));
}
void since(C c, int opset) {
  if (c.e.opset < opset) refuse(c, str("ONNX has it from opset ", opset, " on; opset_version is ", c.e.opset));
}

#define RL_SAME(kind, type) {kind, [](C c) -> Names_ { return {c.e.op(type, {c.t(0)})}; }}
// Of operators that give floats for whole numbers.
#define RL_FLOAT(kind, type) {kind, [](C c) -> Names_ { return {c.e.op(type, {c.promoted(0)})}; }}
#define RL_RULE(kind, ...)                  \
  {                                         \
    kind, [](C c) -> Names_ { __VA_ARGS__ } \
  }

// Both sides of a binary operator in the dtype that they are computed in.
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
Names_ compare(C c, const char* type, bool negate = false) {
  DType d = common(c);
  if (d == DType::Bool && std::string_view(type) != "Equal") d = DType::Int32;
  Name y = c.e.op(type, {c.as(0, d), c.as(1, d)});
  return {negate ? c.e.op("Not", {y}) : y};
}
Names_ logical(C c, const char* type) { return {c.e.op(type, {c.as(0, DType::Bool), c.as(1, DType::Bool)})}; }

// a + alpha * b.
Names_ sum(C c, const char* type, bool reversed) {
  if (!c.out[0].value.is_tensor()) return binary(c, type);
  DType d = c.dtype();
  Name a = c.as(0, d), b = c.as(1, d);
  if (reversed) std::swap(a, b);
  if (c.has(2) && !(c.need(2).is_int() && c.i(2) == 1)) b = c.e.op("Mul", {b, c.e.number(c.f(2), d)});
  if (d == DType::Bool) return {c.e.op("Or", {a, b})};
  return {c.e.op(type, {a, b})};
}

Name floor_divided(C c, DType d, const Name& a, const Name& b) {
  if (is_floating(d)) return c.e.op("Floor", {c.e.op("Div", {a, b})});
  // Whole numbers are rounded towards zero; those that are left over with another sign are one less.
  Name r = c.e.op("Mod", {a, b});
  return c.e.op("Div", {c.e.op("Sub", {a, r}), b});
}
Names_ divide(C c, const std::string& mode) {
  DType d = c.out[0].value.is_tensor() ? c.dtype() : c.out[0].value.is_double() ? DType::Float32 : DType::Int64;
  Name a = c.as(0, d), b = c.as(1, d);
  if (mode == "floor") return {floor_divided(c, d, a, b)};
  Name y = c.e.op("Div", {a, b});
  if (mode == "trunc" && is_floating(d))
    y = c.e.op("Mul", {c.e.op("Sign", {y}), c.e.op("Floor", {c.e.op("Abs", {y})})});
  return {y};
}

List normal(const List& axes, int64_t rank) {
  List out;
  for (int64_t a : axes) out.push_back(a < 0 ? a + std::max<int64_t>(rank, 1) : a);
  return out;
}
// Axes of a reduction; none: all.
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

// ---- networks ----

AttributeList convolution(const List& stride, const List& padding, const List& dilation, int64_t groups,
                          const List& kernel) {
  auto spread = [&](const List& v) { return v.size() == kernel.size() ? v : List(kernel.size(), v.at(0)); };
  List p = spread(padding), both = p;
  both.insert(both.end(), p.begin(), p.end());
  return {at("kernel_shape", kernel), at("strides", spread(stride)), at("pads", both),
          at("dilations", spread(dilation)), at("group", groups)};
}
Names_ conv(C c, size_t stride, size_t padding, size_t dilation, bool transposed, size_t groups,
            size_t output_padding) {
  const Tensor& w = c.example(1);
  List kernel(w.sizes().begin() + 2, w.sizes().end());
  Name x = c.t(0);
  bool batched = c.rank(0) == int64_t(kernel.size()) + 2;
  if (!batched) x = c.e.unsqueeze(x, {0});
  AttributeList a;
  if (c.in[padding]->value.is_string()) {
    a = convolution(c.list(stride), {0}, c.list(dilation), c.i(groups), kernel);
    if (c.need(padding).to_string() == "same") {
      List pads(kernel.size() * 2);
      for (size_t k = 0; k < kernel.size(); k++) {
        List d = c.list(dilation);
        int64_t total = (kernel[k] - 1) * (d.size() == kernel.size() ? d[k] : d[0]);
        pads[k] = total / 2;
        pads[kernel.size() + k] = total - total / 2;
      }
      a[2] = at("pads", pads);
    }
  } else {
    a = convolution(c.list(stride), c.list(padding), c.list(dilation), c.i(groups), kernel);
  }
  if (transposed) {
    List extra = c.list(output_padding);
    a.push_back(at("output_padding", extra.size() == kernel.size() ? extra : List(kernel.size(), extra.at(0))));
  }
  Names_ in = {x, c.t(1)};
  if (c.has(2)) in.push_back(c.t(2));
  Name y = c.e.op(transposed ? "ConvTranspose" : "Conv", in, a);
  return {batched ? y : c.e.squeeze(y, {0})};
}

// PyTorch's places are those in each plane, ONNX's those in the whole tensor.
Name in_plane(C c, const Name& places, size_t n) {
  Name plane = size_of(c, c.t(0), 2);
  for (size_t k = 1; k < n; k++) plane = c.e.op("Mul", {plane, size_of(c, c.t(0), int64_t(k) + 2)});
  return c.e.op("Mod", {places, plane});
}
List spread(List v, size_t n) { return v.size() == n ? v : v.empty() ? v : List(n, v[0]); }
Names_ pool(C c, size_t n, bool average, size_t results) {
  bool batched = c.rank(0) == int64_t(n) + 2;
  Name x = batched ? c.t(0) : c.e.unsqueeze(c.t(0), {0});
  List kernel = spread(c.list(1), n), stride = c.has(2) ? spread(c.list(2), n) : List();
  if (stride.empty()) stride = kernel;
  List p = spread(c.list(3), n), both = p;
  both.insert(both.end(), p.begin(), p.end());
  AttributeList a = {at("kernel_shape", kernel), at("strides", stride), at("pads", both)};
  if (average) {
    if (c.b(4)) a.push_back(at("ceil_mode", 1));
    a.push_back(at("count_include_pad", c.b(5)));
    if (c.has(6)) refuse(c, "divisor_override");
    Name y = c.e.op("AveragePool", {x}, a);
    return {batched ? y : c.e.squeeze(y, {0})};
  }
  List dilation = spread(c.list(4), n);
  if (std::any_of(dilation.begin(), dilation.end(), [](int64_t d) { return d != 1; })) {
    since(c, 10);
    a.push_back(at("dilations", dilation));
  }
  if (c.b(5)) a.push_back(at("ceil_mode", 1));
  Names_ y = c.e.ops("MaxPool", {x}, results, a);
  if (results == 2) {
    if (!batched) refuse(c, "places in an input without a batch");
    y[1] = in_plane(c, y[1], n);
  }
  if (!batched)
    for (Name& one : y) one = c.e.squeeze(one, {0});
  return y;
}
Names_ adaptive(C c, size_t n, bool average) {
  List size = spread(c.list(1), n);
  if (c.rank(0) != int64_t(n) + 2) refuse(c, "an input without a batch");
  bool places = !average && c.node->outputs().size() > 1 && c.node->output(1)->has_uses();
  if (!places && std::all_of(size.begin(), size.end(), [](int64_t s) { return s == 1; })) {
    Name y = c.e.op(average ? "GlobalAveragePool" : "GlobalMaxPool", {c.t(0)});
    return Names_(c.out.size(), y);
  }
  List kernel;
  for (size_t k = 0; k < n; k++) {
    int64_t have = c.example(0).size(int64_t(k) + 2);
    if (size[k] <= 0 || have % size[k]) refuse(c, "an output size that doesn't divide the input's");
    kernel.push_back(have / size[k]);
  }
  Names_ y = c.e.ops(average ? "AveragePool" : "MaxPool", {c.t(0)}, places ? 2 : 1,
                     {at("kernel_shape", kernel), at("strides", kernel)});
  if (places) y[1] = in_plane(c, y[1], n);
  while (y.size() < c.out.size()) y.push_back(y[0]);
  return y;
}

Names_ batch_norm(C c) {
  int64_t channels = c.example(0).size(1);
  auto or_full = [&](size_t k, double v) {
    if (c.has(k)) return c.t(k);
    Tensor t = empty_tensor({channels}, c.dtype());
    for (int64_t i = 0; i < channels; i++)
      if (c.dtype() == DType::Float64) t.data<double>()[i] = v;
      else if (c.dtype() == DType::Float32) t.data<float>()[i] = float(v);
    return c.e.constant(t);
  };
  if (c.b(5) || !c.has(3)) {  // with the batch's own statistics
    Name x = c.t(0);
    List axes = {0};
    for (int64_t k = 2; k < c.rank(0); k++) axes.push_back(k);
    Name m = c.e.reduce("ReduceMean", x, axes, true), d = c.e.op("Sub", {x, m});
    Name v = c.e.reduce("ReduceMean", c.e.op("Mul", {d, d}), axes, true);
    Name y = c.e.op("Div", {d, c.e.op("Sqrt", {c.e.op("Add", {v, c.e.number(c.f(7), c.dtype())})})});
    List shape(size_t(c.rank(0)), 1);
    shape[1] = channels;
    if (c.has(1)) y = c.e.op("Mul", {y, reshape(c, c.t(1), shape)});
    if (c.has(2)) y = c.e.op("Add", {y, reshape(c, c.t(2), shape)});
    return {y};
  }
  return {
      c.e.op("BatchNormalization", {c.t(0), or_full(1, 1), or_full(2, 0), c.t(3), c.t(4)}, {at("epsilon", c.f(7))})};
}

Name normalised(C c, const Name& x, const List& axes, double eps, DType d) {
  Name m = c.e.reduce("ReduceMean", x, axes, true), diff = c.e.op("Sub", {x, m});
  Name v = c.e.reduce("ReduceMean", c.e.op("Mul", {diff, diff}), axes, true);
  return c.e.op("Div", {diff, c.e.op("Sqrt", {c.e.op("Add", {v, c.e.number(eps, d)})})});
}
Names_ layer_norm(C c) {
  auto n = int64_t(c.list(1).size());
  if (c.e.opset >= 17 && c.has(2)) {
    Names_ in = {c.t(0), c.t(2)};
    if (c.has(3)) in.push_back(c.t(3));
    return {c.e.op("LayerNormalization", in, {at("axis", -n), at("epsilon", c.f(4))})};
  }
  List axes;
  for (int64_t k = c.rank(0) - n; k < c.rank(0); k++) axes.push_back(k);
  Name y = normalised(c, c.t(0), axes, c.f(4), c.dtype());
  if (c.has(2)) y = c.e.op("Mul", {y, c.t(2)});
  if (c.has(3)) y = c.e.op("Add", {y, c.t(3)});
  return {y};
}
Names_ group_norm(C c) {
  int64_t groups = c.i(1), channels = c.example(0).size(1);
  Name x = c.e.op("Reshape", {c.t(0), c.e.ints({0, groups, -1})});
  Name y = c.e.op("Reshape", {normalised(c, x, {2}, c.f(4), c.dtype()), shape_of(c, c.t(0))});
  List shape(size_t(c.rank(0)) - 1, 1);
  shape[0] = channels;
  if (c.has(2)) y = c.e.op("Mul", {y, reshape(c, c.t(2), shape)});
  if (c.has(3)) y = c.e.op("Add", {y, reshape(c, c.t(3), shape)});
  return {y};
}
Names_ instance_norm(C c) {
  if (!c.b(5)) refuse(c, "running statistics");
  List axes;
  for (int64_t k = 2; k < c.rank(0); k++) axes.push_back(k);
  Name y = normalised(c, c.t(0), axes, c.f(7), c.dtype());
  List shape(size_t(c.rank(0)) - 1, 1);
  shape[0] = c.example(0).size(1);
  if (c.has(1)) y = c.e.op("Mul", {y, reshape(c, c.t(1), shape)});
  if (c.has(2)) y = c.e.op("Add", {y, reshape(c, c.t(2), shape)});
  return {y};
}

Name transposed(C c, const Name& x, int64_t rank, int64_t a, int64_t b) {
  List perm;
  for (int64_t k = 0; k < rank; k++) perm.push_back(k);
  std::swap(perm[size_t(a)], perm[size_t(b)]);
  return c.e.op("Transpose", {x}, {at("perm", perm)});
}
Names_ linear(C c) {
  Name w = c.e.op("Transpose", {c.t(1)}, {at("perm", List{1, 0})});
  if (c.rank(1) == 1) w = c.t(1);
  if (c.rank(0) == 2 && c.rank(1) == 2) {
    Names_ in = {c.t(0), c.t(1)};
    if (c.has(2)) in.push_back(c.t(2));
    if (c.e.opset >= 11 || c.has(2)) return {c.e.op("Gemm", in, {at("transB", 1)})};
  }
  Name y = c.e.op("MatMul", {c.t(0), w});
  return {c.has(2) ? c.e.op("Add", {y, c.t(2)}) : y};
}

Names_ attention(C c) {  // scaled_dot_product_attention(q, k, v, mask, dropout, causal, scale, gqa)
  Name q = c.t(0), k = c.t(1), v = c.t(2);
  int64_t n = c.rank(1);
  if (c.in.size() > 7 && c.b(7)) refuse(c, "enable_gqa");
  double scale = c.in.size() > 6 && c.has(6) ? c.f(6) : 1 / std::sqrt(double(c.example(0).size(-1)));
  Name s = c.e.op("MatMul", {c.e.op("Mul", {q, c.e.number(scale, c.dtype())}), transposed(c, k, n, n - 2, n - 1)});
  if (c.in.size() > 5 && c.b(5)) {
    since(c, 14);
    Name rows = size_of(c, q, c.rank(0) - 2), columns = size_of(c, k, n - 2);
    Name shape = c.e.op("Concat", {c.e.unsqueeze(rows, {0}), c.e.unsqueeze(columns, {0})}, {at("axis", 0)});
    Name ones = filled(c, shape, DType::Float32, 1), low = c.e.op("Trilu", {ones}, {at("upper", 0)});
    s = c.e.op("Where", {c.e.cast(low, DType::Bool), s, c.e.number(-INFINITY, c.dtype())});
  }
  if (c.has(3)) {
    if (c.example(3).dtype() == DType::Bool) s = c.e.op("Where", {c.t(3), s, c.e.number(-INFINITY, c.dtype())});
    else s = c.e.op("Add", {s, c.t(3)});
  }
  return {c.e.op("MatMul", {c.e.op("Softmax", {s}, {at("axis", c.e.opset >= 13 ? -1 : n - 1)}), v})};
}

Names_ softmax(C c, const char* type) {
  int64_t axis = c.axis(1), n = c.rank(0);
  if (n == 0) refuse(c, "a tensor without dimensions");
  Name x = c.promoted(0);
  if (c.e.opset >= 13 || axis == n - 1) return {c.e.op(type, {x}, {at("axis", axis)})};
  Name y = c.e.op(type, {transposed(c, x, n, axis, n - 1)}, {at("axis", n - 1)});
  return {transposed(c, y, n, axis, n - 1)};
}

// The gates of PyTorch's recurrences are in another order than ONNX's.
Names_ recurrent(C c, const char* type, int64_t gates, const List& order, const char* activation) {
  // lstm(input, hx[], params[], has_biases, num_layers, dropout, train, bidirectional, batch_first)
  bool lstm = gates == 4, biases = c.b(3), two = c.b(7), first = c.b(8);
  int64_t layers = c.i(4), ways = two ? 2 : 1;
  if (c.b(6) && c.f(5) > 0) refuse(c, "dropout between layers in training");
  auto item = [&](size_t k, size_t i) {
    if (!c.in[k]->items) {
      Known one;
      one.value = k == 1 && c.in[k]->value.is_tensor() ? c.in[k]->value : IValue(c.in[k]->value.tensor_list()[i]);
      one.name = k == 1 && c.in[k]->value.is_tensor() ? c.in[k]->name : "";
      one.constant = c.in[k]->constant;
      return one;
    }
    return (*c.in[k]->items)[i];
  };
  Known h = item(1, 0), cell = lstm ? item(1, 1) : Known();
  size_t each = biases ? 4 : 2;
  Name x = c.t(0);
  if (first) x = c.e.op("Transpose", {x}, {at("perm", List{1, 0, 2})});
  int64_t hidden = h.value.tensor().size(2);
  auto reordered = [&](Known k) {
    Name w = c.e.name_of(k);
    if (order.size() == 1) return w;
    Names_ parts;
    for (int64_t g : order) parts.push_back(c.e.slice(w, 0, c.e.ints({g * hidden}), c.e.ints({(g + 1) * hidden}), 1));
    return c.e.op("Concat", parts, {at("axis", 0)});
  };
  Names_ last_h, last_c;
  for (int64_t l = 0; l < layers; l++) {
    Names_ w, r, b;
    for (int64_t d = 0; d < ways; d++) {
      auto base = size_t(l * ways + d) * each;
      w.push_back(c.e.unsqueeze(reordered(item(2, base)), {0}));
      r.push_back(c.e.unsqueeze(reordered(item(2, base + 1)), {0}));
      if (biases)
        b.push_back(c.e.unsqueeze(
            c.e.op("Concat", {reordered(item(2, base + 2)), reordered(item(2, base + 3))}, {at("axis", 0)}), {0}));
    }
    auto together = [&](const Names_& all) {
      return all.size() == 1 ? all[0] : c.e.op("Concat", all, {at("axis", 0)});
    };
    auto of_layer = [&](Known& k) {
      return layers == 1 ? c.e.name_of(k)
                         : c.e.slice(c.e.name_of(k), 0, c.e.ints({l * ways}), c.e.ints({(l + 1) * ways}), 1);
    };
    Names_ in = {x, together(w), together(r), biases ? together(b) : "", "", of_layer(h)};
    if (lstm) in.push_back(of_layer(cell));
    AttributeList a = {at("hidden_size", hidden), at("direction", two ? "bidirectional" : "forward")};
    if (gates == 3) a.push_back(at("linear_before_reset", 1));
    if (gates == 1) {
      // An attribute of texts isn't needed for tanh, ONNX's own choice.
      if (std::string_view(activation) != "Tanh") refuse(c, "a nonlinearity other than tanh");
    }
    Names_ out = c.e.ops(type, in, lstm ? 3 : 2, a);
    // [steps, ways, batch, hidden] -> [steps, batch, ways * hidden]
    x = c.e.op("Reshape", {c.e.op("Transpose", {out[0]}, {at("perm", List{0, 2, 1, 3})}), c.e.ints({0, 0, -1})});
    last_h.push_back(out[1]);
    if (lstm) last_c.push_back(out[2]);
  }
  if (first) x = c.e.op("Transpose", {x}, {at("perm", List{1, 0, 2})});
  auto stacked = [&](const Names_& all) { return all.size() == 1 ? all[0] : c.e.op("Concat", all, {at("axis", 0)}); };
  Names_ result = {x, stacked(last_h)};
  if (lstm) result.push_back(stacked(last_c));
  return result;
}

Names_ pad(C c, const List& amounts, const char* mode, size_t value) {
  int64_t n = c.rank(0);
  List pads(size_t(n) * 2, 0);
  for (size_t k = 0; k < amounts.size() / 2; k++) {
    auto axis = size_t(n) - 1 - k;
    pads[axis] = amounts[2 * k];
    pads[size_t(n) + axis] = amounts[2 * k + 1];
  }
  if (c.e.opset < 11) {
    AttributeList a = {at("pads", pads), at("mode", mode)};
    if (value) a.push_back(at("value", c.f(value)));
    return {c.e.op("Pad", {c.t(0)}, a)};
  }
  Names_ in = {c.t(0), c.e.ints(pads)};
  if (value) in.push_back(c.e.number(c.has(value) ? c.f(value) : 0, c.dtype()));
  return {c.e.op("Pad", in, {at("mode", mode)})};
}

Names_ resize(C c, const char* mode, bool corners) {
  // The sizes come out as the example's or, where an axis is dynamic, as factors of the input's.
  since(c, 11);
  const Tensor &x = c.example(0), &y = c.out[0].value.tensor();
  Tensor scales = empty_tensor({x.dim()}, DType::Float32);
  bool whole = true;
  for (int64_t k = 0; k < x.dim(); k++) {
    scales.data<float>()[k] = float(y.size(k)) / float(x.size(k));
    whole &= int64_t(std::floor(double(x.size(k)) * double(scales.data<float>()[k]))) == y.size(k);
  }
  AttributeList a = {at("mode", mode)};
  if (std::string_view(mode) == "nearest") {
    a.push_back(at("coordinate_transformation_mode", "asymmetric"));
    a.push_back(at("nearest_mode", "floor"));
  } else {
    a.push_back(at("coordinate_transformation_mode", corners ? "align_corners" : "pytorch_half_pixel"));
    if (std::string_view(mode) == "cubic") a.push_back(at("cubic_coeff_a", -0.75));
  }
  Name none = c.e.opset >= 13 ? "" : c.e.constant(empty_tensor({0}, DType::Float32));
  if (!c.e.options.dynamic_axes.empty() && whole) return {c.e.op("Resize", {c.t(0), none, c.e.constant(scales)}, a)};
  return {c.e.op("Resize",
                 {c.t(0), none, c.e.opset >= 13 ? "" : c.e.constant(empty_tensor({0}, DType::Float32)),
                  c.e.ints(IntArrayRef(y.sizes()).vec())},
                 a)};
}

// ---- shapes ----

Names_ view(C c) { return {c.e.op("Reshape", {c.t(0), c.e.joined(*c.in[1])})}; }
Names_ flatten(C c) {
  int64_t n = c.rank(0);
  if (n == 0) return {reshape(c, c.t(0), {1})};
  int64_t begin = c.axis(1), end = c.axis(2);
  if (begin == end) return {c.t(0)};
  List shape;
  if (begin == 1 && end == n - 1) return {c.e.op("Flatten", {c.t(0)}, {at("axis", 1)})};
  for (int64_t k = 0; k < begin; k++) shape.push_back(0);
  shape.push_back(-1);
  if (end == n - 1) return {reshape(c, c.t(0), shape)};
  Name whole = shape_of(c, c.t(0)), head = c.e.ints(shape);
  Name tail = c.e.slice(whole, 0, c.e.ints({end + 1}), c.e.ints({INT64_MAX}), 1);
  return {c.e.op("Reshape", {c.t(0), c.e.op("Concat", {head, tail}, {at("axis", 0)})})};
}
Names_ unflatten(C c) {
  int64_t axis = c.axis(1), n = c.rank(0), made = c.out[0].value.tensor().dim() - n + 1;
  List shape(size_t(axis), 0);  // those before it as they are
  for (int64_t k = 0; k < made; k++) shape.push_back(c.out[0].value.tensor().size(axis + k));
  if (axis == n - 1) return {reshape(c, c.t(0), shape)};
  Name rest = c.e.slice(shape_of(c, c.t(0)), 0, c.e.ints({axis + 1}), c.e.ints({INT64_MAX}), 1);
  return {c.e.op("Reshape", {c.t(0), c.e.op("Concat", {c.e.ints(shape), rest}, {at("axis", 0)})})};
}
Names_ squeeze(C c) {
  List axes;
  if (c.in.size() > 1 && c.has(1)) {
    for (int64_t a : normal(c.list(1), c.rank(0)))
      if (c.rank(0) && c.example(0).size(a) == 1) axes.push_back(a);
  } else {
    for (int64_t k = 0; k < c.rank(0); k++)
      if (c.example(0).size(k) == 1) axes.push_back(k);
  }
  return {axes.empty() ? c.t(0) : c.e.squeeze(c.t(0), axes)};
}
Names_ permute(C c, List perm) { return {c.e.op("Transpose", {c.t(0)}, {at("perm", normal(perm, c.rank(0)))})}; }
Name slice_bound(C c, size_t k, int64_t otherwise) {
  if (!c.has(k)) return c.e.ints({otherwise});
  return c.e.joined(*c.in[k]);
}
Names_ expand(C c, const Name& shape, const List& to) {
  // -1 keeps a size.
  bool keeps = std::any_of(to.begin(), to.end(), [](int64_t v) { return v == -1; });
  Name target = shape;
  if (keeps) {
    List ones;
    for (int64_t v : to) ones.push_back(v == -1 ? 1 : v);
    if (c.in[1]->items && !c.in[1]->constant) {
      Names_ parts;
      DType d = DType::Int64;
      for (Known& k : *c.in[1]->items) {
        bool kept = k.value.to_int() == -1;
        parts.push_back(kept         ? c.e.ints({1})
                        : k.constant ? c.e.ints({k.value.to_int()})
                                     : c.e.unsqueeze(c.e.name_of(k, &d), {0}));
      }
      target = c.e.op("Concat", parts, {at("axis", 0)});
    } else {
      target = c.e.ints(ones);
    }
  }
  return {c.e.op("Expand", {c.t(0), target})};
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
List sizes_of_parts(C c, int64_t axis) {
  List sizes;
  for (const Tensor& t : c.out[0].value.tensor_list()) sizes.push_back(t.size(axis));
  return sizes;
}
Names_ select(C c) {
  Name i = c.in[2]->constant ? c.e.number(double(c.i(2)), DType::Int64) : c.t(2);
  return {c.e.op("Gather", {c.t(0), i}, {at("axis", c.axis(1))})};
}
Names_ index(C c) {  // index(self, Tensor?[] indices)
  std::vector<Known> given;
  if (c.in[1]->items) given = *c.in[1]->items;
  else
    for (size_t i = 0; i < (c.in[1]->value.is_tensor_list() ? c.in[1]->value.tensor_list().size()
                                                            : c.in[1]->value.list().items.size());
         i++) {
      Known k;
      k.value =
          c.in[1]->value.is_tensor_list() ? IValue(c.in[1]->value.tensor_list()[i]) : c.in[1]->value.list().items[i];
      given.push_back(k);
    }
  size_t first = given.size(), count = 0;
  for (size_t i = 0; i < given.size(); i++)
    if (!given[i].value.is_none()) {
      first = std::min(first, i);
      count++;
    }
  if (count == 0) return {c.t(0)};
  Known& one = given[first];
  DType d = one.value.tensor().dtype();
  DType wide = DType::Int64;
  if (d == DType::Bool || d == DType::UInt8) {
    if (count != 1 || first != 0) refuse(c, "a mask beside other indices");
    return {c.e.op("GatherND",
                   {c.t(0), c.e.op("Transpose", {c.e.op("NonZero", {c.e.name_of(one)})}, {at("perm", List{1, 0})})})};
  }
  if (count == 1) return {c.e.op("Gather", {c.t(0), c.e.name_of(one, &wide)}, {at("axis", int64_t(first))})};
  if (first != 0) refuse(c, "several tensors of indices that aren't those of the first dimensions");
  int64_t dims = 0;
  for (size_t i = 0; i < count; i++) {
    if (given[i].value.is_none()) refuse(c, "several tensors of indices with a gap");
    dims = std::max(dims, given[i].value.tensor().dim());
  }
  Name zero;
  for (size_t i = 0; i < count; i++) {  // all as large as they are together
    Name n = c.e.op("Mul", {c.e.name_of(given[i], &wide), c.e.number(0, DType::Int64)});
    zero = zero.empty() ? n : c.e.op("Add", {zero, n});
  }
  Names_ parts;
  for (size_t i = 0; i < count; i++)
    parts.push_back(c.e.unsqueeze(c.e.op("Add", {c.e.name_of(given[i], &wide), zero}), {dims}));
  return {c.e.op("GatherND", {c.t(0), c.e.op("Concat", parts, {at("axis", dims)})})};
}

Names_ clamp(C c, size_t low, size_t high) {
  DType d = c.dtype();
  Name x = c.promoted(0);
  bool tensors = (low < c.in.size() && c.has(low) && c.in[low]->value.is_tensor()) ||
                 (high < c.in.size() && c.has(high) && c.in[high]->value.is_tensor());
  if (tensors || c.e.opset < 11 || (c.e.opset < 12 && !is_floating(d))) {
    if (c.e.opset < 12 && !is_floating(d)) refuse(c, "whole numbers before opset 12");
    if (low < c.in.size() && c.has(low)) x = c.e.op("Max", {x, c.as(low, d)});
    if (high < c.in.size() && c.has(high)) x = c.e.op("Min", {x, c.as(high, d)});
    return {x};
  }
  Names_ in = {x, low < c.in.size() && c.has(low) ? c.as(low, d) : ""};
  if (high < c.in.size() && c.has(high)) in.push_back(c.as(high, d));
  return {c.e.op("Clip", in)};
}

Names_ extreme(C c, const char* type, const char* arg) {
  // max(self), max(self, other), max(self, dim, keepdim) -> values, indices
  if (c.in.size() == 1)
    return {c.e.op(type[0] == 'M' && type[1] == 'a' ? "ReduceMax" : "ReduceMin", {c.t(0)}, {at("keepdims", 0)})};
  if (c.in.size() == 2 || c.in[1]->value.is_tensor()) return binary(c, type);
  const char* reduce = type[1] == 'a' ? "ReduceMax" : "ReduceMin";
  return {c.e.reduce(reduce, c.t(0), {c.axis(1)}, c.b(2)),
          c.e.op(arg, {c.t(0)}, {at("axis", c.axis(1)), at("keepdims", c.b(2))})};
}
Names_ arg_extreme(C c, const char* type) {
  if (!c.has(1)) return {c.e.op(type, {reshape(c, c.t(0), {-1})}, {at("axis", 0), at("keepdims", 0)})};
  return {c.e.op(type, {c.t(0)}, {at("axis", c.axis(1)), at("keepdims", c.b(2))})};
}

Name square(C c, const Name& x) { return c.e.op("Mul", {x, x}); }
// var(self, dim, correction, keepdim) and its old form var(self, dim, unbiased, keepdim), var(self, unbiased).
Name variance(C c) {
  List axes;
  double correction = 1;
  bool keep = false;
  if (c.in.size() >= 2 && (c.in[1]->value.is_bool())) {
    correction = c.b(1);
  } else if (c.in.size() >= 2) {
    axes = axes_of(c, 1);
    if (c.in.size() > 2 && c.has(2)) correction = c.f(2);
    if (c.in.size() > 3) keep = c.b(3);
  }
  if (axes.empty())
    for (int64_t k = 0; k < c.rank(0); k++) axes.push_back(k);
  Name x = c.promoted(0), d = c.e.op("Sub", {x, c.e.reduce("ReduceMean", x, axes, true)});
  Name v = c.e.reduce("ReduceMean", square(c, d), axes, keep);
  if (correction == 0) return v;
  Name n;
  for (int64_t a : axes) {
    Name one = c.e.cast(size_of(c, x, a), c.dtype());
    n = n.empty() ? one : c.e.op("Mul", {n, one});
  }
  return c.e.op("Div", {c.e.op("Mul", {v, n}), c.e.op("Sub", {n, c.e.number(correction, c.dtype())})});
}

Names_ gelu(C c) {
  DType d = c.dtype();
  Name x = c.t(0);
  bool tanh = c.in.size() > 1 && c.need(1).to_string() == "tanh";
  if (c.e.opset >= 20) return {c.e.op("Gelu", {x}, {at("approximate", tanh ? "tanh" : "none")})};
  Name half = c.e.op("Mul", {x, c.e.number(0.5, d)});
  if (tanh) {
    Name cube = c.e.op("Mul", {c.e.op("Mul", {square(c, x), x}), c.e.number(0.044715, d)});
    Name inner = c.e.op("Mul", {c.e.op("Add", {x, cube}), c.e.number(0.7978845608028654, d)});
    return {c.e.op("Mul", {half, c.e.op("Add", {c.e.op("Tanh", {inner}), c.e.number(1, d)})})};
  }
  Name e = c.e.op("Erf", {c.e.op("Div", {x, c.e.number(1.4142135623730951, d)})});
  return {c.e.op("Mul", {half, c.e.op("Add", {e, c.e.number(1, d)})})};
}

Names_ to(C c) {  // whichever overload: the dtype is the result's
  return {c.example(0).dtype() == c.dtype() ? c.t(0) : c.e.cast(c.t(0), c.dtype())};
}
Names_ created(C c, size_t shape, double v) { return {filled(c, c.e.joined(*c.in[shape]), c.dtype(), v)}; }
Names_ created_like(C c, double v) { return {filled(c, shape_of(c, c.t(0)), c.dtype(), v)}; }

Names_ arange(C c) {
  since(c, 11);
  // arange(end, ...), arange(start, end, ...), arange(start, end, step, ...)
  size_t numbers = 0;
  const auto& args = c.node->schema()->args;
  while (numbers < args.size() &&
         (args[numbers].name == "start" || args[numbers].name == "end" || args[numbers].name == "step"))
    numbers++;
  DType d = c.dtype();
  Name start = numbers > 1 ? c.as(0, d) : c.e.number(0, d), end = c.as(numbers > 1 ? 1 : 0, d),
       step = numbers > 2 ? c.as(2, d) : c.e.number(1, d);
  return {c.e.op("Range", {start, end, step})};
}

Names_ power(C c) {
  if (!c.out[0].value.is_tensor()) return binary(c, "Pow");
  return {c.e.op("Pow", {c.promoted(0), c.promoted(1)})};
}

Names_ embedding(C c) { return {c.e.op("Gather", {c.t(0), c.t(1)}, {at("axis", 0)})}; }

Names_ scatter(C c, const char* reduction) {
  since(c, 11);
  if (c.in.size() > 4) refuse(c, "reduce");
  Name source = c.in[3]->value.is_tensor() ? c.t(3) : c.e.op("Expand", {c.as(3, c.dtype()), shape_of(c, c.t(2))});
  AttributeList a = {at("axis", c.axis(1))};
  if (*reduction) {
    since(c, 16);
    a.push_back(at("reduction", reduction));
  }
  return {c.e.op("ScatterElements", {c.t(0), c.t(2), source}, a)};
}

Names_ norm(C c) {  // norm(self, p, dim, keepdim), linalg_vector_norm(self, ord, dim, keepdim)
  double p = c.has(1) ? c.f(1) : 2;
  List axes = c.in.size() > 2 ? axes_of(c, 2) : List();
  bool keep = c.in.size() > 3 && c.b(3);
  Name x = c.promoted(0);
  if (p == 1) return {c.e.reduce("ReduceL1", x, axes, keep)};
  if (p == 2) return {c.e.reduce("ReduceL2", x, axes, keep)};
  if (p == 0) refuse(c, "the number of elements that aren't 0");
  Name a = c.e.op("Abs", {x});
  if (std::isinf(p)) return {c.e.reduce(p > 0 ? "ReduceMax" : "ReduceMin", a, axes, keep)};
  Name s = c.e.reduce("ReduceSum", c.e.op("Pow", {a, c.e.number(p, c.dtype())}), axes, keep);
  return {c.e.op("Pow", {s, c.e.number(1 / p, c.dtype())})};
}

Names_ addmm(C c) {  // addmm(C, A, B, beta, alpha)
  return {c.e.op("Gemm", {c.t(1), c.t(2), c.t(0)},
                 {at("beta", c.in.size() > 3 ? c.f(3) : 1.0), at("alpha", c.in.size() > 4 ? c.f(4) : 1.0)})};
}

Names_ einsum(C c) {
  since(c, 12);
  return {c.e.op("Einsum", tensors(c, 1), {at("equation", std::string(c.need(0).to_string()))})};
}

Names_ size(C c) {
  if (c.in.size() < 2) {
    // A list of all sizes: each as a number.
    Names_ out;
    for (int64_t k = 0; k < c.rank(0); k++) out.push_back(size_of(c, c.t(0), k));
    return out;
  }
  return {size_of(c, c.t(0), c.axis(1))};
}

Names_ grid(C c) {
  since(c, 16);
  static const char *modes[] = {"bilinear", "nearest", "bicubic"}, *pads[] = {"zeros", "border", "reflection"};
  static const char* newer[] = {"linear", "nearest", "cubic"};
  return {c.e.op("GridSample", {c.t(0), c.t(1)},
                 {at("mode", c.e.opset >= 20 ? newer[c.i(2)] : modes[c.i(2)]), at("padding_mode", pads[c.i(3)]),
                  at("align_corners", c.b(4))})};
}

Names_ triangle(C c, int upper) {
  since(c, 14);
  return {c.e.op("Trilu", {c.t(0), c.e.number(double(c.i(1)), DType::Int64)}, {at("upper", upper)})};
}

Names_ sorted(C c, size_t axis, size_t down) {
  Name x = c.t(0), n = c.e.unsqueeze(size_of(c, x, c.axis(axis)), {0});
  return c.e.ops("TopK", {x, n}, 2, {at("axis", c.axis(axis)), at("largest", c.b(down))});
}

Names_ scaled(C c, double by) { return {c.e.op("Div", {c.e.op("Log", {c.promoted(0)}), c.e.number(by, c.dtype())})}; }

Names_ nms(C c) {
  since(c, 11);
  Name boxes = c.e.unsqueeze(c.t(0), {0}), scores = c.e.unsqueeze(c.t(1), {0, 1});
  Name y =
      c.e.op("NonMaxSuppression", {boxes, scores, c.e.ints({INT32_MAX}), c.e.number(c.f(2), DType::Float32, false)});
  return {c.e.squeeze(c.e.slice(y, 1, c.e.ints({2}), c.e.ints({3}), 1), {1})};
}

}  // namespace

const std::map<std::string, ExportRule>& export_rules() {
  static const std::map<std::string, ExportRule> rules = {
      RL_SAME("aten::relu", "Relu"),
      RL_FLOAT("aten::sigmoid", "Sigmoid"),
      RL_FLOAT("aten::tanh", "Tanh"),
      RL_FLOAT("aten::exp", "Exp"),
      RL_FLOAT("aten::log", "Log"),
      RL_FLOAT("aten::sqrt", "Sqrt"),
      RL_SAME("aten::abs", "Abs"),
      RL_SAME("aten::neg", "Neg"),
      RL_SAME("aten::floor", "Floor"),
      RL_SAME("aten::ceil", "Ceil"),
      RL_FLOAT("aten::sin", "Sin"),
      RL_FLOAT("aten::cos", "Cos"),
      RL_FLOAT("aten::tan", "Tan"),
      RL_FLOAT("aten::asin", "Asin"),
      RL_FLOAT("aten::acos", "Acos"),
      RL_FLOAT("aten::atan", "Atan"),
      RL_FLOAT("aten::sinh", "Sinh"),
      RL_FLOAT("aten::cosh", "Cosh"),
      RL_FLOAT("aten::asinh", "Asinh"),
      RL_FLOAT("aten::acosh", "Acosh"),
      RL_FLOAT("aten::atanh", "Atanh"),
      RL_FLOAT("aten::erf", "Erf"),
      RL_SAME("aten::sign", "Sign"),
      RL_FLOAT("aten::reciprocal", "Reciprocal"),
      RL_SAME("aten::isnan", "IsNaN"),
      RL_SAME("aten::det", "Det"),
      RL_SAME("aten::linalg_det", "Det"),
      RL_SAME("aten::nonzero_numpy", "NonZero"),
      RL_RULE("aten::round", if (c.in.size() > 1 && c.i(1)) refuse(c, "decimals"); since(c, 11);
              return {c.e.op("Round", {c.t(0)})};),
      RL_RULE("aten::isinf", since(c, 10); return {c.e.op("IsInf", {c.t(0)})};),
      RL_RULE("aten::logical_not", return {c.e.op("Not", {c.as(0, DType::Bool)})};),
      RL_RULE("aten::bitwise_not", if (c.dtype() == DType::Bool) return {c.e.op("Not", {c.t(0)})}; since(c, 18);
              return {c.e.op("BitwiseNot", {c.t(0)})};),
      RL_RULE("aten::__not__", return {c.e.op("Not", {c.t(0)})};),
      RL_RULE("aten::rsqrt", return {c.e.op("Reciprocal", {c.e.op("Sqrt", {c.promoted(0)})})};),
      RL_RULE("aten::square", return {square(c, c.t(0))};),
      RL_RULE("aten::log2", return scaled(c, 0.6931471805599453);),
      RL_RULE("aten::log10", return scaled(c, 2.302585092994046);),
      RL_RULE("aten::log1p", return {c.e.op("Log", {c.e.op("Add", {c.promoted(0), c.e.number(1, c.dtype())})})};),
      RL_RULE("aten::expm1", return {c.e.op("Sub", {c.e.op("Exp", {c.promoted(0)}), c.e.number(1, c.dtype())})};),
      RL_RULE("aten::exp2", return {c.e.op("Pow", {c.e.number(2, c.dtype()), c.promoted(0)})};),
      RL_RULE("aten::trunc",
              return {c.e.op("Mul", {c.e.op("Sign", {c.t(0)}), c.e.op("Floor", {c.e.op("Abs", {c.t(0)})})})};),
      // activations
      RL_RULE("aten::gelu", return gelu(c);),
      RL_RULE("aten::silu", return {c.e.op("Mul", {c.t(0), c.e.op("Sigmoid", {c.t(0)})})};),
      RL_RULE("aten::mish", return {c.e.op("Mul", {c.t(0), c.e.op("Tanh", {c.e.op("Softplus", {c.t(0)})})})};),
      RL_RULE("aten::selu", return {c.e.op("Selu", {c.t(0)})};),
      RL_RULE("aten::elu", Name x = c.t(0);
              double scale = c.in.size() > 2 ? c.f(2) : 1.0, inner = c.in.size() > 3 ? c.f(3) : 1.0;
              if (inner != 1) refuse(c, "input_scale"); Name y = c.e.op("Elu", {x}, {at("alpha", c.f(1))});
              return {scale == 1 ? y : c.e.op("Mul", {y, c.e.number(scale, c.dtype())})};),
      RL_RULE("aten::celu", since(c, 12); return {c.e.op("Celu", {c.t(0)}, {at("alpha", c.f(1))})};),
      RL_RULE("aten::leaky_relu", return {c.e.op("LeakyRelu", {c.t(0)}, {at("alpha", c.f(1))})};),
      RL_RULE("aten::rrelu", if (c.b(3)) refuse(c, "random slopes in training");
              return {c.e.op("LeakyRelu", {c.t(0)}, {at("alpha", (c.f(1) + c.f(2)) / 2)})};),
      RL_RULE("aten::hardsigmoid", return {c.e.op("HardSigmoid", {c.t(0)}, {at("alpha", 1.0 / 6)})};),
      RL_RULE("aten::hardswish",
              return {c.e.op("Mul", {c.t(0), c.e.op("HardSigmoid", {c.t(0)}, {at("alpha", 1.0 / 6)})})};),
      RL_RULE("aten::hardtanh", return clamp(c, 1, 2);),
      RL_RULE("aten::relu6", if (c.e.opset < 11) return {c.e.op("Clip", {c.t(0)}, {at("min", 0.0), at("max", 6.0)})};
              return {c.e.op("Clip", {c.t(0), c.e.number(0, c.dtype()), c.e.number(6, c.dtype())})};),
      RL_RULE("aten::clamp", return clamp(c, 1, 2);),
      RL_RULE("aten::clip", return clamp(c, 1, 2);),
      RL_RULE("aten::clamp_min", return clamp(c, 1, 99);),
      RL_RULE("aten::clamp_max", return clamp(c, 99, 1);),
      RL_RULE("aten::softplus", double beta = c.f(1); Name x = c.t(0);
              if (beta != 1) x = c.e.op("Mul", {x, c.e.number(beta, c.dtype())}); Name y = c.e.op("Softplus", {x});
              return {beta == 1 ? y : c.e.op("Div", {y, c.e.number(beta, c.dtype())})};),
      RL_RULE("aten::log_sigmoid", return {c.e.op("Neg", {c.e.op("Softplus", {c.e.op("Neg", {c.t(0)})})})};),
      RL_RULE("aten::softshrink", return {c.e.op("Shrink", {c.t(0)}, {at("lambd", c.f(1)), at("bias", c.f(1))})};),
      RL_RULE("aten::hardshrink", return {c.e.op("Shrink", {c.t(0)}, {at("lambd", c.f(1)), at("bias", 0.0)})};),
      RL_RULE("aten::threshold", Name over = c.e.op("Greater", {c.t(0), c.as(1, c.dtype())});
              return {c.e.op("Where", {over, c.t(0), c.as(2, c.dtype())})};),
      RL_RULE(
          "aten::prelu", Name w = c.t(1); if (c.rank(0) > 1 && c.rank(1) == 1) {
            List shape(size_t(c.rank(0)) - 1, 1);
            shape[0] = c.example(1).size(0);
            w = reshape(c, w, shape);
          } return {c.e.op("PRelu", {c.t(0), w})};),
      RL_RULE("aten::glu", int64_t axis = c.axis(1), n = c.example(0).size(axis) / 2; Names_ y = split(c, {n, n}, axis);
              return {c.e.op("Mul", {y[0], c.e.op("Sigmoid", {y[1]})})};),
      RL_RULE("aten::softmax", return softmax(c, "Softmax");),
      RL_RULE("aten::log_softmax", return softmax(c, "LogSoftmax");),
      RL_RULE("aten::_softmax", return softmax(c, "Softmax");),
      RL_RULE("aten::_log_softmax", return softmax(c, "LogSoftmax");),
      RL_RULE("aten::dropout", if (c.b(2) && c.f(1) > 0) refuse(c, "dropout in training"); return {c.t(0)};),
      RL_RULE("aten::feature_dropout", if (c.b(2) && c.f(1) > 0) refuse(c, "dropout in training"); return {c.t(0)};),
      RL_RULE("aten::alpha_dropout", if (c.b(2) && c.f(1) > 0) refuse(c, "dropout in training"); return {c.t(0)};),
      RL_RULE("aten::feature_alpha_dropout", if (c.b(2) && c.f(1) > 0) refuse(c, "dropout in training");
              return {c.t(0)};),
      // arithmetic
      RL_RULE("aten::add", return sum(c, "Add", false);),
      RL_RULE("aten::sub", return sum(c, "Sub", false);),
      RL_RULE("aten::rsub", return sum(c, "Sub", true);),
      RL_RULE("aten::mul", if (c.out[0].value.is_tensor() && c.dtype() == DType::Bool) return logical(c, "And");
              return binary(c, "Mul");),
      RL_RULE("aten::div", std::string mode; if (c.in.size() > 2 && c.has(2)) mode = c.need(2).to_string();
              return divide(c, mode);),
      RL_RULE("aten::true_divide", return divide(c, "");),
      RL_RULE("aten::floor_divide", return divide(c, "floor");),
      RL_RULE("aten::floordiv", return divide(c, "floor");),
      RL_RULE("aten::remainder", DType d = c.out[0].value.is_tensor() ? c.dtype() : DType::Int64;
              Name a = c.as(0, d), b = c.as(1, d); if (!is_floating(d)) return {c.e.op("Mod", {a, b})};
              return {c.e.op("Sub", {a, c.e.op("Mul", {c.e.op("Floor", {c.e.op("Div", {a, b})}), b})})};),
      RL_RULE("aten::fmod", return {c.e.op("Mod", {c.promoted(0), c.promoted(1)}, {at("fmod", 1)})};),
      RL_RULE("aten::pow", return power(c);),
      RL_RULE("aten::float_power", return power(c);),
      RL_RULE("aten::maximum", return binary(c, "Max");),
      RL_RULE("aten::minimum", return binary(c, "Min");),
      RL_RULE("aten::fmax", return binary(c, "Max");),
      RL_RULE("aten::fmin", return binary(c, "Min");),
      RL_RULE("aten::eq", return compare(c, "Equal");),
      RL_RULE("aten::ne", return compare(c, "Equal", true);),
      RL_RULE("aten::lt", return compare(c, "Less");),
      RL_RULE("aten::gt", return compare(c, "Greater");),
      RL_RULE("aten::le", return compare(c, "Greater", true);),
      RL_RULE("aten::ge", return compare(c, "Less", true);),
      RL_RULE("aten::logical_and", return logical(c, "And");),
      RL_RULE("aten::logical_or", return logical(c, "Or");),
      RL_RULE("aten::logical_xor", return logical(c, "Xor");),
      RL_RULE("aten::__and__", if (c.dtype() == DType::Bool) return logical(c, "And"); since(c, 18);
              return binary(c, "BitwiseAnd");),
      RL_RULE("aten::__or__", if (c.dtype() == DType::Bool) return logical(c, "Or"); since(c, 18);
              return binary(c, "BitwiseOr");),
      RL_RULE("aten::bitwise_and", if (c.dtype() == DType::Bool) return logical(c, "And"); since(c, 18);
              return binary(c, "BitwiseAnd");),
      RL_RULE("aten::bitwise_or", if (c.dtype() == DType::Bool) return logical(c, "Or"); since(c, 18);
              return binary(c, "BitwiseOr");),
      RL_RULE("aten::bitwise_xor", if (c.dtype() == DType::Bool) return logical(c, "Xor"); since(c, 18);
              return binary(c, "BitwiseXor");),
      RL_RULE("aten::where", if (c.in.size() == 1) return c.e.ops("NonZero", {c.t(0)}, 1);
              return {c.e.op("Where", {c.as(0, DType::Bool), c.promoted(1), c.promoted(2)})};),
      RL_RULE("aten::masked_fill", return {c.e.op("Where", {c.as(1, DType::Bool), c.as(2, c.dtype()), c.t(0)})};),
      RL_RULE("aten::lerp",
              return {c.e.op("Add", {c.t(0), c.e.op("Mul", {c.as(2, c.dtype()), c.e.op("Sub", {c.t(1), c.t(0)})})})};),
      RL_RULE("aten::addcmul",
              return {c.e.op("Add", {c.t(0), c.e.op("Mul", {c.e.op("Mul", {c.t(1), c.t(2)}),
                                                            c.e.number(c.in.size() > 3 ? c.f(3) : 1, c.dtype())})})};),
      RL_RULE("aten::addcdiv",
              return {c.e.op("Add", {c.t(0), c.e.op("Mul", {c.e.op("Div", {c.t(1), c.t(2)}),
                                                            c.e.number(c.in.size() > 3 ? c.f(3) : 1, c.dtype())})})};),
      RL_RULE("aten::hypot",
              return {c.e.op("Sqrt", {c.e.op("Add", {square(c, c.promoted(0)), square(c, c.promoted(1))})})};),
      // products
      RL_RULE("aten::matmul", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
      RL_RULE("aten::mm", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
      RL_RULE("aten::bmm", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
      RL_RULE("aten::mv", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
      RL_RULE("aten::dot", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
      RL_RULE("aten::addmm", return addmm(c);),
      RL_RULE("aten::linear", return linear(c);),
      RL_RULE("aten::baddbmm", Name p = c.e.op("MatMul", {c.t(1), c.t(2)});
              p = c.e.op("Mul", {p, c.e.number(c.in.size() > 4 ? c.f(4) : 1, c.dtype())}); return {c.e.op(
                  "Add", {c.e.op("Mul", {c.t(0), c.e.number(c.in.size() > 3 ? c.f(3) : 1, c.dtype())}), p})};),
      RL_RULE("aten::einsum", return einsum(c);),
      RL_RULE("aten::scaled_dot_product_attention", return attention(c);),
      // networks
      RL_RULE("aten::conv1d", return conv(c, 3, 4, 5, false, 6, 0);),
      RL_RULE("aten::conv2d", return conv(c, 3, 4, 5, false, 6, 0);),
      RL_RULE("aten::conv3d", return conv(c, 3, 4, 5, false, 6, 0);),
      RL_RULE("aten::convolution", return conv(c, 3, 4, 5, c.b(6), 8, 7);),
      RL_RULE("aten::_convolution", return conv(c, 3, 4, 5, c.b(6), 8, 7);),
      RL_RULE("aten::conv_transpose1d", return conv(c, 3, 4, 7, true, 6, 5);),
      RL_RULE("aten::conv_transpose2d", return conv(c, 3, 4, 7, true, 6, 5);),
      RL_RULE("aten::conv_transpose3d", return conv(c, 3, 4, 7, true, 6, 5);),
      RL_RULE("aten::batch_norm", return batch_norm(c);),
      RL_RULE("aten::layer_norm", return layer_norm(c);),
      RL_RULE("aten::group_norm", return group_norm(c);),
      RL_RULE("aten::instance_norm", return instance_norm(c);),
      RL_RULE(
          "aten::rms_norm", List axes;
          for (int64_t k = c.rank(0) - int64_t(c.list(1).size()); k < c.rank(0); k++) axes.push_back(k);
          double eps = c.has(3)                      ? c.f(3)
                       : c.dtype() == DType::Float64 ? 2.220446049250313e-16
                                                     : 1.1920928955078125e-07;
          Name v = c.e.op("Add", {c.e.reduce("ReduceMean", square(c, c.t(0)), axes, true), c.e.number(eps, c.dtype())});
          Name y = c.e.op("Div", {c.t(0), c.e.op("Sqrt", {v})}); return {c.has(2) ? c.e.op("Mul", {y, c.t(2)}) : y};),
      RL_RULE("aten::max_pool1d", return pool(c, 1, false, 1);),
      RL_RULE("aten::max_pool2d", return pool(c, 2, false, 1);),
      RL_RULE("aten::max_pool3d", return pool(c, 3, false, 1);),
      RL_RULE("aten::max_pool1d_with_indices", return pool(c, 1, false, 2);),
      RL_RULE("aten::max_pool2d_with_indices", return pool(c, 2, false, 2);),
      RL_RULE("aten::max_pool3d_with_indices", return pool(c, 3, false, 2);),
      RL_RULE("aten::avg_pool1d", return pool(c, 1, true, 1);),
      RL_RULE("aten::avg_pool2d", return pool(c, 2, true, 1);),
      RL_RULE("aten::avg_pool3d", return pool(c, 3, true, 1);),
      RL_RULE("aten::adaptive_avg_pool1d", return adaptive(c, 1, true);),
      RL_RULE("aten::adaptive_avg_pool2d", return adaptive(c, 2, true);),
      RL_RULE("aten::adaptive_avg_pool3d", return adaptive(c, 3, true);),
      RL_RULE("aten::adaptive_max_pool1d", return adaptive(c, 1, false);),
      RL_RULE("aten::adaptive_max_pool2d", return adaptive(c, 2, false);),
      RL_RULE("aten::adaptive_max_pool3d", return adaptive(c, 3, false);),
      RL_RULE("aten::lstm", return recurrent(c, "LSTM", 4, {0, 3, 1, 2}, "");),
      RL_RULE("aten::gru", return recurrent(c, "GRU", 3, {1, 0, 2}, "");),
      RL_RULE("aten::rnn_tanh", return recurrent(c, "RNN", 1, {0}, "Tanh");),
      RL_RULE("aten::embedding", return embedding(c);),
      RL_RULE("aten::constant_pad_nd", return pad(c, c.list(1), "constant", 2);),
      RL_RULE("aten::reflection_pad1d", return pad(c, c.list(1), "reflect", 0);),
      RL_RULE("aten::reflection_pad2d", return pad(c, c.list(1), "reflect", 0);),
      RL_RULE("aten::reflection_pad3d", return pad(c, c.list(1), "reflect", 0);),
      RL_RULE("aten::replication_pad1d", return pad(c, c.list(1), "edge", 0);),
      RL_RULE("aten::replication_pad2d", return pad(c, c.list(1), "edge", 0);),
      RL_RULE("aten::replication_pad3d", return pad(c, c.list(1), "edge", 0);),
      RL_RULE("aten::pad",
              std::string mode = c.in.size() > 2 && c.has(2) ? std::string(c.need(2).to_string()) : "constant";
              if (mode == "circular") since(c, 19); const char* name = mode == "constant"    ? "constant"
                                                                       : mode == "reflect"   ? "reflect"
                                                                       : mode == "replicate" ? "edge"
                                                                                             : "wrap";
              return pad(c, c.list(1), name, mode == "constant" ? 3 : 0);),
      RL_RULE("aten::upsample_nearest1d", return resize(c, "nearest", false);),
      RL_RULE("aten::upsample_nearest2d", return resize(c, "nearest", false);),
      RL_RULE("aten::upsample_nearest3d", return resize(c, "nearest", false);),
      RL_RULE("aten::upsample_linear1d", return resize(c, "linear", c.b(2));),
      RL_RULE("aten::upsample_bilinear2d", return resize(c, "linear", c.b(2));),
      RL_RULE("aten::upsample_trilinear3d", return resize(c, "linear", c.b(2));),
      RL_RULE("aten::upsample_bicubic2d", return resize(c, "cubic", c.b(2));),
      RL_RULE("aten::grid_sampler", return grid(c);),
      RL_RULE("aten::grid_sampler_2d", return grid(c);),
      RL_RULE("aten::pixel_shuffle", since(c, 11);
              return {c.e.op("DepthToSpace", {c.t(0)}, {at("blocksize", c.i(1)), at("mode", "CRD")})};),
      RL_RULE("torchvision::nms", return nms(c);),
      RL_RULE("torchvision::roi_align", since(c, 16);
              Name at_batch =
                  c.e.cast(c.e.squeeze(c.e.slice(c.t(1), 1, c.e.ints({0}), c.e.ints({1}), 1), {1}), DType::Int64);
              Name boxes = c.e.slice(c.t(1), 1, c.e.ints({1}), c.e.ints({5}), 1);
              return {c.e.op("RoiAlign", {c.t(0), boxes, at_batch},
                             {at("spatial_scale", c.f(2)), at("output_height", c.i(3)), at("output_width", c.i(4)),
                              at("sampling_ratio", std::max<int64_t>(c.i(5), 0)),
                              at("coordinate_transformation_mode", c.b(6) ? "half_pixel" : "output_half_pixel")})};),
      // shapes
      RL_RULE("aten::view", if (c.in[1]->value.is_int_list()) return view(c); return to(c);),
      RL_RULE("aten::reshape", return view(c);),
      RL_RULE("aten::flatten", return flatten(c);),
      RL_RULE("aten::unflatten", return unflatten(c);),
      RL_RULE("aten::view_as", return {c.e.op("Reshape", {c.t(0), shape_of(c, c.t(1))})};),
      RL_RULE("aten::reshape_as", return {c.e.op("Reshape", {c.t(0), shape_of(c, c.t(1))})};),
      RL_RULE("aten::squeeze", return squeeze(c);),
      RL_RULE("aten::unsqueeze", return {c.e.unsqueeze(c.t(0), {c.axis(1, 0, 1)})};),
      RL_RULE("aten::transpose", if (c.rank(0) == 0) return {c.t(0)};
              return {transposed(c, c.t(0), c.rank(0), c.axis(1), c.axis(2))};),
      RL_RULE("aten::t", if (c.rank(0) < 2) return {c.t(0)}; return permute(c, {1, 0});),
      RL_RULE("aten::permute", return permute(c, c.list(1));),
      RL_RULE(
          "aten::movedim", List from = normal(c.list(1), c.rank(0)), to_ = normal(c.list(2), c.rank(0)),
          perm(size_t(c.rank(0)), -1);
          for (size_t k = 0; k < from.size(); k++) perm[size_t(to_[k])] = from[k]; int64_t next = 0;
          for (int64_t& p : perm) {
            if (p >= 0) continue;
            while (std::find(from.begin(), from.end(), next) != from.end()) next++;
            p = next++;
          } return permute(c, perm);),
      RL_RULE("aten::expand", return expand(c, c.e.joined(*c.in[1]), c.in[1]->value.int_list().vec());),
      RL_RULE("aten::broadcast_to", return expand(c, c.e.joined(*c.in[1]), c.in[1]->value.int_list().vec());),
      RL_RULE("aten::expand_as", return {c.e.op("Expand", {c.t(0), shape_of(c, c.t(1))})};),
      RL_RULE("aten::repeat", Name x = c.t(0); auto more = int64_t(c.in[1]->value.int_list().size()) - c.rank(0);
              List front; for (int64_t k = 0; k < more; k++) front.push_back(k);
              if (more > 0) x = c.e.unsqueeze(x, front); return {c.e.op("Tile", {x, c.e.joined(*c.in[1])})};),
      RL_RULE("aten::tile", Name x = c.t(0); List times = c.list(1);
              while (int64_t(times.size()) < c.rank(0)) times.insert(times.begin(), 1); List front;
              for (int64_t k = 0; k < int64_t(times.size()) - c.rank(0); k++) front.push_back(k);
              if (!front.empty()) x = c.e.unsqueeze(x, front); return {c.e.op("Tile", {x, c.e.ints(times)})};),
      RL_RULE("aten::cat", int64_t axis = c.i(1), n = c.out[0].value.tensor().dim();
              return {c.e.op("Concat", tensors(c, 0), {at("axis", axis < 0 ? axis + n : axis)})};),
      RL_RULE("aten::stack", int64_t axis = c.i(1), n = c.out[0].value.tensor().dim(); Names_ parts = tensors(c, 0);
              for (Name& p : parts) p = c.e.unsqueeze(p, {axis < 0 ? axis + n : axis});
              return {c.e.op("Concat", parts, {at("axis", axis < 0 ? axis + n : axis)})};),
      RL_RULE("aten::split", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
      RL_RULE("aten::split_with_sizes", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
      RL_RULE("aten::chunk", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
      RL_RULE("aten::tensor_split", return split(c, sizes_of_parts(c, c.axis(2)), c.axis(2));),
      RL_RULE("aten::unbind", int64_t axis = c.axis(1);
              Names_ parts = split(c, List(size_t(c.example(0).size(axis)), 1), axis);
              for (Name& p : parts) p = c.e.squeeze(p, {axis}); return parts;),
      RL_RULE("aten::select", return select(c);),
      RL_RULE("aten::slice",
              if (c.in[4]->constant && c.i(4) == 1 && (!c.has(2) || (c.in[2]->constant && c.i(2) == 0)) &&
                  (!c.has(3) || (c.in[3]->constant && c.i(3) == INT64_MAX))) return {c.t(0)};
              return {c.e.slice(c.t(0), c.axis(1), slice_bound(c, 2, 0), slice_bound(c, 3, INT64_MAX), c.i(4))};),
      RL_RULE("aten::narrow", Name begin = c.e.joined(*c.in[2]), end = c.e.op("Add", {begin, c.e.joined(*c.in[3])});
              return {c.e.slice(c.t(0), c.axis(1), begin, end, 1)};),
      RL_RULE("aten::index_select", return {c.e.op("Gather", {c.t(0), c.t(2)}, {at("axis", c.axis(1))})};),
      RL_RULE("aten::gather", since(c, 11);
              return {c.e.op("GatherElements", {c.t(0), c.t(2)}, {at("axis", c.axis(1))})};),
      RL_RULE("aten::index", return index(c);),
      RL_RULE("aten::scatter", return scatter(c, "");),
      RL_RULE("aten::scatter_add", return scatter(c, "add");),
      RL_RULE("aten::flip", Name x = c.t(0); for (int64_t a : normal(c.list(1), c.rank(0))) x =
                                                 c.e.slice(x, a, c.e.ints({-1}), c.e.ints({INT64_MIN + 1}), -1);
              return {x};),
      RL_RULE(
          "aten::roll", List shifts = c.list(1), axes = normal(c.list(2), c.rank(0));
          if (axes.empty()) refuse(c, "no dims"); Name x = c.t(0); for (size_t k = 0; k < axes.size(); k++) {
            int64_t n = c.example(0).size(axes[k]), by = n ? ((shifts[k] % n) + n) % n : 0;
            if (!by) continue;
            Name tail = c.e.slice(x, axes[k], c.e.ints({-by}), c.e.ints({INT64_MAX}), 1),
                 head = c.e.slice(x, axes[k], c.e.ints({0}), c.e.ints({-by}), 1);
            x = c.e.op("Concat", {tail, head}, {at("axis", axes[k])});
          } return {x};),
      // reductions
      RL_RULE("aten::sum", bool dims = c.in.size() > 2; return reduce(c, "ReduceSum", dims ? 1 : 99, dims ? 2 : 99);),
      RL_RULE("aten::mean", bool dims = c.in.size() > 2; return reduce(c, "ReduceMean", dims ? 1 : 99, dims ? 2 : 99);),
      RL_RULE("aten::prod", bool dims = c.in.size() > 2; return reduce(c, "ReduceProd", dims ? 1 : 99, dims ? 2 : 99);),
      RL_RULE("aten::amax", return reduce(c, "ReduceMax", 1, 2);),
      RL_RULE("aten::amin", return reduce(c, "ReduceMin", 1, 2);),
      RL_RULE("aten::logsumexp", return reduce(c, "ReduceLogSumExp", 1, 2);),
      RL_RULE("aten::max", return extreme(c, "Max", "ArgMax");),
      RL_RULE("aten::min", return extreme(c, "Min", "ArgMin");),
      RL_RULE("aten::argmax", return arg_extreme(c, "ArgMax");),
      RL_RULE("aten::argmin", return arg_extreme(c, "ArgMin");),
      RL_RULE("aten::var", return {variance(c)};),
      RL_RULE("aten::std", return {c.e.op("Sqrt", {variance(c)})};),
      RL_RULE("aten::norm", return norm(c);),
      RL_RULE("aten::linalg_vector_norm", return norm(c);),
      RL_RULE("aten::cumsum", since(c, 11);
              return {c.e.op("CumSum", {c.promoted(0), c.e.number(double(c.axis(1)), DType::Int64)})};),
      RL_RULE("aten::any", Name x = c.e.cast(c.t(0), DType::Int32);
              if (c.in.size() > 1) x = c.e.reduce("ReduceMax", x, axes_of(c, 1), c.in.size() > 2 && c.b(2));
              else x = c.e.op("ReduceMax", {x}, {at("keepdims", 0)}); return {c.e.cast(x, DType::Bool)};),
      RL_RULE("aten::all", Name x = c.e.cast(c.t(0), DType::Int32);
              if (c.in.size() > 1) x = c.e.reduce("ReduceMin", x, axes_of(c, 1), c.in.size() > 2 && c.b(2));
              else x = c.e.op("ReduceMin", {x}, {at("keepdims", 0)}); return {c.e.cast(x, DType::Bool)};),
      RL_RULE("aten::topk", Name k = c.e.joined(*c.in[1]); return c.e.ops(
          "TopK", {c.t(0), k}, 2, {at("axis", c.axis(2)), at("largest", c.b(3)), at("sorted", c.b(4))});),
      RL_RULE("aten::sort", return sorted(c, c.in.size() > 3 ? 2 : 1, c.in.size() > 3 ? 3 : 2);),
      RL_RULE("aten::argsort", return {sorted(c, c.in.size() > 3 ? 2 : 1, c.in.size() > 3 ? 3 : 2)[1]};),
      RL_RULE("aten::nonzero", return {c.e.op("Transpose", {c.e.op("NonZero", {c.t(0)})}, {at("perm", List{1, 0})})};),
      RL_RULE("aten::tril", return triangle(c, 0);),
      RL_RULE("aten::triu", return triangle(c, 1);),
      RL_RULE("aten::one_hot", Tensor v = empty_tensor({2}, DType::Int64); v.data<int64_t>()[0] = 0;
              v.data<int64_t>()[1] = 1;
              return {c.e.op("OneHot", {c.t(0), c.e.ints({c.out[0].value.tensor().size(-1)}), c.e.constant(v)})};),
      RL_RULE("aten::cosine_similarity", int64_t axis = c.axis(2);
              Name dot = c.e.reduce("ReduceSum", c.e.op("Mul", {c.t(0), c.t(1)}), {axis}, false);
              Name eps = c.e.number(c.f(3), c.dtype());
              Name a = c.e.op("Max", {c.e.reduce("ReduceL2", c.t(0), {axis}, false), eps}),
              b = c.e.op("Max", {c.e.reduce("ReduceL2", c.t(1), {axis}, false), eps});
              return {c.e.op("Div", {dot, c.e.op("Mul", {a, b})})};),
      // tensors that are made, and what only changes how a value is seen
      RL_RULE("aten::zeros", return created(c, 0, 0);),
      RL_RULE("aten::ones", return created(c, 0, 1);),
      RL_RULE("aten::full", return created(c, 0, c.f(1));),
      RL_RULE("aten::new_zeros", return created(c, 1, 0);),
      RL_RULE("aten::new_ones", return created(c, 1, 1);),
      RL_RULE("aten::new_full", return created(c, 1, c.f(2));),
      RL_RULE("aten::empty", return created(c, 0, 0);),
      RL_RULE("aten::zeros_like", return created_like(c, 0);),
      RL_RULE("aten::ones_like", return created_like(c, 1);),
      RL_RULE("aten::full_like", return created_like(c, c.f(1));),
      RL_RULE("aten::empty_like", return created_like(c, 0);),
      RL_RULE("aten::arange", return arange(c);),
      RL_RULE("aten::to", return to(c);),
      RL_RULE("aten::type_as", return to(c);),
      RL_RULE("aten::_to_copy", return to(c);),
      RL_RULE("aten::float", return to(c);),
      RL_RULE("aten::contiguous", return {c.t(0)};),
      RL_RULE("aten::clone", return {c.t(0)};),
      RL_RULE("aten::detach", return {c.t(0)};),
      RL_RULE("aten::alias", return {c.t(0)};),
      RL_RULE("aten::copy", return {c.e.op("Expand", {c.as(1, c.dtype()), shape_of(c, c.t(0))})};),
      RL_RULE("aten::size", return size(c);),
      RL_RULE("aten::numel", return {c.e.op("Size", {c.t(0)})};),
      RL_RULE("prim::NumToTensor", return {c.t(0)};),
      RL_RULE("aten::Int", return {c.e.cast(c.t(0), DType::Int64)};),
      RL_RULE("aten::Float", return {c.e.cast(c.t(0), DType::Float32)};),
      RL_RULE("aten::Bool", return {c.e.cast(c.t(0), DType::Bool)};),
      RL_RULE("aten::item", return {c.t(0)};),
      RL_RULE("aten::scalar_tensor", return {c.as(0, c.dtype())};),
      RL_RULE("aten::tensor", return {c.as(0, c.dtype())};),
      RL_RULE("aten::ScalarImplicit", return {c.t(0)};),
      RL_RULE("aten::IntImplicit", return {c.t(0)};),
  };
  return rules;
}

}  // namespace rushlight::onnx
