// Arithmetic, functions of numbers, activations and products.
#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {
namespace {

Names_ compare(C c, const char* type, bool negate = false) {
  DType d = common(c);
  bool by_order = std::string_view(type) != "Equal";
  if (d == DType::Bool && by_order) d = DType::Int32;
  Name a = c.as(0, d), b = c.as(1, d);
  if (by_order && std::string_view(type).ends_with("OrEqual")) return {ordered(c.e, a, b, type[0] == 'G')};
  Name y = c.e.op(type, {a, b});
  return {negate ? c.e.op("Not", {y}) : y};
}
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
Names_ clamp(C c, size_t low, size_t high) {
  DType d = c.dtype();
  Name x = c.promoted(0);
  bool tensors = (low < c.in.size() && c.has(low) && c.in[low]->value.is_tensor()) ||
                 (high < c.in.size() && c.has(high) && c.in[high]->value.is_tensor());
  if (tensors || c.e.opset < 11 || (c.e.opset < 12 && !is_floating(d))) {
    auto bounded = [&](size_t k, bool below) {
      if (k < c.in.size() && c.has(k)) x = c.e.extreme(x, c.as(k, d), d, below);
    };
    bounded(low, true), bounded(high, false);
    return {x};
  }
  Names_ in = {x, low < c.in.size() && c.has(low) ? c.as(low, d) : ""};
  if (high < c.in.size() && c.has(high)) in.push_back(c.as(high, d));
  return {c.e.op("Clip", in)};
}
Names_ softmax(C c, const char* type) {
  int64_t axis = c.axis(1), n = c.rank(0);
  if (n == 0) refuse(c, "a tensor without dimensions");
  Name x = c.promoted(0);
  if (c.e.opset >= 13 || axis == n - 1) return {c.e.op(type, {x}, {at("axis", axis)})};
  Name y = c.e.op(type, {transposed(c, x, n, axis, n - 1)}, {at("axis", n - 1)});
  return {transposed(c, y, n, axis, n - 1)};
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
Names_ power(C c) {
  if (!c.out[0].value.is_tensor()) return binary(c, "Pow");
  return {c.e.op("Pow", {c.promoted(0), c.promoted(1)})};
}
Names_ scaled(C c, double by) { return {c.e.op("Div", {c.e.op("Log", {c.promoted(0)}), c.e.number(by, c.dtype())})}; }
Names_ addmm(C c) {  // addmm(C, A, B, beta, alpha)
  return {c.e.op("Gemm", {c.t(1), c.t(2), c.t(0)},
                 {at("beta", c.in.size() > 3 ? c.f(3) : 1.0), at("alpha", c.in.size() > 4 ? c.f(4) : 1.0)})};
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
// Where something stands, a tensor for each dimension.
Names_ places_by_axis(C c) {
  bool single = c.rank(0) == 0;
  Name all = c.e.op("NonZero", {single ? reshape(c, c.t(0), {1}) : c.t(0)});
  Names_ out;
  for (int64_t k = 0; k < std::max<int64_t>(c.rank(0), 1); k++)
    out.push_back(c.e.op("Gather", {all, c.e.number(double(k), DType::Int64)}, {at("axis", 0)}));
  return out;
}
Names_ halves(C c, int64_t axis) {
  Name x = c.t(0), n = c.e.op("Div", {size_of(c, x, axis), c.e.number(2, DType::Int64)});
  Name half = c.e.unsqueeze(n, {0});
  return {c.e.slice(x, axis, c.e.ints({0}), half, 1), c.e.slice(x, axis, half, c.e.ints({INT64_MAX}), 1)};
}
// Of numbers the least, or, the other way round, the greatest: ONNX's Min takes whole numbers from opset 12 on.
Name lesser(C c, bool greatest) {
  if (!c.out[0].value.is_scalar()) refuse(c, "of a list with a list");
  DType d = c.out[0].value.is_double() ? DType::Float32 : DType::Int64;
  Names_ all;
  if (c.in.size() == 1)
    for (Known& k : items_of(*c.in[0])) all.push_back(c.e.name_of(k, &d));
  else all = {c.as(0, d), c.as(1, d)};
  Name best = all.at(0);
  for (size_t k = 1; k < all.size(); k++) {
    Name less = c.e.op("Less", {greatest ? best : all[k], greatest ? all[k] : best});
    best = c.e.op("Where", {less, all[k], best});
  }
  return best;
}
// The rounds of `for _ in range(low, high, step)`.
Name range_length(C c) {
  const DType d = DType::Int64;
  const int64_t step = c.i(2);
  Name low = c.as(0, d), high = c.as(1, d);
  Name distance = c.e.op("Sub", step > 0 ? Names_{high, low} : Names_{low, high});
  const int64_t stride = std::abs(step);
  Name rounds = floor_divided(c, d, c.e.op("Add", {distance, c.e.scalar(stride - 1, d)}), c.e.scalar(stride, d));
  return c.e.extreme(rounds, c.e.scalar(int64_t(0), d), d, true);
}
Names_ einsum(C c) {
  since(c, 12);
  return {c.e.op("Einsum", tensors(c, 1), {at("equation", std::string(c.need(0).to_string()))})};
}
Names_ attention(C c) {  // scaled_dot_product_attention(q, k, v, mask, dropout, causal, scale, gqa)
  Name q = c.t(0), k = c.t(1), v = c.t(2);
  int64_t n = c.rank(1);
  if (c.in.size() > 4 && c.f(4) > 0) refuse(c, "dropout");
  if (c.in.size() > 7 && c.b(7) && c.size(0, -3) != c.size(1, -3)) refuse(c, "enable_gqa");
  Name scale;
  if (c.in.size() > 6 && c.has(6)) scale = c.e.number(c.f(6), c.dtype());
  else if (c.is_fixed(*c.in[0], -1)) scale = c.e.number(1 / std::sqrt(double(c.size(0, -1))), c.dtype());
  else scale = c.e.op("Reciprocal", {c.e.op("Sqrt", {c.e.cast(size_of(c, q, c.rank(0) - 1), c.dtype())})});
  Name s = c.e.op("MatMul", {c.e.op("Mul", {q, scale}), transposed(c, k, n, n - 2, n - 1)});
  if (c.in.size() > 5 && c.b(5)) {  // the columns of the products are k's rows
    Name low = in_triangle(c, s, s, 0, false);
    s = c.e.op("Where", {low, s, c.e.number(-INFINITY, c.dtype())});
  }
  if (c.has(3)) {
    if (c.example(3).dtype() == DType::Bool) s = c.e.op("Where", {c.t(3), s, c.e.number(-INFINITY, c.dtype())});
    else s = c.e.op("Add", {s, c.t(3)});
  }
  return {c.e.op("MatMul", {c.e.op("Softmax", {s}, {at("axis", c.e.opset >= 13 ? -1 : n - 1)}), v})};
}

// fake_quantize_per_tensor_affine(self, scale, zero_point, quant_min, quant_max), fake_quantize_per_channel_affine(..., axis, quant_min, quant_max)
Names_ fake_quantized(C c, bool by_channel) {
  since(c, by_channel ? 13 : 10);
  size_t range = by_channel ? 4 : 3;
  int64_t low = c.i(range), high = c.i(range + 1);
  if (low < -128 || high > 255 || (low < 0 && high > 127)) refuse(c, "to whole numbers of more than eight bits");
  DType d = low < 0 ? DType::Int8 : DType::UInt8;
  Name scale = c.e.cast(c.t(1), DType::Float32), zero = c.e.cast(c.t(2), d), x = c.t(0);
  AttributeList a;
  if (by_channel) a.push_back(at("axis", c.axis(3)));
  Name y = c.e.op("DequantizeLinear", {c.e.op("QuantizeLinear", {x, scale, zero}, a), scale, zero}, a);
  if (low == (d == DType::Int8 ? -128 : 0) && high == (d == DType::Int8 ? 127 : 255)) return {y};
  // A range of fewer numbers: what they stand for is the range of the values.
  if (by_channel) refuse(c, "to fewer numbers than eight bits have");
  auto bound = [&](int64_t v) {
    Name off = c.e.op("Sub", {c.e.number(double(v), DType::Float32), c.e.cast(zero, DType::Float32)});
    return c.e.op("Mul", {off, scale});
  };
  return {c.e.op("Min", {c.e.op("Max", {y, bound(low)}), bound(high)})};
}

}  // namespace

Rules math_rules() {
  return {
    RL_SAME("aten::relu", "Relu"), RL_FLOAT("aten::sigmoid", "Sigmoid"), RL_FLOAT("aten::tanh", "Tanh"),
        RL_FLOAT("aten::exp", "Exp"), RL_FLOAT("aten::log", "Log"), RL_FLOAT("aten::sqrt", "Sqrt"),
        RL_SAME("aten::abs", "Abs"), RL_SAME("aten::neg", "Neg"), RL_SAME("aten::floor", "Floor"),
        RL_SAME("aten::ceil", "Ceil"), RL_FLOAT("aten::sin", "Sin"), RL_FLOAT("aten::cos", "Cos"),
        RL_FLOAT("aten::tan", "Tan"), RL_FLOAT("aten::asin", "Asin"), RL_FLOAT("aten::acos", "Acos"),
        RL_FLOAT("aten::atan", "Atan"), RL_FLOAT("aten::sinh", "Sinh"), RL_FLOAT("aten::cosh", "Cosh"),
        RL_FLOAT("aten::asinh", "Asinh"), RL_FLOAT("aten::acosh", "Acosh"), RL_FLOAT("aten::atanh", "Atanh"),
        RL_FLOAT("aten::erf", "Erf"), RL_SAME("aten::sign", "Sign"), RL_FLOAT("aten::reciprocal", "Reciprocal"),
        RL_SAME("aten::isnan", "IsNaN"), RL_SAME("aten::det", "Det"), RL_SAME("aten::linalg_det", "Det"),
        RL_RULE("aten::nonzero_numpy", return places_by_axis(c);),
        RL_RULE("aten::round", since(c, 11); if (!is_floating(c.dtype())) return {c.t(0)};
                int64_t decimals = c.in.size() > 1 ? c.i(1) : 0; if (!decimals) return {c.e.op("Round", {c.t(0)})};
                Name by = c.e.number(std::pow(10.0, double(std::abs(decimals))), c.dtype());
                Name y = c.e.op("Round", {c.e.op(decimals > 0 ? "Mul" : "Div", {c.t(0), by})});
                return {c.e.op(decimals > 0 ? "Div" : "Mul", {y, by})};),
        RL_RULE("aten::isinf", since(c, 10); return {c.e.op("IsInf", {c.t(0)})};),
        RL_RULE("aten::logical_not", return {c.e.op("Not", {c.as(0, DType::Bool)})};),
        RL_RULE("aten::bitwise_not", if (c.dtype() == DType::Bool) return {c.e.op("Not", {c.t(0)})}; since(c, 18);
                return {c.e.op("BitwiseNot", {c.t(0)})};),
        RL_RULE("aten::__not__", return {c.e.op("Not", {c.t(0)})};),
        RL_RULE("aten::rsqrt", return {c.e.op("Reciprocal", {c.e.op("Sqrt", {c.promoted(0)})})};),
        RL_RULE("aten::square", return {square(c, c.t(0))};),
        RL_RULE("aten::log2", return scaled(c, 0.6931471805599453);),
        RL_RULE("aten::log10", return scaled(c, 2.302585092994046);),
        RL_RULE("aten::log1p", return {log_1_plus(c.e, c.promoted(0), c.dtype())};),
        RL_RULE("aten::expm1", return {exp_minus_1(c.e, c.promoted(0), c.dtype())};),
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
        RL_RULE("aten::celu", if (c.e.opset >= 12) return {c.e.op("Celu", {c.t(0)}, {at("alpha", c.f(1))})};
                Name by = c.e.number(c.f(1), c.dtype());
                return {c.e.op("Mul", {c.e.op("Elu", {c.e.op("Div", {c.t(0), by})}), by})};),
        RL_RULE("aten::leaky_relu", return {c.e.op("LeakyRelu", {c.t(0)}, {at("alpha", c.f(1))})};),
        RL_RULE("aten::rrelu", if (c.b(3)) refuse(c, "random slopes in training");
                return {c.e.op("LeakyRelu", {c.t(0)}, {at("alpha", (c.f(1) + c.f(2)) / 2)})};),
        RL_RULE("aten::hardsigmoid", return {c.e.op("HardSigmoid", {c.t(0)}, {at("alpha", 1.0 / 6)})};),
        RL_RULE("aten::hardswish",
                return {c.e.op("Mul", {c.t(0), c.e.op("HardSigmoid", {c.t(0)}, {at("alpha", 1.0 / 6)})})};),
        RL_RULE("aten::hardtanh", return clamp(c, 1, 2);),
        RL_RULE("aten::relu6", if (c.e.opset < 11) return {c.e.op("Clip", {c.t(0)}, {at("min", 0.0), at("max", 6.0)})};
                return {c.e.op("Clip", {c.t(0), c.e.number(0, c.dtype()), c.e.number(6, c.dtype())})};),
        RL_RULE("aten::clamp", return clamp(c, 1, 2);), RL_RULE("aten::clip", return clamp(c, 1, 2);),
        RL_RULE("aten::clamp_min", return clamp(c, 1, 99);), RL_RULE("aten::clamp_max", return clamp(c, 99, 1);),
        RL_RULE("aten::softplus", double beta = c.f(1), threshold = c.f(2); Name x = c.t(0), scaled = x;
                if (beta != 1) scaled = c.e.op("Mul", {x, c.e.number(beta, c.dtype())});
                Name y = c.e.op("Softplus", {scaled});
                if (beta != 1) y = c.e.op("Div", {y, c.e.number(beta, c.dtype())});
                // From 20 on the two are the same in float32.
                if (threshold < 20 || c.dtype() == DType::Float64) y =
                    c.e.op("Where", {c.e.op("Greater", {scaled, c.e.number(threshold, c.dtype())}), x, y});
                return {y};),
        RL_RULE("aten::log_sigmoid", return {c.e.op("Neg", {c.e.op("Softplus", {c.e.op("Neg", {c.t(0)})})})};),
        RL_RULE("aten::softshrink", return {c.e.op("Shrink", {c.t(0)}, {at("lambd", c.f(1)), at("bias", c.f(1))})};),
        RL_RULE("aten::hardshrink", return {c.e.op("Shrink", {c.t(0)}, {at("lambd", c.f(1)), at("bias", 0.0)})};),
        RL_RULE("aten::threshold", Name over = c.e.op("Greater", {c.t(0), c.as(1, c.dtype())});
                return {c.e.op("Where", {over, c.t(0), c.as(2, c.dtype())})};),
        RL_RULE(
            "aten::prelu", Name w = c.t(1); if (c.rank(0) > 1 && c.rank(1) == 1) {
              List shape(size_t(c.rank(0)) - 1, 1);
              shape[0] = c.size(1, 0);
              w = reshape(c, w, shape);
            } return {c.e.op("PRelu", {c.t(0), w})};),
        RL_RULE("aten::glu", int64_t axis = c.axis(1), n = c.example(0).size(axis) / 2;
                Names_ y = c.is_fixed(*c.in[0], axis) ? split(c, {n, n}, axis) : halves(c, axis);
                return {c.e.op("Mul", {y[0], c.e.op("Sigmoid", {y[1]})})};),
        RL_RULE("aten::softmax", return softmax(c, "Softmax");),
        RL_RULE("aten::log_softmax", return softmax(c, "LogSoftmax");),
        RL_RULE("aten::_softmax", return softmax(c, "Softmax");),
        RL_RULE("aten::_log_softmax", return softmax(c, "LogSoftmax");),
        RL_RULE("aten::alpha_dropout", if (c.b(2) && c.f(1) > 0) refuse(c, "dropout in training"); return {c.t(0)};),
        RL_RULE("aten::feature_alpha_dropout", if (c.b(2) && c.f(1) > 0) refuse(c, "dropout in training");
                return {c.t(0)};),
        // arithmetic
        RL_RULE("aten::add", return sum(c, "Add", false);), RL_RULE("aten::sub", return sum(c, "Sub", false);),
        RL_RULE("aten::rsub", return sum(c, "Sub", true);),
        RL_RULE("aten::mul", if (c.out[0].value.is_tensor() && c.dtype() == DType::Bool) return logical(c, "And");
                return binary(c, "Mul");),
        RL_RULE("aten::div", std::string mode; if (c.in.size() > 2 && c.has(2)) mode = c.need(2).to_string();
                return divide(c, mode);),
        RL_RULE("aten::true_divide", return divide(c, "");), RL_RULE("aten::floor_divide", return divide(c, "floor");),
        RL_RULE("aten::floordiv", return divide(c, "floor");),
        RL_RULE("aten::remainder", DType d = c.out[0].value.is_tensor() ? c.dtype() : DType::Int64;
                Name a = c.as(0, d), b = c.as(1, d); if (!is_floating(d)) return {c.e.op("Mod", {a, b})};
                return {c.e.op("Sub", {a, c.e.op("Mul", {c.e.op("Floor", {c.e.op("Div", {a, b})}), b})})};),
        RL_RULE("aten::fmod", return {c.e.op("Mod", {c.promoted(0), c.promoted(1)}, {at("fmod", 1)})};),
        RL_RULE("aten::pow", return power(c);), RL_RULE("aten::float_power", return power(c);),
        RL_RULE("aten::maximum", return {c.e.extreme(c.promoted(0), c.promoted(1), c.dtype(), true)};),
        RL_RULE("aten::minimum", return {c.e.extreme(c.promoted(0), c.promoted(1), c.dtype(), false)};),
        RL_RULE("prim::min", return {lesser(c, false)};), RL_RULE("prim::max", return {lesser(c, true)};),
        RL_RULE("aten::__range_length", return {range_length(c)};),
        RL_RULE("aten::__derive_index",
                return {c.e.op(
                    "Add", {c.as(1, DType::Int64), c.e.op("Mul", {c.as(0, DType::Int64), c.as(2, DType::Int64)})})};),
        RL_RULE("aten::eq", return compare(c, "Equal");), RL_RULE("aten::ne", return compare(c, "Equal", true);),
        RL_RULE("aten::lt", return compare(c, "Less");), RL_RULE("aten::gt", return compare(c, "Greater");),
        RL_RULE("aten::le", return compare(c, "LessOrEqual");),
        RL_RULE("aten::ge", return compare(c, "GreaterOrEqual");),
        RL_RULE("aten::logical_and", return logical(c, "And");), RL_RULE("aten::logical_or", return logical(c, "Or");),
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
        RL_RULE("aten::where", if (c.in.size() == 1) return places_by_axis(c);
                return {c.e.op("Where", {c.as(0, DType::Bool), c.promoted(1), c.promoted(2)})};),
        RL_RULE("aten::masked_fill", return {c.e.op("Where", {c.as(1, DType::Bool), c.as(2, c.dtype()), c.t(0)})};),
        RL_RULE(
            "aten::lerp",
            return {c.e.op("Add", {c.t(0), c.e.op("Mul", {c.as(2, c.dtype()), c.e.op("Sub", {c.t(1), c.t(0)})})})};),
        RL_RULE(
            "aten::addcmul",
            return {c.e.op("Add", {c.t(0), c.e.op("Mul", {c.e.op("Mul", {c.t(1), c.t(2)}),
                                                          c.e.number(c.in.size() > 3 ? c.f(3) : 1, c.dtype())})})};),
        RL_RULE(
            "aten::addcdiv",
            return {c.e.op("Add", {c.t(0), c.e.op("Mul", {c.e.op("Div", {c.t(1), c.t(2)}),
                                                          c.e.number(c.in.size() > 3 ? c.f(3) : 1, c.dtype())})})};),
        RL_RULE("aten::hypot",
                return {c.e.op("Sqrt", {c.e.op("Add", {square(c, c.promoted(0)), square(c, c.promoted(1))})})};),
        RL_RULE(
            "aten::quantize_per_tensor", since(c, 10); DType d = c.dtype() == DType::QInt8 ? DType::Int8 : DType::UInt8;
            if (c.dtype() != DType::QInt8 && c.dtype() != DType::QUInt8) refuse(c, "to wide whole numbers");
            Name scale = c.e.cast(c.t(1), DType::Float32), zero = c.e.cast(c.t(2), d);
            Name y = c.e.op("QuantizeLinear", {c.t(0), scale, zero}); c.e.quantized[y] = {scale, zero}; return {y};),
        RL_RULE("aten::dequantize", Name x = c.t(0); auto by = c.e.quantized.find(x);
                if (by == c.e.quantized.end()) refuse(c, "of what no quantize_per_tensor made");
                return {c.e.op("DequantizeLinear", {x, by->second.first, by->second.second})};),
        RL_RULE("aten::fake_quantize_per_tensor_affine", return fake_quantized(c, false);),
        RL_RULE("aten::fake_quantize_per_channel_affine", return fake_quantized(c, true);),
        RL_RULE("aten::int_repr", return {c.t(0)};),
        // products
        RL_RULE("aten::matmul", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
        RL_RULE("aten::mm", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
        RL_RULE("aten::bmm", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
        RL_RULE("aten::mv", return {c.e.op("MatMul", {c.t(0), c.t(1)})};),
        RL_RULE("aten::dot", return {c.e.op("MatMul", {c.t(0), c.t(1)})};), RL_RULE("aten::addmm", return addmm(c);),
        RL_RULE("aten::linear", return linear(c);),
        RL_RULE("aten::baddbmm", Name p = c.e.op("MatMul", {c.t(1), c.t(2)});
                p = c.e.op("Mul", {p, c.e.number(c.in.size() > 4 ? c.f(4) : 1, c.dtype())}); return {c.e.op(
                    "Add", {c.e.op("Mul", {c.t(0), c.e.number(c.in.size() > 3 ? c.f(3) : 1, c.dtype())}), p})};),
        RL_RULE("aten::einsum", return einsum(c);), RL_RULE("aten::scaled_dot_product_attention", return attention(c);),
  };
}

}  // namespace rushlight::onnx
