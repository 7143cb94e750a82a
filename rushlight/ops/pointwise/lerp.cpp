// Three-way arithmetic: lerp, addcmul, addcdiv.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/conj.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// From the nearer end, so that weight 1 gives `end` exactly; where the difference of the ends overflows, from both.
template <class T>
struct Lerp {
  static constexpr bool kExactNumbers = true;
  static constexpr bool kNumbersFit = true;
  RL_FN T operator()(T a, T b, T w) const {
    if constexpr (math::is_complex_type<T>) {
      return math::either(
          math::abs(w) < math::real_t<T>(0.5), [&] { return a + math::times(w, b - a); },
          [&] { return b - math::times(b - a, T(1) - w); });
    } else {
      T apart = b - a, near = math::select(math::abs(w) < T(0.5), a + w * apart, b - apart * (T(1) - w));
      return math::select(math::abs(apart) < T(__builtin_inf()), near, a * (T(1) - w) + b * w);
    }
  }
};

template <class T>
struct AddCMul {
  explicit AddCMul(const IValue* args) : value(scalar_arg<T>(args[3])) {}
  T value;
  RL_FN T operator()(T x, T a, T b) const { return x + math::times(math::times(value, a), b); }
};

template <class T>
struct AddCDiv {
  explicit AddCDiv(const IValue* args) : value(scalar_arg<T>(args[3])) {}
  T value;
  RL_FN T operator()(T x, T a, T b) const { return x + math::times(value, a / b); }
};

}  // namespace

OP(lerp, {.schema = "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
          .doc = "self + weight * (end - self)."
                 " >>> torch.lerp(torch.tensor([0., 10.]), torch.tensor([10., 20.]), torch.tensor([0.5, "
                 "0.1]))\ntensor([ 5., 11.])",
          .kernel = pointwise<Lerp, FloatingAndComplex>(),
          .grad = {{"self", "end", "weight"},
                   [](const Saved& s, const Tensor& g) {
                     Tensor w = conj(s["weight"]), to_end = g * w;
                     return Grads{s.needs("self") ? g - to_end : Tensor(), to_end,
                                  s.needs("weight") ? g * conj(s["end"] - s["self"]) : Tensor()};
                   }},
          .overloads = {"lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor"},
          .numbers = Numbers::Fallback});
OP(addcmul,
   {.schema = "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    .doc = "self + value * tensor1 * tensor2."
           " >>> torch.addcmul(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([3.]), value=10)\ntensor([61.])",
    .kernel = pointwise<AddCMul, Number>(),
    .grad = {{"tensor1", "tensor2"}, [](const Saved& s, const Tensor& g) {
               Tensor scaled = g * s.arg("value").to_scalar();
               return Grads{g, s.needs("tensor1") ? scaled * conj(s["tensor2"]) : Tensor(),
                            s.needs("tensor2") ? scaled * conj(s["tensor1"]) : Tensor()};
             }}});
OP(addcdiv,
   {.schema = "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
    .doc = "self + value * tensor1 / tensor2."
           " >>> torch.addcdiv(torch.tensor([1.]), torch.tensor([6.]), torch.tensor([3.]), value=10)\ntensor([21.])",
    .kernel = pointwise<AddCDiv, FloatingAndComplex>(),
    .grad = {{"tensor1", "tensor2"}, [](const Saved& s, const Tensor& g) {
               Tensor part = g * s.arg("value").to_scalar() / conj(s["tensor2"]);
               return Grads{g, s.needs("tensor1") ? part : Tensor(),
                            s.needs("tensor2") ? neg(part) * conj(s["tensor1"] / s["tensor2"]) : Tensor()};
             }}});

}  // namespace rushlight
