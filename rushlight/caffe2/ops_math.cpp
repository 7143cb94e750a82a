// Element by element: one tensor, two with broadcasting, several.
#include <cmath>

#include "rushlight/caffe2/gradient.h"
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {
namespace {

// Numbers as C++ writes them.
Value as_text(const Tensor& x) {
  auto text = make_ref<StringTensor>();
  text->sizes.assign(x.sizes().begin(), x.sizes().end());
  Tensor all = x.contiguous().reshape({-1});
  for (int64_t k = 0; k < all.numel(); k++) {
    Tensor v = all.select(0, k);
    text->items.push_back(x.is_floating_point() ? std::to_string(v.item<double>()) : std::to_string(v.item<int64_t>()));
  }
  return object_value(text);
}

using F1 = Tensor (*)(const Tensor&);

int64_t axis_of_second(const Call& c, const Tensor& a, const Tensor& b) {
  std::string name = c.s("axis_str", "");
  int64_t axis = name.empty() ? c.i("axis", -1) : int64_t(c.s("order", "NCHW").find(name));
  return axis == -1 ? a.dim() - b.dim() : axis;
}

// Of the second operand, whose dimensions stand below those of the first from `axis` on, or at its end; else numpy's rules.
Tensor aligned(const Call& c, const Tensor& a, const Tensor& b) {
  if (c.b("broadcast")) {
    if (b.numel() == 1) return b.reshape({});
    int64_t axis = axis_of_second(c, a, b);
    C2_ENFORCE(axis >= 0 && axis + b.dim() <= a.dim(),
               "If you are doing broadcasting, input1 should have a smaller or equal number of dimensions.");
    std::vector<int64_t> sizes(b.sizes().begin(), b.sizes().end());
    // Sizes of 1 at either end count for nothing.
    int64_t first = 0, last = b.dim();
    while (first < last && b.size(first) == 1) first++;
    while (last > first && b.size(last - 1) == 1) last--;
    for (int64_t k = first; k < last; k++)
      C2_ENFORCE(b.size(k) == a.size(axis + k), "Broadcast dimensions do not match: ", a.size(axis + k), " vs ",
                 b.size(k));
    sizes.resize(size_t(a.dim() - axis), 1);
    return b.reshape(sizes);
  }
  for (int64_t k = 1; k <= std::min(a.dim(), b.dim()); k++) {
    int64_t A_dim = a.size(-k), B_dim = b.size(-k);
    C2_ENFORCE(A_dim == B_dim || A_dim == 1 || B_dim == 1, "A_dim: ", A_dim, ",B_dim: ", B_dim);
  }
  return b;
}

void same_dtype(const Call& c, const Tensor& a, const Tensor& b) {
  if (a.scalar_type() != b.scalar_type())
    C2_FAIL(c.op.type, ": the inputs have different types: ", shown_dtype(a.scalar_type()), " and ",
            shown_dtype(b.scalar_type()));
}

// The same in TorchScript, of A and B.
std::string with_aligned(const char* text) {
  return str(R"(if axis_str != "":
    unsupported()
B = as_first(B, A, broadcast, axis)
return )",
             text);
}
// Gradients of those, which are summed as the operands were broadcast.
std::string with_summed(const char* text) {
  return str(R"(if axis != -1 or axis_str != "":
    unsupported()
return )",
             text);
}
constexpr const char* kBack = "G, A, B, outputs: Any, broadcast: Any = 0, axis: Any = -1, axis_str: Any = \"\"";
constexpr const char* kAligned = "A, B, broadcast: Any = 0, axis: Any = -1, axis_str: Any = \"\"";

Registry::Entry binary(Registry& r, const std::string& name, const char* text,
                       Tensor (*f)(const Tensor&, const Tensor&)) {
  return r
      .op(name, "2 -> 1",
          [f](Call& c) {
            Tensor a = c.X(0), b = c.X(1);
            same_dtype(c, a, b);
            c.set(f(a, aligned(c, a, b)));
          })
      .script(kAligned, with_aligned(text));
}
void logical(Registry& r, const char* name, const char* text, Tensor (*f)(const Tensor&, const Tensor&)) {
  r.op(name, "2 -> 1",
       [f](Call& c) {
         Tensor a = c.X(0), b = c.X(1);
         same_dtype(c, a, b);
         if (a.scalar_type() != torch::kBool) c.unsupported(a);
         c.set(f(a, aligned(c, a, b)));
       })
      .stop()
      .script(kAligned, with_aligned(text));
}

// `text`: f in TorchScript.
Registry::Entry unary(Registry& r, const char* name, const char* text, F1 f) {
  return r
      .op(name, "1 -> 1",
          [f](Call& c) {
            Tensor x = c.X();
            if (!x.is_floating_point()) c.unsupported(x);
            c.set(f(x));
          })
      .script("X", str("return ", text));
}

// Gradients by the result: (Y, dY) or (dY, Y).
void from_result(Registry& r, const char* name, bool result_first, const char* text,
                 Tensor (*f)(const Tensor& y, const Tensor& g)) {
  r.op(name, "2 -> 1", [f, result_first](Call& c) {
     c.set(f(c.X(!result_first), c.X(result_first)).reshape(c.X(0).sizes()));
   }).script(result_first ? "Y, G" : "G, Y", str("s = same(G, Y)\nif not s:\n    unsupported()\nreturn ", text));
}

Tensor divide(const Tensor& a, const Tensor& b) { return a.is_floating_point() ? a / b : torch::div(a, b, "trunc"); }

void several(Registry& r, const char* name, Tensor (*f)(const Tensor&, const Tensor&)) {
  r.op(name, "1+ -> 1", [f](Call& c) {
    Tensor y = c.X(0);
    for (size_t k = 1; k < c.inputs(); k++) {
      C2_ENFORCE(c.X(k).sizes() == y.sizes(), "Check failed: output->sizes() == Input(i).sizes(). Description: Input #",
                 k, ", input dimension:", c.X(k).sizes(), " should match output dimension: ", y.sizes());
      y = f(y, c.X(k));
    }
    c.set(y);
  });
}

}  // namespace

void add_math(Registry& r) {
  // ---- one tensor
  r.op("Abs", "1 -> 1", [](Call& c) { c.set(c.X().abs()); })
      .script("X", "return X.abs()")
      .grad("AbsGradient: I0 GO0 -> GI0");
  unary(r, "Acos", "X.acos()", [](const Tensor& x) { return x.acos(); }).grad("AcosGradient: I0 GO0 -> GI0");
  unary(r, "Asin", "X.asin()", [](const Tensor& x) { return x.asin(); }).grad("AsinGradient: I0 GO0 -> GI0");
  unary(r, "Atan", "X.atan()", [](const Tensor& x) { return x.atan(); }).grad("AtanGradient: I0 GO0 -> GI0");
  unary(r, "Ceil", "X.ceil()", [](const Tensor& x) { return x.ceil(); });
  unary(r, "Floor", "X.floor()", [](const Tensor& x) { return x.floor(); });
  unary(r, "Round", "torch.floor(X.abs() + 0.5) * X.sign()",
        [](const Tensor& x) { return (x.abs() + 0.5).floor() * x.sign(); });  // halves away from zero
  unary(r, "Cos", "X.cos()", [](const Tensor& x) { return x.cos(); }).grad("CosGradient: I0 GO0 -> GI0");
  unary(r, "Sin", "X.sin()", [](const Tensor& x) { return x.sin(); }).grad("SinGradient: I0 GO0 -> GI0");
  unary(r, "Tan", "X.tan()", [](const Tensor& x) { return x.tan(); }).grad("TanGradient: I0 GO0 -> GI0");
  unary(r, "Cosh", "X.cosh()", [](const Tensor& x) { return x.cosh(); }).grad("CoshGradient: GO0 I0 -> GI0");
  unary(r, "Sinh", "X.sinh()", [](const Tensor& x) { return x.sinh(); }).grad("SinhGradient: GO0 I0 -> GI0");
  unary(r, "Erf", "X.erf()", [](const Tensor& x) { return x.erf(); }).grad("ErfGradient: I0 GO0 -> GI0");
  unary(r, "Exp", "X.exp()", [](const Tensor& x) { return x.exp(); }).grad("Mul: O0 GO0 -> GI0");
  unary(r, "Log", "X.log()", [](const Tensor& x) { return x.log(); }).grad("Div: GO0 I0 -> GI0");
  unary(r, "Log1p", "X.log1p()", [](const Tensor& x) { return x.log1p(); }).grad("Log1pGradient: I0 GO0 -> GI0");
  unary(r, "Sigmoid", "X.sigmoid()", [](const Tensor& x) {
    return x.sigmoid();
  }).grad("SigmoidGradient: O0 GO0 -> GI0");
  unary(r, "Tanh", "X.tanh()", [](const Tensor& x) { return x.tanh(); }).grad("TanhGradient: O0 GO0 -> GI0");
  unary(r, "Relu", "X.relu()", [](const Tensor& x) { return x.relu(); }).grad("ReluGradient: O0 GO0 -> GI0");
  unary(r, "Softplus", "torch.log(X.exp() + 1)", [](const Tensor& x) {
    return (x.exp() + 1).log();
  }).grad("SoftplusGradient: O0 GO0 -> GI0");
  unary(r, "Softsign", "X / (X.abs() + 1)", [](const Tensor& x) {
    return x / (x.abs() + 1);
  }).grad("SoftsignGradient: I0 GO0 -> GI0");
  unary(r, "Rsqrt", "X.rsqrt()", [](const Tensor& x) { return x.rsqrt(); }).grad("RsqrtGradient: GO0 O0 -> GI0");
  unary(r, "Reciprocal", "X.reciprocal()", [](const Tensor& x) {
    return x.reciprocal();
  }).grad("ReciprocalGradient: O0 GO0 -> GI0");
  unary(r, "Cbrt", "X.abs().pow(1.0 / 3) * X.sign()", [](const Tensor& x) {
    return x.abs().pow(1.0 / 3) * x.sign();
  }).grad("CbrtGradient: GO0 O0 -> GI0");
  unary(r, "Mish", "X * torch.tanh(torch.log(X.exp() + 1))", [](const Tensor& x) {
    return x * (x.exp() + 1).log().tanh();
  }).grad("MishGradient: I0 O0 GO0 -> GI0");
  unary(r, "Swish", "X * X.sigmoid()", [](const Tensor& x) {
    return x * x.sigmoid();
  }).grad("SwishGradient: I0 O0 GO0 -> GI0");
  unary(r, "Sqrt", "X.sqrt()", [](const Tensor& x) { return x.sqrt(); }).grad([](GradientMaker& m) {
    m.add("Scale", {m.GO(0)}, {m.GI(0)}, {float_arg("scale", 0.5)});
    m.add("Div", {m.GI(0), m.O(0)}, {m.GI(0)});
  });
  r.op("Sqr", "1 -> 1", [](Call& c) { c.set(c.X() * c.X()); }).script("X", "return X * X").grad([](GradientMaker& m) {
    m.add("Scale", {m.GO(0)}, {m.GO(0)}, {float_arg("scale", 2)});
    m.add("Mul", {m.GO(0), m.I(0)}, {m.GI(0)});
  });
  unary(r, "Cube", "X * X * X", [](const Tensor& x) { return x * x * x; }).grad("CubeGradient: GO0 I0 -> GI0");
  r.op("Negative", "1 -> 1", [](Call& c) { c.set(-c.X()); }).script("X", "return -X").grad("Negative: GO0 -> GI0");
  r.op("NegateGradient", "1 -> 1", [](Call& c) { c.set(c.X()); }).script("X", "return X").grad("Negative: GO0 -> GI0");
  r.op("Not", "1 -> 1",
       [](Call& c) {
         if (c.X().scalar_type() != torch::kBool) c.unsupported(c.X());
         c.set(c.X().logical_not());
       })
      .script("X", "return torch.logical_not(X)")
      .stop();
  r.op("Sign", "1 -> 1", [](Call& c) { c.set(c.X().sign()); }).script("X", "return X.sign()");
  r.op("IsNaN", "1 -> 1", [](Call& c) { c.set(c.X().isnan().to(torch::kByte)); });
  r.op("ReplaceNaN", "1 -> 1", [](Call& c) {
     Tensor x = c.X();
     c.set(torch::where(x.isnan(), torch::full_like(x, c.f("value")), x));
   }).script("X, value: Any = 0.0", "return torch.where(torch.isnan(X), torch.full_like(X, value), X)");
  r.op("NanCheck", "1+ -> 1", [](Call& c) {
     Tensor x = c.X();
     C2_ENFORCE(!x.isnan().logical_or(x.isinf()).any().item<bool>(), "Operator has NaN or Inf in its input ",
                c.op.inputs[0]);
     c.set(x);
   }).grad([](GradientMaker& m) {
    std::vector<std::string> in{m.GO(0)};
    for (size_t k = 0; k < m.op.inputs.size(); k++) in.push_back(m.I(k));
    m.add("NanCheck", in, {m.GI(0)});
  });
  unary(r, "Gelu", "torch.gelu(X)", [](const Tensor& x) {
    return x * ((x * M_SQRT1_2).erf() + 1) * 0.5;
  }).grad("GeluGradient: GO0 I0 -> GI0");
  r.op("Elu", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         c.set(torch::where(x > 0, x, (x.exp() - 1) * c.f("alpha", 1)));
       })
      .script("X, alpha: Any = 1.0", "return torch.elu(X, alpha)")
      .grad("EluGradient: O0 GO0 -> GI0");
  r.op("EluGradient", "2 -> 1", [](Call& c) {
     Tensor y = c.X(0), g = c.X(1);
     c.set(torch::where(y >= 0, g, g * (y + c.f("alpha", 1))));
   }).script("Y, G, alpha: Any = 1.0", "return torch.where(Y >= 0, G, G * (Y + alpha))");
  r.op("Selu", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         double a = c.f("alpha", 1.6732632423543772), s = c.f("scale", 1.0507009873554805);
         c.set(torch::where(x > 0, x, (x.exp() - 1) * a) * s);
       })
      .script("X, alpha: Any = 1.6732632423543772, scale: Any = 1.0507009873554805",
              "return torch.elu(X, alpha, scale)")
      .grad("SeluGradient: O0 GO0 -> GI0");
  r.op("SeluGradient", "2 -> 1",
       [](Call& c) {
         Tensor y = c.X(0), g = c.X(1);
         double a = c.f("alpha", 1.6732632423543772), s = c.f("scale", 1.0507009873554805);
         c.set(torch::where(y > 0, g * s, g * (y + a * s)));
       })
      .script("Y, G, alpha: Any = 1.6732632423543772, scale: Any = 1.0507009873554805",
              "return torch.where(Y > 0, G * scale, G * (Y + alpha * scale))");
  r.op("LeakyRelu", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         c.set(torch::where(x > 0, x, x * c.f("alpha", 0.01)));
       })
      .script("X, alpha: Any = 0.01", "return torch.leaky_relu(X, alpha)")
      .grad("LeakyReluGradient: O0 GO0 -> GI0");
  r.op("LeakyReluGradient", "2 -> 1", [](Call& c) {
     Tensor y = c.X(0), g = c.X(1);
     c.set(torch::where(y >= 0, g, g * c.f("alpha", 0.01)));
   }).script("Y, G, alpha: Any = 0.01", "return torch.where(Y >= 0, G, G * alpha)");
  r.op("ReluN", "1 -> 1", [](Call& c) { c.set(c.X().clamp(0, c.f("n", 6))); })
      .script("X, n: Any = 6.0", "return torch.clamp(X, 0.0, n)")
      .grad("ReluNGradient: O0 GO0 -> GI0");
  r.op("ReluNGradient", "2 -> 1", [](Call& c) {
    Tensor y = c.X(0), g = c.X(1);
    c.set(g * (y > 0).logical_and(y < c.f("n", 6)).to(g.scalar_type()));
  });
  r.op("HardSigmoid", "1 -> 1", [](Call& c) { c.set((c.X() * c.f("alpha", 0.2) + c.f("beta", 0.5)).clamp(0, 1)); })
      .script("X, alpha: Any = 0.2, beta: Any = 0.5", "return torch.clamp(X * alpha + beta, 0.0, 1.0)")
      .grad("HardSigmoidGradient: O0 GO0 -> GI0");
  r.op("HardSigmoidGradient", "2 -> 1", [](Call& c) {
    Tensor y = c.X(0), g = c.X(1);
    c.set(g * (y > 0).logical_and(y < 1).to(g.scalar_type()) * c.f("alpha", 0.2));
  });
  r.op("ThresholdedRelu", "1 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         c.set(x * (x > c.f("alpha", 1)).to(x.scalar_type()));
       })
      .script("X, alpha: Any = 1.0", "return torch.threshold(X, alpha, 0.0)")
      .grad("ThresholdedReluGradient: O0 GO0 -> GI0");
  r.op("ThresholdedReluGradient", "2 -> 1", [](Call& c) { c.set(c.X(1) * (c.X(0) > 0).to(c.X(1).scalar_type())); });
  r.op("Clip", "1 -> 1",
       [](Call& c) {
         c.set(c.X().clamp(c.f("min", std::numeric_limits<float>::lowest()),
                           c.f("max", std::numeric_limits<float>::max())));
       })
      .script("X, min: Any = -3.4028234663852886e+38, max: Any = 3.4028234663852886e+38",
              "return torch.clamp(X, min, max)")
      .grad("ClipGradient: O0 GO0 -> GI0");
  r.op("ClipGradient", "2 -> 1", [](Call& c) {
    Tensor y = c.X(0), g = c.X(1);
    float low = float(c.f("min", std::numeric_limits<float>::lowest())),
          high = float(c.f("max", std::numeric_limits<float>::max()));
    c.set(g * (y > low).logical_and(y < high).to(g.scalar_type()));
  });
  from_result(r, "ReluGradient", true, "torch.threshold_backward(G, Y, 0)",
              [](const Tensor& y, const Tensor& g) { return g * (y > 0).to(g.scalar_type()); });
  from_result(r, "SigmoidGradient", true, "torch.sigmoid_backward(G, Y)",
              [](const Tensor& y, const Tensor& g) { return g * y * (1 - y); });
  from_result(r, "TanhGradient", true, "torch.tanh_backward(G, Y)",
              [](const Tensor& y, const Tensor& g) { return g * (1 - y * y); });
  from_result(r, "SoftplusGradient", true, "G * (1 - torch.exp(-Y))",
              [](const Tensor& y, const Tensor& g) { return g * (1 - (-y).exp()); });
  from_result(r, "ReciprocalGradient", true, "-G * Y * Y", [](const Tensor& y, const Tensor& g) { return -g * y * y; });
  from_result(r, "RsqrtGradient", false, "G * Y * Y * Y * -0.5",
              [](const Tensor& y, const Tensor& g) { return g * y * y * y * -0.5; });
  from_result(r, "CbrtGradient", false, "G / (Y * Y) / 3",
              [](const Tensor& y, const Tensor& g) { return g / (y * y) / 3; });
  r.op("Logit", "1 -> 1", [](Call& c) {
     double eps = c.f("eps", 1e-6);
     Tensor x = c.X().clamp(eps, 1 - eps);
     c.set((x / (1 - x)).log());
   }).grad("LogitGradient: I0 GO0 -> GI0");
  r.op("LogitGradient", "2 -> 1", [](Call& c) {
    Tensor x = c.X(0), g = c.X(1);
    double eps = c.f("eps", 1e-6);
    c.set(torch::where((x < eps).logical_or(x > 1 - eps), torch::zeros_like(x), g / (x * (1 - x))));
  });
  r.op("Scale", "1 -> 1", [](Call& c) { c.set(c.X() * c.f("scale", 1)); })
      .script("X, scale: Any = 1.0", "return X * scale")
      .grad("Scale: GO0 -> GI0");
  r.op("Copy", "1 -> 1", [](Call& c) { c.set_value(0, c.in[0]); })
      .script("X", "return X")
      .grad("CopyOnDeviceLike: GO0 I0 -> GI0");
  for (const char* name : {"CopyFromCPUInput", "CopyOnDeviceLike", "CopyCPUToGPU", "CopyGPUToCPU", "EnsureCPUOutput"})
    r.op(name, "1-2 -> 1", [](Call& c) { c.set_value(0, c.in[0]); }).grad("Copy: GO0 -> GI0");
  for (const char* name : {"Alias", "AliasWithName"})
    r.op(name, "1 -> 1", [](Call& c) { c.set_value(0, c.in[0]); }).script("X", "return X").grad([](GradientMaker& m) {
      m.set_dense(0, m.GO(0));
    });
  // What only says in which order others run.
  for (const char* name : {"AsyncNetBarrier", "DataCouple"})
    r.op(name, "1+ -> 1+", [](Call& c) {
       C2_ENFORCE(c.outputs() <= c.inputs(), c.op.type, " wants an input for each output");
       for (size_t k = 0; k < c.outputs(); k++) c.set_value(k, c.in[k]);
     }).quiet();
  r.op("ScaleBlobs", "1+ -> 1+", [](Call& c) {
     C2_ENFORCE(c.outputs() == c.inputs(), "ScaleBlobs wants as many outputs as inputs");
     for (size_t k = 0; k < c.inputs(); k++) c.set(k, c.X(k) * c.f("scale", 1));
   }).stop();
  r.op("StumpFunc", "1 -> 1", [](Call& c) {
     Tensor x = c.X();
     c.set(torch::where(x <= c.f("threshold"), torch::full_like(x, c.f("low_value")),
                        torch::full_like(x, c.f("high_value"))));
   }).stop();
  r.op("StumpFuncIndex", "1 -> 2", [](Call& c) {
     Tensor low = c.X().reshape({-1}) <= c.f("threshold");
     c.set(0, low.nonzero().reshape({-1}));
     c.set(1, low.logical_not().nonzero().reshape({-1}));
   }).stop();
  r.op("Mod", "1 -> 1", [](Call& c) {
     int64_t d = c.i("divisor", 0);
     C2_ENFORCE(d != 0, "divisor must not be 0");
     Tensor x = c.X();
     c.set(c.b("sign_follow_divisor") ? x.remainder(d) : x.fmod(d));
   }).stop();
  r.op("Cast", "1 -> 1", [](Call& c) {
     int64_t to = 1;
     if (const Message* a = c.op.args.find("to")) {
       if (a->has("s")) {
         std::string name = a->text("s");
         for (char& ch : name) ch = char(std::toupper(ch));
         const auto& t = message_type("TensorProto");
         const int64_t* n = t.enums[0]->number_of(name);
         C2_ENFORCE(n, "Unknown 'to' argument: ", name);
         to = *n;
       } else {
         to = c.i("to");
       }
     }
     Tensor x = c.X();
     if (constexpr int64_t kString = 4; to == kString) return c.set_value(0, as_text(x));
     torch::Dtype d = dtype_of_proto(to);
     // As C++ converts: towards zero, and through a wider number where the narrow one has no room.
     if (x.is_floating_point() && d != torch::kBool && !torch::isFloatingType(d)) x = x.to(torch::kLong);
     c.set(x.to(d));
   }).grad([](GradientMaker& m) {
    const Message* from = m.op.args.find("from_type");
    C2_ENFORCE(from, "Argument of type 'from_type' is needed for the gradient of Cast");
    int64_t to = from->has("i") ? from->whole("i") : *message_type("TensorProto").enums[0]->number_of(from->text("s"));
    std::vector<MessageRef> args{int_arg("to", to)};
    if (const Message* was = m.op.args.find("to"); was && was->has("i"))
      args.push_back(int_arg("from_type", was->whole("i")));
    m.add("Cast", {m.GO(0)}, {m.GI(0)}, args, false);
  });
  r.op("FloatToHalf", "1 -> 1", [](Call& c) {
     Tensor x = c.X();
     if (c.b("clip")) x = x.clamp(-65504.0, 65504.0);
     c.set(x.to(torch::kHalf));
   }).grad("HalfToFloat: GO0 -> GI0");
  r.op("HalfToFloat", "1 -> 1", [](Call& c) { c.set(c.X().to(torch::kFloat)); })
      .script("X", "return X.to(torch.float32)")
      .grad("FloatToHalf: GO0 -> GI0");

  // ---- two tensors
  binary(r, "Add", "A + B", [](const Tensor& a, const Tensor& b) {
    return a + b;
  }).grad("AddGradient: GO0 I0 I1 -> GI0 GI1", kBack, with_summed("summed(G, A), summed(G, B)"));
  binary(r, "Sub", "A - B", [](const Tensor& a, const Tensor& b) {
    return a - b;
  }).grad("SubGradient: GO0 I0 I1 -> GI0 GI1", kBack, with_summed("summed(G, A), summed(-G, B)"));
  binary(r, "Mul", "A * B", [](const Tensor& a, const Tensor& b) {
    return a * b;
  }).grad("MulGradient: GO0 I0 I1 -> GI0 GI1", kBack, with_summed("summed(G * B, A), summed(G * A, B)"));
  binary(r, "Div", "(A / B) if floating(A) else torch.div(A, B, rounding_mode='trunc')", divide)
      .grad("DivGradient: GO0 I0 I1 O0 -> GI0 GI1");
  logical(r, "And", "torch.logical_and(A, B)", [](const Tensor& a, const Tensor& b) { return a.logical_and(b); });
  logical(r, "Or", "torch.logical_or(A, B)", [](const Tensor& a, const Tensor& b) { return a.logical_or(b); });
  logical(r, "Xor", "torch.logical_xor(A, B)", [](const Tensor& a, const Tensor& b) { return a.logical_xor(b); });
  binary(r, "BitwiseAnd", "torch.bitwise_and(A, B)", [](const Tensor& a, const Tensor& b) {
    return torch::bitwise_and(a, b);
  }).stop();
  binary(r, "BitwiseOr", "torch.bitwise_or(A, B)", [](const Tensor& a, const Tensor& b) {
    return torch::bitwise_or(a, b);
  }).stop();
  binary(r, "BitwiseXor", "torch.bitwise_xor(A, B)", [](const Tensor& a, const Tensor& b) {
    return torch::bitwise_xor(a, b);
  }).stop();
  binary(r, "EQ", "A == B", [](const Tensor& a, const Tensor& b) { return a == b; }).stop();
  binary(r, "NE", "A != B", [](const Tensor& a, const Tensor& b) { return a != b; }).stop();
  binary(r, "GT", "A > B", [](const Tensor& a, const Tensor& b) { return a > b; }).stop();
  binary(r, "GE", "A >= B", [](const Tensor& a, const Tensor& b) { return a >= b; }).stop();
  binary(r, "LT", "A < B", [](const Tensor& a, const Tensor& b) { return a < b; }).stop();
  binary(r, "LE", "A <= B", [](const Tensor& a, const Tensor& b) { return a <= b; }).stop();
  r.op("Pow", "1-2 -> 1",
       [](Call& c) {
         Tensor x = c.X();
         if (c.inputs() == 2) c.set(torch::pow(x, aligned(c, x, c.X(1))));
         else {
           C2_ENFORCE(c.has_arg("exponent"), "Argument 'exponent' is missing");
           c.set(torch::pow(x, c.f("exponent")));
         }
       })
      .script("X, E: Any = None, exponent: Any = None, broadcast: Any = 0, axis: Any = -1, axis_str: Any = \"\"",
              R"(if axis_str != "":
    unsupported()
if E is not None:
    return torch.pow(X, as_first(E, X, broadcast, axis))
if exponent is None:
    unsupported()
return torch.pow(X, exponent))")
      .grad([](GradientMaker& m) {
        if (const Message* e = m.op.args.find("exponent"); e && m.op.inputs.size() == 1) {
          double exponent = e->real("f");
          if (m.I(0) == m.O(0)) {  // in place: X is gone, Y remains
            m.add("Pow", {m.O(0)}, {m.GI(0)}, {float_arg("exponent", (exponent - 1) / exponent)}, false);
          } else {
            m.add("Pow", {m.I(0)}, {m.GI(0)}, {float_arg("exponent", exponent - 1)}, false);
          }
          m.add("Mul", {m.GI(0), m.GO(0)}, {m.GI(0)}, {}, false);
          m.add("Scale", {m.GI(0)}, {m.GI(0)}, {float_arg("scale", exponent)}, false);
          return;
        }
        C2_ENFORCE(m.I(0) != m.O(0) && m.I(1) != m.O(0),
                   "Gradient computation cannot be carried out if Pow uses in-place computation");
        std::vector<MessageRef> args;
        for (const char* a : {"broadcast", "axis", "axis_str", "order"})
          if (const Message* found = m.op.args.find(a)) args.push_back(found->copy());
        std::string x = m.I(0), e = m.I(1), y = m.O(0), gx = m.GI(0), ge = m.GI(1), before = ge + "_autogen_pre_red";
        m.add("ConstantFill", {e}, {ge}, {float_arg("value", 1)}, false);
        m.add("Sub", {e, ge}, {ge}, {}, false);
        m.add("Pow", {x, ge}, {gx}, args, false);
        m.add("Mul", {gx, m.GO(0)}, {gx}, {}, false);
        m.add("Mul", {gx, e}, {gx}, args, false);
        m.add("Log", {x}, {before}, {}, false);
        m.add("Mul", {before, y}, {before}, {}, false);
        if (m.op.args.b("broadcast")) {
          m.add("Mul", {before, m.GO(0)}, {before}, {}, false);
          m.add("SumReduceLike", {before, e}, {ge}, args, false);
        } else {
          m.add("Mul", {before, m.GO(0)}, {ge}, {}, false);
        }
      });
  r.op("SumReduceLike", "2 -> 1", [](Call& c) {
     Tensor a = c.X(0), b = c.X(1);
     if (b.numel() == 1) {
       c.set(a.sum().reshape(b.sizes()));
       return;
     }
     int64_t axis = axis_of_second(c, a, b);
     C2_ENFORCE(axis >= 0 && axis + b.dim() <= a.dim(), "axis ", axis, " for inputs of ", a.dim(), " and ", b.dim(),
                " dimensions");
     std::vector<int64_t> dims;
     for (int64_t k = 0; k < a.dim(); k++)
       if (k < axis || k >= axis + b.dim() || b.size(k - axis) == 1) dims.push_back(k);
     c.set((dims.empty() ? a : a.sum(dims)).reshape(b.sizes()));
   }).stop();
  r.op("CmpGradient", "2 -> 1", [](Call& c) { c.set(c.X(0)); });
  // PRelu: a slope for each channel, or one.
  r.op("PRelu", "2 -> 1",
       [](Call& c) {
         Tensor x = c.X(0), w = c.X(1);
         if (w.numel() > 1 && !c.nhwc() && x.dim() > 2) {
           std::vector<int64_t> sizes(size_t(x.dim() - 1), 1);
           sizes[0] = w.numel();
           w = w.reshape(sizes);
         }
         c.set(torch::where(x > 0, x, x * w));
       })
      .script("X, W, order: Any = \"NCHW\"", R"(if order == "NHWC":
    return torch.where(X > 0, X, X * W)
return torch.prelu(X, W))")
      .grad("PReluGradient: O0 GO0 I0 I1 -> GI0 GI1");
  r.op("ElementwiseLinear", "3 -> 1", [](Call& c) {
     Tensor x = c.X(0);
     int64_t axis = canonical_axis(c.i("axis", 1), x.dim());
     C2_ENFORCE(size_from(x, axis) == c.X(1).numel() && c.X(1).numel() == c.X(2).numel(), "a and b should have ",
                size_from(x, axis), " elements");
     c.set((flat(x, axis) * c.X(1).reshape({1, -1}) + c.X(2).reshape({1, -1})).reshape(x.sizes()));
   }).grad("ElementwiseLinearGradient: GO0 I0 I1 -> GI0 GI1 GI2");
  r.op("ElementwiseLinearGradient", "3 -> 3", [](Call& c) {
    Tensor g = c.X(0), x = c.X(1), a = c.X(2);
    int64_t axis = canonical_axis(c.i("axis", 1), x.dim());
    Tensor G = flat(g, axis), X = flat(x, axis);
    c.set(0, (G * a.reshape({1, -1})).reshape(x.sizes()));
    c.set(1, (G * X).sum(0).reshape(a.sizes()));
    c.set(2, G.sum(0).reshape(a.sizes()));
  });

  // ---- several
  r.op("Sum", "1+ -> 1",
       [](Call& c) {
         Tensor y = c.X(0);
         for (size_t k = 1; k < c.inputs(); k++) {
           C2_ENFORCE(c.X(k).sizes() == y.sizes(),
                      "Check failed: output->sizes() == Input(i).sizes(). Description: Input #", k,
                      ", input dimension:", c.X(k).sizes(), " should match output dimension: ", y.sizes());
           y = y + c.X(k);
         }
         c.set(y);
       })
      .script("inputs: Any", R"(y = inputs[0]
for i, x in enumerate(inputs):
    if i > 0:
        y = y + x
return y)")
      .grad([](GradientMaker& m) {
        for (size_t k = 0; k < m.op.inputs.size(); k++) m.set_dense(k, m.GO(0));
      });
  several(r, "SumInt", [](const Tensor& a, const Tensor& b) { return a + b; });
  r.op("SumRelu", "1+ -> 1", [](Call& c) {
    Tensor y = c.X(0);
    for (size_t k = 1; k < c.inputs(); k++) y = y + c.X(k);
    c.set(y.relu());
  });
  r.op("Mean", "1+ -> 1",
       [](Call& c) {
         Tensor y = c.X(0);
         for (size_t k = 1; k < c.inputs(); k++) y = y + c.X(k);
         c.set(y / double(c.inputs()));
       })
      .script("inputs: Any", R"(y = inputs[0]
for i, x in enumerate(inputs):
    if i > 0:
        y = y + x
return y / len(inputs))")
      .grad("MeanGradient: GO0 -> GI*");
  r.op("MeanGradient", "1 -> 1+", [](Call& c) {
    for (size_t k = 0; k < c.outputs(); k++) c.set(k, c.X() / double(c.outputs()));
  });
  for (bool greatest : {true, false}) {
    std::string name = greatest ? "Max" : "Min";
    r.op(name, "1+ -> 1",
         [greatest](Call& c) {
           Tensor y = c.X(0);
           for (size_t k = 1; k < c.inputs(); k++) {
             C2_ENFORCE(c.X(k).sizes() == y.sizes(),
                        "Check failed: output->sizes() == Input(i).sizes(). Description: Input #", k,
                        ", input dimension:", c.X(k).sizes(), " should match output dimension: ", y.sizes());
             y = greatest ? torch::maximum(y, c.X(k)) : torch::minimum(y, c.X(k));
           }
           c.set(y);
         })
        .script("inputs: Any", str("y = inputs[0]\nfor i, x in enumerate(inputs):\n    if i > 0:\n        y = torch.",
                                   greatest ? "maximum" : "minimum", "(y, x)\nreturn y"))
        .grad(name + "Gradient: O0 GO0 I* -> GI*");
    // Each input that has the extreme gets the gradient.
    r.op(name + "Gradient", "3+ -> 1+", [](Call& c) {
      for (size_t k = 0; k < c.outputs(); k++) c.set(k, c.X(1) * (c.X(2 + k) == c.X(0)).to(c.X(1).scalar_type()));
    });
  }
  r.op("WeightedSum", "2+ -> 1",
       [](Call& c) {
         C2_ENFORCE(c.inputs() % 2 == 0, "WeightedSum wants pairs of a tensor and its weight");
         Tensor y;
         for (size_t k = 0; k + 1 < c.inputs(); k += 2) {
           C2_ENFORCE(c.X(k + 1).numel() == 1, "weight should have one element, got ", c.X(k + 1).numel());
           Tensor part = c.X(k) * c.X(k + 1).reshape({});
           y = y.defined() ? y + part : part;
         }
         c.set(y);
       })
      .script("X, w, Y: Any = None, v: Any = None", R"(if Y is None:
    return X * w.reshape([])
return X * w.reshape([]) + Y * v.reshape([]))")
      .grad([](GradientMaker& m) {
        bool weights = m.op.args.b("grad_on_w");
        std::vector<std::string> in{m.GO(0)}, out;
        for (size_t k = 0; k < m.op.inputs.size(); k++) in.push_back(m.I(k));
        for (size_t k = 0; k < m.op.inputs.size(); k += 2) out.push_back(m.GI(k));
        if (weights)
          for (size_t k = 1; k < m.op.inputs.size(); k += 2) out.push_back(m.GI(k));
        m.add("WeightedSumGradient", in, out);
      });
  r.op("WeightedSumGradient", "3+ -> 1+", [](Call& c) {
    Tensor g = c.X(0);
    size_t pairs = (c.inputs() - 1) / 2;
    for (size_t k = 0; k < pairs; k++) {
      c.set(k, g * c.X(2 + 2 * k).reshape({}));
      c.set(pairs + k, (g * c.X(1 + 2 * k)).sum().reshape(c.X(2 + 2 * k).sizes()));
    }
  });
  r.op("Where", "3 -> 1",
       [](Call& c) {
         Tensor w = c.X(0), x = c.X(1);
         if (c.b("broadcast_on_rows")) {
           C2_ENFORCE(w.dim() == 1 && x.dim() >= 1 && w.size(0) == x.size(0),
                      "the condition should have one element a row");
           std::vector<int64_t> sizes(size_t(x.dim()), 1);
           sizes[0] = w.size(0);
           w = w.reshape(sizes);
         }
         c.set(torch::where(w, x, c.X(2)));
       })
      .script("C, X, Y, broadcast_on_rows: Any = 0", R"(if broadcast_on_rows != 0:
    unsupported()
return torch.where(C, X, Y))")
      .stop();
  r.op("Conditional", "3 -> 1", [](Call& c) {
     Tensor w = c.X(0), x = c.X(1);
     std::vector<int64_t> sizes(size_t(x.dim()), 1);
     sizes[0] = w.numel();
     c.set(torch::where(w.reshape(sizes), x, c.X(2)));
   }).quiet();
  // ---- tables
  r.op("BatchBoxCox", "3 -> 1", [](Call& c) {
     Tensor x = c.X(0), l1 = c.X(1).reshape({1, -1}), l2 = c.X(2).reshape({1, -1});
     Tensor v = (x + l2).clamp_min(1e-6);
     c.set(torch::where(l1.abs() <= 1e-6, v.log(), (v.pow(l1) - 1) / torch::where(l1 == 0, torch::ones_like(l1), l1)));
   }).grad("BatchBoxCoxGradient: GO0 I0 I1 I2 -> GI0");
  r.op("PiecewiseLinearTransform", "1-4 -> 1", [](Call& c) {
     std::vector<double> bounds, slopes, intercepts;
     auto list = [&](const char* name, size_t input) {
       if (c.inputs() == 1) return c.op.args.floats(name);
       Tensor t = c.X(input).to(torch::kDouble).contiguous();
       return std::vector<double>(t.data_ptr<double>(), t.data_ptr<double>() + t.numel());
     };
     bounds = list("bounds", 1), slopes = list("slopes", 2), intercepts = list("intercepts", 3);
     Tensor x = c.X(0).contiguous();
     bool binary = c.b("binary");
     int64_t columns = x.dim() > 1 ? x.size(1) : 1, groups = binary ? 1 : columns;
     C2_ENFORCE(!binary || x.dim() == 1 || columns == 1 || columns == 2, "binary wants 1 or 2 columns, got ", columns);
     size_t pieces = slopes.size() / size_t(groups);
     C2_ENFORCE(pieces > 0 && slopes.size() == pieces * size_t(groups) && intercepts.size() == slopes.size() &&
                    bounds.size() == slopes.size() + size_t(groups),
                "bounds, slopes and intercepts don't fit together");
     Tensor y = torch::empty_like(x);
     const float* p = c.data<float>(x);
     float* q = y.data_ptr<float>();
     for (int64_t i = 0; i < x.numel(); i++) {
       int64_t g = binary ? 0 : i % columns;
       if (binary && columns == 2 && i % 2 == 0) continue;
       const double *b = bounds.data() + g * int64_t(pieces + 1), *s = slopes.data() + g * int64_t(pieces),
                    *t = intercepts.data() + g * int64_t(pieces);
       float v = p[i];
       if (v <= b[0]) q[i] = float(s[0] * b[0] + t[0]);
       else if (v >= b[pieces]) q[i] = float(s[pieces - 1] * b[pieces] + t[pieces - 1]);
       else {
         size_t k = size_t(std::lower_bound(b, b + pieces + 1, double(v)) - b) - 1;
         q[i] = float(s[k] * v + t[k]);
       }
       if (binary && columns == 2) q[i - 1] = 1 - q[i];
     }
     c.set(y);
   }).stop();
  r.op("ClipTensorByScaling", "2-3 -> 1", [](Call& c) {
     double threshold = c.f("threshold") * (c.inputs() == 3 ? c.number(2) : 1), v = c.number(1);
     C2_ENFORCE(threshold > 0, "Threshold must be greater than 0");
     c.set(v > threshold ? c.X(0) * (threshold / v) : c.X(0));
   }).stop();
  r.op("MulFeature", "1 -> 1", [](Call& c) { c.set(c.X()); });
  r.op("RowMul", "2 -> 1", [](Call& c) {
     Tensor x = c.X(0), w = c.X(1);
     C2_ENFORCE(w.numel() == x.size(0), "Length of w should be equal to the first dim of mat");
     std::vector<int64_t> sizes(size_t(x.dim()), 1);
     sizes[0] = w.numel();
     c.set(x * w.reshape(sizes));
   }).grad([](GradientMaker& m) {
    m.add("RowMul", {m.GO(0), m.I(1)}, {m.GI(0)});
    m.add("Mul", {m.I(0), m.GO(0)}, {m.GI(1) + "_autogen_bypass_full"});
    m.add("ReduceTailSum", {m.GI(1) + "_autogen_bypass_full"}, {m.GI(1)});
  });
  r.op("ReduceTailSum", "1 -> 1", [](Call& c) { c.set(flat(c.X(), 1).sum(1)); });
}

}  // namespace rushlight::caffe2
