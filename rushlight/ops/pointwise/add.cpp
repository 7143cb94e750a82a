// add, sub, rsub: self + alpha * other and its mirror images.
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

void check_alpha(const IValue& alpha, DType d) {
  RL_CHECK(RuntimeError, !alpha.is_bool() || d == DType::Bool, "Boolean alpha only supported for Boolean results.");
  RL_CHECK(RuntimeError, alpha.is_bool() || !is_integral(d, true),
           "For integral input tensors, argument alpha must not be a floating point number.");
  RL_CHECK(RuntimeError, !alpha.is_complex() || is_complex(d),
           "For non-complex input tensors, argument alpha must not be a complex number.");
}
// alpha as PyTorch takes it: in the dtype of the result, also where halves are added in float.
template <class T>
T alpha_arg(const IValue* args) {
  if (args[2].is_int() && args[2].to_int() == 1) [[likely]]
    return T(1);
  DType d = functor_dtype();
  if (!args[2].is_int()) check_alpha(args[2], d);
  if constexpr (std::is_same_v<math::number_t<T>, float>)
    if (is_half(d)) return T(number_in(args[2].to_scalar(), d).to_double());
  return scalar_arg<T>(args[2]);
}

template <class T>
struct Add {
  explicit Add(const IValue* args) : alpha(alpha_arg<T>(args)) {}
  T alpha;
  RL_FN T operator()(T a, T b) const { return a + math::times(alpha, b); }
};

// Of numbers minus booleans as well: the dtype of the result does not tell.
void refuse_booleans(const IValue* args) {
  auto boolean = [](const IValue& v) { return v.is_tensor() ? v.tensor().dtype() == DType::Bool : v.is_bool(); };
  bool a = boolean(args[0]), b = boolean(args[1]);
  if (!a && !b) [[likely]]
    return;
  throw RuntimeError(
      a && b
          ? "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
          : "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead.");
}
template <class T>
struct Difference {
  explicit Difference(const IValue* args) : alpha(alpha_arg<T>(args)) { refuse_booleans(args); }
  T alpha;
};
template <class T>
struct Sub : Difference<T> {
  using Difference<T>::Difference, Difference<T>::alpha;
  RL_FN T operator()(T a, T b) const { return a - math::times(alpha, b); }
};
template <class T>
struct Rsub : Difference<T> {
  using Difference<T>::Difference, Difference<T>::alpha;
  RL_FN T operator()(T a, T b) const { return b - math::times(alpha, a); }
};

// alpha * g, without a multiplication in the usual case.
Tensor scaled(const Tensor& g, Scalar alpha) {
  if (alpha.equals(1)) return g;
  return g * (alpha.is_complex() ? Scalar(std::conj(alpha.to<complex128>())) : alpha);
}
Grads add_grad(const Saved& s, const Tensor& g) {
  return {g, s.needs("other") ? scaled(g, s.arg("alpha").to_scalar()) : Tensor()};
}
Grads sub_grad(const Saved& s, const Tensor& g) {
  return {g, s.needs("other") ? scaled(neg(g), s.arg("alpha").to_scalar()) : Tensor()};
}
Grads rsub_grad(const Saved& s, const Tensor& g) {
  return {s.needs("self") ? scaled(neg(g), s.arg("alpha").to_scalar()) : Tensor(), g};
}

}  // namespace

OP(add, {.schema = "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
         .doc = "self + alpha * other. >>> torch.add(torch.tensor([1., 2.]), 10)\ntensor([11., 12.])",
         .kernel = pointwise<Add, AnyAndBytes>(),
         .grad = {{}, add_grad},
         .overloads = {"add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"},
         .numbers = Numbers::Always,
         .sparse = sparse_add});

OP(sub, {.schema = "sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
         .doc = "self - alpha * other. >>> torch.sub(torch.tensor([1., 2.]), 1)\ntensor([0., 1.])",
         .kernel = pointwise<Sub, AnyAndBytes>(),
         .grad = {{}, sub_grad},
         .overloads = {"sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"},
         .aliases = {"subtract"},
         .numbers = Numbers::Always,
         .sparse = sparse_form<sparse_sub>});

OP(rsub, {.schema = "rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor",
          .doc = "other - alpha * self. >>> torch.rsub(torch.tensor([1., 2.]), 1)\ntensor([ 0., -1.])",
          .kernel = pointwise<Rsub, Any>(),
          .grad = {{}, rsub_grad},
          .forms = kFunction,
          .overloads = {"rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor"},
          .numbers = Numbers::Fallback});

}  // namespace rushlight
