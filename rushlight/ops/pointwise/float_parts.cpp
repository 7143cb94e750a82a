// Numbers taken apart and put together: heaviside, gcd, lcm, ldexp, frexp, nextafter, polar.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/_ldexp.h"
#include "rushlight/fn/complex.h"
#include "rushlight/fn/cos.h"
#include "rushlight/fn/exp2.h"
#include "rushlight/fn/ldexp.h"
#include "rushlight/fn/sin.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T>
struct Heaviside {
  RL_FN T operator()(T x, T at_zero) const {
    return math::select(x == T(0), at_zero, math::select(x > T(0), T(1), T(0)));
  }
};
template <class T> struct Gcd {
  RL_FN T operator()(T a, T b) const { return math::gcd(a, b); }
};
template <class T> struct Lcm {
  RL_FN T operator()(T a, T b) const { return math::lcm(a, b); }
};
template <class T> struct NextAfter {
  RL_FN T operator()(T a, T b) const { return math::nextafter(a, b); }
};
using Whole = TypeList<int32_t, int64_t>;

// In three steps: 2 to the power of n alone may be out of range where the result is not.
template <class T>
struct Ldexp {
  RL_FN T operator()(T x, T n) const {
    T power = math::limit(n, T(-3000), T(3000)), third = math::trunc(power / T(3));
    T step = math::exp2(third);
    return x * step * step * math::exp2(power - third - third);
  }
};
Tensor ldexp_op(const Tensor& self, const Tensor& other) {
  bool whole = is_integral(other.dtype(), true);
  if (is_complex(self.dtype()) || is_complex(other.dtype()))
    return self * exp2(whole ? to(other, to_real(self.dtype())) : other);
  if (whole && is_half(self.dtype()))  // not every exponent is a half
    return to(_ldexp(to(self, DType::Float32), other), self.dtype());
  return _ldexp(self, whole && !is_integral(self.dtype(), true) ? to(other, self.dtype()) : other);
}

std::array<TensorSpec, 2> frexp_meta(const Tensor& self) {
  RL_CHECK(RuntimeError, !is_integral(self.dtype(), true) && !is_complex(self.dtype()),
           "torch.frexp() only supports floating-point dtypes");
  return {TensorSpec{.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()},
          TensorSpec{.sizes = self.sizes(), .dtype = DType::Int32, .device = self.device()}};
}
void frexp_cpu(const Tensor& self, const Tensor& mantissa, const Tensor& exponent) {
  Tensor x = dense(self), m = empty_tensor(self.sizes(), self.dtype()), e = empty_tensor(self.sizes(), DType::Int32);
  dispatch(FloatTypes{}, x.dtype(), "frexp", [&]<class T>() {
    for (int64_t i = 0; i < x.numel(); i++) {
      int exponent_of = 0;
      m.data<T>()[i] = T(std::frexp(compute_t<T>(x.data<T>()[i]), &exponent_of));
      e.data<int32_t>()[i] = exponent_of;
    }
  });
  copy_elements(mantissa, m);
  copy_elements(exponent, e);
}

Tensor polar_op(const Tensor& size, const Tensor& angle) {
  RL_CHECK(RuntimeError, is_floating(size.dtype()) && is_floating(angle.dtype()),
           "Expected both inputs to be Half, Float or Double tensors but got ", scalar_type_name(size.dtype()), " and ",
           scalar_type_name(angle.dtype()), ". Hint: polar: convert them with .float()");
  RL_CHECK(RuntimeError, size.dtype() == angle.dtype(), "Expected object of scalar type ",
           scalar_type_name(size.dtype()), " but got scalar type ", scalar_type_name(angle.dtype()),
           " for second argument");
  return complex(size * cos(angle), size * sin(angle));
}

Kernel heaviside_kernel() {
  Kernel k = pointwise<Heaviside, Real>();
  k.meta = [](const Op& op, IValue* args, TensorSpec* specs) {
    DType self = args[0].tensor().dtype(), values = args[1].tensor().dtype();
    RL_CHECK(RuntimeError, self == values, "heaviside is not yet implemented for tensors with different dtypes, got ",
             self, " and ", values, ". Hint: convert one with .to(other.dtype)");
    return pointwise_meta(op, *detail::info_slot<Heaviside, Real>(), args, specs);
  };
  return k;
}

}  // namespace

OP(heaviside, {.schema = "heaviside(Tensor self, Tensor values) -> Tensor",
               .doc = "0 below 0, 1 above, values at 0. >>> torch.heaviside(torch.tensor([-2., 0.]), "
                      "torch.tensor(0.5))\ntensor([0.0000, 0.5000])",
               .kernel = heaviside_kernel(),
               .forms = kFunction | kMethod | kInPlace | kOut});
OP(gcd, {.schema = "gcd(Tensor self, Tensor other) -> Tensor",
         .doc = "The greatest common divisor. >>> torch.gcd(torch.tensor(12), torch.tensor(18))\ntensor(6)",
         .kernel = pointwise<Gcd, Whole>()});
OP(lcm, {.schema = "lcm(Tensor self, Tensor other) -> Tensor",
         .doc = "The least common multiple."
                " >>> torch.lcm(torch.tensor(4), torch.tensor(6))\ntensor(12)",
         .kernel = pointwise<Lcm, Whole>()});
OP(nextafter, {.schema = "nextafter(Tensor self, Tensor other) -> Tensor",
               .doc = "The next floating-point number after self towards other."
                      " >>> torch.nextafter(torch.tensor(1.), torch.tensor(2.)) > 1\ntensor(True)",
               .kernel = pointwise<NextAfter, Floating>(),
               .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) {
                          Tensor apart = to(s["self"] != s["other"], g.dtype());
                          return Grads{g * apart, g * 0.0};
                        }}});
OP(_ldexp, {.schema = "_ldexp(Tensor self, Tensor other) -> Tensor",
            .doc = "self times 2 ** other.",
            .kernel = pointwise<Ldexp, Floating>(Promote::ToFloat),
            .grad = {{"other", "result:other"},
                     [](const Saved& s, const Tensor& g) {
                       return Grads{s.needs("self") ? _ldexp(g, s["other"]) : Tensor(),
                                    s.needs("other") ? g * s["result"] * 0.693147180559945309417 : Tensor()};
                     }},
            .forms = kFunction});
OP(ldexp, {.schema = "ldexp.Tensor(Tensor self, Tensor other) -> Tensor",
           .doc = "self times 2 ** other."
                  " >>> torch.ldexp(torch.tensor([1., 3.]), torch.tensor([2, -1]))\ntensor([4.0000, 1.5000])",
           .kernel = composite<ldexp_op>(),
           .forms = kFunction | kMethod | kInPlace | kOut});
OP(frexp, {.schema = "frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)",
           .doc = "A mantissa of at least 1/2 and less than 1, and the power of 2 that self is of it."
                  " >>> torch.frexp(torch.tensor([6., 0.5])).exponent\ntensor([3, 0], dtype=torch.int32)",
           .kernel = structured<frexp_meta, frexp_cpu>(),
           .grad = {{"exponent"}, [](const Saved& s, const Tensors& g) {
                      return Grads{g[0].defined() ? g[0] / exp2(to(s["exponent"], g[0].dtype())) : Tensor()};
                    }}});
OP(polar, {.schema = "polar(Tensor abs, Tensor angle) -> Tensor",
           .doc = "Complex numbers of these sizes and angles."
                  " >>> torch.polar(torch.tensor([1., 2.]), torch.zeros(2))\ntensor([1.+0.j, 2.+0.j])",
           .kernel = composite<polar_op>(),
           .forms = kFunction | kOut,
           .autocast = Autocast::Float32});

}  // namespace rushlight
