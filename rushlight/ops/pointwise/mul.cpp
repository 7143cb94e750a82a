// mul, neg, square, reciprocal and their like.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/pow.h"
#include "rushlight/fn/sgn.h"
#include "rushlight/fn/square.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

template <class T> struct Mul {
  static constexpr bool kExactNumbers = true, kStoredToo = true;
  RL_FN T operator()(T a, T b) const { return math::times(a, b); }
};
template <class T> struct Neg {
  RL_FN T operator()(T x) const { return math::negative(x); }
};
template <class T>
  requires math::is_bool<T>
struct Neg<T> {
  explicit Neg(const IValue*) {
    throw RuntimeError(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the "
        "`~` or `logical_not()` operator instead.");
  }
  T operator()(T x) const { return x; }
};
template <class T> struct Square {
  RL_FN T operator()(T x) const { return math::times(x, x); }
};
template <class T> struct Reciprocal {
  RL_FN T operator()(T x) const { return T(1) / x; }
};
template <class T> struct Sqrt {
  RL_FN T operator()(T x) const { return math::sqrt(x); }
};
template <class T> struct Rsqrt {
  RL_FN T operator()(T x) const { return T(1) / math::sqrt(x); }
};
template <class T>
struct Abs {
  RL_FN auto operator()(T x) const {
    // By the hypot that has a vector form, which std::abs has not.
    if constexpr (math::is_complex_type<T>) return math::hypot(math::real(x), math::imag(x));
    else return math::abs(x);
  }
};
using AnyAndHalves = TypeList<float, double, int32_t, int64_t, bool, complex64, complex128, Half, BFloat16>;

Tensor positive_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dtype() != DType::Bool, "The `+` operator, on a bool tensor is not supported.");
  return self;
}

Grads mul_grad(const Saved& s, const Tensor& g) {
  return {s.needs("self") ? g * conj(s["other"]) : Tensor(), s.needs("other") ? g * conj(s["self"]) : Tensor()};
}

const PointwiseInfo& square_info() {
  static const PointwiseInfo& info = *pointwise<Square, Number>().pointwise;
  return info;
}
// pow(self, 2), of which bools give int64.
Kernel square_kernel() {
  Kernel k = pointwise<Square, Number>();
  k.meta = [](const Op& op, IValue* args, TensorSpec* specs) {
    if (args[0].tensor().dtype() != DType::Bool) return pointwise_meta(op, square_info(), args, specs);
    *specs = {.sizes = args[0].tensor().sizes(), .dtype = DType::Int64, .device = args[0].tensor().device()};
    return 1;
  };
  k.cpu = [](const Op& op, IValue* args, const Tensor* outs) {
    if (args[0].tensor().dtype() != DType::Bool) return pointwise_cpu(op, square_info(), args, outs[0]);
    copy_elements(outs[0], args[0].tensor());
  };
  return k;
}

}  // namespace

OP(mul, {.schema = "mul.Tensor(Tensor self, Tensor other) -> Tensor",
         .doc = "self * other. >>> torch.mul(torch.tensor([1., 2.]), 3)\ntensor([3., 6.])",
         .kernel = pointwise<Mul, AnyAndBytes>(),
         .grad = {{"self:other", "other:self"}, mul_grad},
         .overloads = {"mul.Scalar(Tensor self, Scalar other) -> Tensor"},
         .aliases = {"multiply"},
         .numbers = Numbers::Always,
         .sparse = sparse_form<sparse_mul>});

OP(neg, {.schema = "neg(Tensor self) -> Tensor",
         .doc = "-self. >>> torch.neg(torch.tensor([1., -2.]))\ntensor([-1.,  2.])",
         .kernel = pointwise<Neg, AnyAndHalves>(),
         .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{neg(g)}; }},
         .aliases = {"negative", "_neg_view"}});  // negation is never lazy here

OP(square, {.schema = "square(Tensor self) -> Tensor",
            .doc = "self * self. >>> torch.square(torch.tensor([3., -2.]))\ntensor([9., 4.])",
            .kernel = square_kernel(),
            .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(s["self"] * 2.0)}; }},
            .forms = kFunction | kMethod | kInPlace | kOut,
            .node = "PowBackward0"});

OP(reciprocal,
   {.schema = "reciprocal(Tensor self) -> Tensor",
    .doc = "1 / self. >>> torch.reciprocal(torch.tensor([4., -2.]))\ntensor([ 0.2500, -0.5000])",
    .kernel = pointwise<Reciprocal, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{neg(g) * conj(square(s["result"]))}; }}});

OP(sqrt, {.schema = "sqrt(Tensor self) -> Tensor",
          .doc = "Square root. >>> torch.sqrt(torch.tensor([4., 9.]))\ntensor([2., 3.])",
          .kernel = pointwise<Sqrt, FloatingAndComplex>(Promote::ToFloat),
          .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g / (conj(s["result"]) * 2.0)}; }}});

OP(rsqrt,
   {.schema = "rsqrt(Tensor self) -> Tensor",
    .doc = "1 / sqrt(self). >>> torch.rsqrt(torch.tensor([4., 0.25]))\ntensor([0.5000, 2.0000])",
    .kernel = pointwise<Rsqrt, FloatingAndComplex>(Promote::ToFloat),
    .grad = {{"result"}, [](const Saved& s, const Tensor& g) { return Grads{g * conj(pow(s["result"], 3)) * -0.5}; }}});

OP(abs,
   {.schema = "abs(Tensor self) -> Tensor",
    .doc = "Absolute value; of complex numbers, the modulus. >>> torch.abs(torch.tensor([-1., 2.]))\ntensor([1., 2.])",
    .kernel = pointwise<Abs, AnyAndHalves>(),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * sgn(s["self"])}; }},
    .aliases = {"absolute"}});

OP(positive, {.schema = "positive(Tensor(a) self) -> Tensor(a)",
              .doc = "+self. >>> torch.positive(torch.tensor([-1., 2.]))\ntensor([-1.,  2.])",
              .kernel = composite<positive_op>(),
              .forms = kFunction | kMethod});

}  // namespace rushlight
