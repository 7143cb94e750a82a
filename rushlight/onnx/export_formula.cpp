// Pointwise operators without a rule of their own: the steps of their formulas (kernels/expr.h) as nodes.
#include "rushlight/dispatch/functor_dtype.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/onnx/export_rules.h"

namespace rushlight::onnx {
namespace {

// A step's node. Empty: ONNX has none that says the same.
Name step(Exporter& e, const Formula::Step& s, const Names_& in, DType of) {
  const DType d = s.dtype;
  auto one = [&](const char* type) { return e.op(type, in); };
  auto negated = [&](const Name& x) { return e.op("Not", {x}); };
  auto number = [&](double v) { return e.number(v, d); };
  auto below_zero = [&](const Name& x) { return e.op("Less", {x, e.number(0, of)}); };
  // -0 is below 0 by its reciprocal.
  auto sign_bit = [&](const Name& x) {
    Name y = below_zero(x);
    return is_floating(of) ? e.op("Or", {y, below_zero(e.op("Reciprocal", {x}))}) : y;
  };
  const bool whole = !is_floating(of) && of != DType::Bool;
  if (is_complex(of) || is_complex(d)) return {};
  switch (s.fn) {
    case Fn::cast: return of == d ? in[0] : e.cast(in[0], d);
    case Fn::select: return one("Where");
    case Fn::add: return one(of == DType::Bool ? "Or" : "Add");
    case Fn::sub: return one("Sub");
    case Fn::mul: return one(of == DType::Bool ? "And" : "Mul");
    case Fn::div: return one("Div");
    case Fn::bit_and: return of == DType::Bool ? one("And") : e.opset >= 18 ? one("BitwiseAnd") : Name();
    case Fn::bit_or: return of == DType::Bool ? one("Or") : e.opset >= 18 ? one("BitwiseOr") : Name();
    case Fn::bit_xor: return of == DType::Bool ? one("Xor") : e.opset >= 18 ? one("BitwiseXor") : Name();
    case Fn::bit_not: return of == DType::Bool ? negated(in[0]) : e.opset >= 18 ? one("BitwiseNot") : Name();
    case Fn::less: return one("Less");
    case Fn::greater: return one("Greater");
    case Fn::less_equal: return ordered(e, in[0], in[1], false);
    case Fn::greater_equal: return ordered(e, in[0], in[1], true);
    case Fn::equal: return one("Equal");
    case Fn::not_equal: return negated(one("Equal"));
    case Fn::logical_and: return one("And");
    case Fn::logical_or: return one("Or");
    case Fn::logical_not: return negated(in[0]);
    case Fn::negative: return one("Neg");
    case Fn::abs: return one("Abs");
    case Fn::exp: return one("Exp");
    case Fn::log: return one("Log");
    case Fn::sqrt: return one("Sqrt");
    case Fn::sin: return one("Sin");
    case Fn::cos: return one("Cos");
    case Fn::tan: return one("Tan");
    case Fn::asin: return one("Asin");
    case Fn::acos: return one("Acos");
    case Fn::atan: return one("Atan");
    case Fn::sinh: return one("Sinh");
    case Fn::cosh: return one("Cosh");
    case Fn::tanh: return one("Tanh");
    case Fn::asinh: return one("Asinh");
    case Fn::acosh: return one("Acosh");
    case Fn::atanh: return one("Atanh");
    case Fn::erf: return one("Erf");
    case Fn::floor: return whole ? in[0] : one("Floor");
    case Fn::ceil: return whole ? in[0] : one("Ceil");
    case Fn::trunc: return whole ? in[0] : e.op("Mul", {e.op("Sign", in), e.op("Floor", {e.op("Abs", in)})});
    case Fn::round_even: return whole ? in[0] : e.opset >= 11 ? one("Round") : Name();
    case Fn::exp2: return e.op("Pow", {number(2), in[0]});
    case Fn::expm1: return exp_minus_1(e, in[0], d);
    case Fn::log1p: return log_1_plus(e, in[0], d);
    case Fn::log2: return e.op("Div", {one("Log"), number(0.6931471805599453)});
    case Fn::log10: return e.op("Div", {one("Log"), number(2.302585092994046)});
    case Fn::cbrt: return e.op("Mul", {one("Sign"), e.op("Pow", {one("Abs"), number(1.0 / 3)})});
    case Fn::pow: return one("Pow");
    case Fn::hypot: return e.op("Sqrt", {e.op("Add", {e.op("Mul", {in[0], in[0]}), e.op("Mul", {in[1], in[1]})})});
    case Fn::fmod:
    case Fn::rest: return e.op("Mod", in, {at("fmod", 1)});
    case Fn::quotient: return one("Div");
    case Fn::atan2: {  // atan2(y, x)
      const Name &y = in[0], &x = in[1], zero = number(0);
      Name half = e.op("Where", {sign_bit(y), number(-M_PI), number(M_PI)});
      Name turned = e.op("Where", {sign_bit(x), half, zero});
      Name nothing = e.op("And", {e.op("Equal", {x, zero}), e.op("Equal", {y, zero})});
      Name angle = e.op("Atan", {e.op("Div", {y, e.op("Where", {nothing, number(1), x})})});
      return e.op("Add", {angle, turned});
    }
    case Fn::isnan: return whole || of == DType::Bool ? negated(e.op("Equal", {in[0], in[0]})) : one("IsNaN");
    case Fn::isinf: return is_floating(of) && e.opset >= 10 ? one("IsInf") : Name();
    case Fn::signbit: return sign_bit(in[0]);
    case Fn::copysign: {
      Name a = e.op("Abs", {in[0]});
      return e.op("Where", {sign_bit(in[1]), e.op("Neg", {a}), a});
    }
    case Fn::maximum: return e.extreme(in[0], in[1], of, true);
    case Fn::minimum: return e.extreme(in[0], in[1], of, false);
    case Fn::unordered: return e.op("Or", {e.op("IsNaN", {in[0]}), e.op("IsNaN", {in[1]})});
    default: return {};
  }
}

}  // namespace

Names_ by_formula(Call& c) {
  const Op* op = c.node->op;
  const PointwiseInfo* info = op ? op->def().kernel.pointwise : nullptr;
  if (!info || !c.out[0].value.is_tensor()) return {};
  std::vector<IValue> args;
  for (size_t i = 0; i < c.in.size(); i++) args.push_back(int(i) < info->inputs ? c.in[i]->value : c.need(i));
  DType common = pointwise_dtype(*op, args.data());
  const DType compute = info->entry(common).compute;
  Formula f = info->formula(common, args.data());
  // What the result doesn't need is left out.
  const auto& steps = f.steps();
  std::vector<bool> needed(steps.size());
  needed[size_t(f.result())] = true;
  for (size_t i = steps.size(); i-- > 0;)
    for (int32_t a : steps[i].args)
      if (needed[i] && steps[i].fn != Fn::input && a >= 0) needed[size_t(a)] = true;
  size_t nodes = c.e.nodes.size();
  Names_ names(steps.size());
  for (size_t i = 0; i < steps.size(); i++) {
    if (!needed[i]) continue;
    const Formula::Step& s = steps[i];
    if (s.fn == Fn::input) names[i] = c.as(size_t(s.args[0]), compute);
    else if (s.fn == Fn::constant) names[i] = c.e.scalar(s.value, s.dtype);
    else {
      Names_ in;
      for (int32_t a : s.args)
        if (a >= 0) in.push_back(names[size_t(a)]);
      names[i] = step(c.e, s, in, steps[size_t(s.args[s.fn == Fn::select ? 1 : 0])].dtype);
    }
    if (names[i].empty()) {
      c.e.nodes.resize(nodes);
      return {};
    }
  }
  Name y = names[size_t(f.result())];
  DType d = steps[size_t(f.result())].dtype;
  return {d == c.dtype() ? y : c.e.cast(y, c.dtype())};
}

}  // namespace rushlight::onnx
