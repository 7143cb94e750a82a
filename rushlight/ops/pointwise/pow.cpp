// pow and float_power.
#include "rushlight/fn/pow.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/where.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T> struct Pow {
  RL_FN T operator()(T x, T y) const { return math::pow(x, y); }
};

// The exponents that people write have exact and fast forms.
template <class T> struct Cube {
  RL_FN T operator()(T x) const { return x * x * x; }
};

template <class T> struct InverseSquare {
  RL_FN T operator()(T x) const {
    T inverse = T(1) / x;  // a square may leave the range where its inverse does not
    return inverse * inverse;
  }
};

Tensor unary(const char* name, const Tensor& x) {
  IValue args[] = {IValue::borrow(x)}, ret;
  call(*OpTable::get().find(name), args, &ret);
  return ret.take_tensor();
}

Tensor pow_scalar(const Tensor& self, const Scalar& exponent) {
  RL_CHECK(RuntimeError, !(is_integral(self.dtype(), true) && exponent.is_integral(true) && exponent.to_int() < 0),
           "Integers to negative integer powers are not allowed.");
  if (is_half(self.dtype()) || (is_integral(self.dtype(), false) && exponent.is_integral(true)))
    if (!exponent.is_complex()) number_in(exponent, self.dtype());
  bool floats = is_floating(self.dtype()) && !exponent.is_complex();
  if (floats) {
    double e = exponent.to_double();
    if (e == 2) return unary("square", self);
    if (e == 0.5) return unary("sqrt", self);
    if (e == -0.5) return unary("rsqrt", self);
    if (e == -1) return unary("reciprocal", self);
    if (e == 3) return unary("_cube", self);
    if (e == -2) return unary("_inverse_square", self);
  }
  return pow(self, wrapped_number(exponent));
}

Tensor pow_base(const Scalar& self, const Tensor& exponent) { return pow(wrapped_number(self), exponent); }

// A number that came as one, in full precision: arithmetic on it alone would be done in the default dtype.
Tensor exact(const Tensor& t) {
  if (!t.impl()->wrapped_number || t.dtype() == DType::Int64) return t;
  return clone(t);
}

Grads pow_grad(const Saved& s, const Tensor& g) {
  Tensor x = exact(s["self"]), y = exact(s["exponent"]);
  Grads out{Tensor(), Tensor()};
  // What does not count is kept finite, or the next gradient would be 0 inf.
  if (s.needs("self")) out[0] = g * conj(y * pow(x, masked_fill(y - 1, y == 0.0, 0.0)));
  if (s.needs("exponent")) {
    // 0 to the power of y >= 0 does not change with y.
    Tensor flat = is_complex(x.dtype()) || is_complex(y.dtype()) ? x == 0.0 : logical_and(x == 0.0, y >= 0.0);
    Tensor base = x.dtype() == DType::Int64 && x.dim() == 0 ? to(x, DType::Float64) : x;
    // A negative number has a logarithm among the complex ones.
    if (is_complex(y.dtype()) && !is_complex(base.dtype())) base = to(base, s["result"].dtype());
    out[1] = g * masked_fill(conj(s["result"] * log(where(flat, 1.0, base))), flat, 0.0);
  }
  return out;
}

Tensor float_power(const Tensor& self, const Tensor& exponent) {
  DType d = is_complex(self.dtype()) || is_complex(exponent.dtype()) ? DType::Complex128 : DType::Float64;
  return pow(to(self, d), to(exponent, d));
}

Tensor float_power_scalar(const Tensor& self, const Scalar& exponent) {
  return pow(to(self, is_complex(self.dtype()) || exponent.is_complex() ? DType::Complex128 : DType::Float64),
             exponent);
}

Tensor float_power_base(const Scalar& self, const Tensor& exponent) {
  bool complex = self.is_complex() || is_complex(exponent.dtype());
  Tensor base = to(wrapped_number(self), complex ? DType::Complex128 : DType::Float64);
  return pow(base, to(exponent, complex ? DType::Complex128 : DType::Float64));
}

}  // namespace

OP(pow, {.schema = "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
         .doc = "self to the power of exponent. >>> torch.pow(torch.tensor([2., 3.]), torch.tensor([3., "
                "2.]))\ntensor([8., 9.])",
         .kernel = pointwise<Pow, Number>(),
         .grad = {{"self", "exponent", "result"}, pow_grad},
         .node = "PowBackward1",
         .numbers = Numbers::Fallback});
OP(pow_scalar, {.schema = "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
                .doc = "self to the power of a number."
                       " >>> torch.pow(torch.tensor([1., 2., 3.]), 2)\ntensor([1., 4., 9.])",
                .kernel = composite<pow_scalar>(),
                .forms = kFunction | kMethod | kInPlace | kOut});
OP(pow_base, {.schema = "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
              .doc = "A number to the power of a tensor."
                     " >>> torch.pow(2, torch.tensor([1., 2., 3.]))\ntensor([2., 4., 8.])",
              .kernel = composite<pow_base>(),
              .forms = kFunction | kOut,
              .numbers = Numbers::Fallback});
OP(cube,
   {.schema = "_cube(Tensor self) -> Tensor",
    .doc = "self³.",
    .kernel = pointwise<Cube, Floating>(),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g * unary("square", s["self"]) * 3.0}; }},
    .forms = kFunction,
    .node = "PowBackward0"});
OP(inverse_square,
   {.schema = "_inverse_square(Tensor self) -> Tensor",
    .doc = "1 / self².",
    .kernel = pointwise<InverseSquare, Floating>(),
    .grad = {{"self"}, [](const Saved& s, const Tensor& g) { return Grads{g / unary("_cube", s["self"]) * -2.0}; }},
    .forms = kFunction,
    .node = "PowBackward0"});
OP(float_power,
   {.schema = "float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
    .doc = "pow in double precision."
           " >>> torch.float_power(torch.tensor([1, 2]), torch.tensor([2, 3]))\ntensor([1., 8.], dtype=torch.float64)",
    .kernel = composite<float_power>(),
    .forms = kFunction | kMethod | kInPlace | kOut,
    .numbers = Numbers::Fallback});
OP(float_power_scalar, {.schema = "float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
                        .doc = "pow in double precision.",
                        .kernel = composite<float_power_scalar>(),
                        .forms = kFunction | kMethod | kInPlace | kOut});
OP(float_power_base, {.schema = "float_power.Scalar(Scalar self, Tensor exponent) -> Tensor",
                      .doc = "pow in double precision.",
                      .kernel = composite<float_power_base>(),
                      .forms = kFunction | kOut,
                      .numbers = Numbers::Fallback});

}  // namespace rushlight
