// Whether tensors are equal, exactly or nearly; finite; real.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/all.h"
#include "rushlight/fn/imag.h"
#include "rushlight/fn/isclose.h"
#include "rushlight/fn/isfinite.h"
#include "rushlight/fn/isnan.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/logical_and.h"
#include "rushlight/fn/logical_or.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/to.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

Tensor isfinite_op(const Tensor& self) {
  if (!is_differentiable(self.dtype())) return ones_like(self, DType::Bool);
  if (is_complex(self.dtype())) return logical_and(isfinite(real(self)), isfinite(imag(self)));
  return abs(self) < Scalar(__builtin_inf());  // false for nan
}

Tensor isreal(const Tensor& self) {
  return is_complex(self.dtype()) ? imag(self) == Scalar(0) : ones_like(self, DType::Bool);
}

Tensor isclose_op(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
  RL_CHECK(RuntimeError, self.dtype() == other.dtype(), self.dtype(), " did not match ", other.dtype());
  RL_CHECK(RuntimeError, rtol >= 0, "rtol must be greater than or equal to zero, but got ", rtol);
  RL_CHECK(RuntimeError, atol >= 0, "atol must be greater than or equal to zero, but got ", atol);
  if (self.dtype() == DType::Bool)
    return isclose(to(self, DType::Float32), to(other, DType::Float32), rtol, atol, equal_nan);
  Tensor close = self == other;
  if (equal_nan && is_differentiable(self.dtype())) close = logical_or(close, logical_and(isnan(self), isnan(other)));
  if (rtol == 0 && atol == 0) return close;
  Tensor allowed = abs(other * Scalar(rtol)) + Scalar(atol);
  Tensor apart = abs(self - other);
  return logical_or(close, logical_and(isfinite(apart), apart <= allowed));
}

bool allclose(const Tensor& self, const Tensor& other, double rtol, double atol, bool equal_nan) {
  return item(all(isclose(self, other, rtol, atol, equal_nan))).to<bool>();
}

bool equal(const Tensor& self, const Tensor& other) {
  RL_CHECK(RuntimeError, self.device() == other.device(),
           "Cannot compare two tensors on different devices. Got: ", self.device(), " and ", other.device());
  return self.sizes() == other.sizes() && item(all(self == other)).to<bool>();
}

}  // namespace

OP(isfinite,
   {.schema = "isfinite(Tensor self) -> Tensor",
    .doc = "Neither infinite nor nan. >>> torch.isfinite(torch.tensor([1., float('inf')]))\ntensor([ True, False])",
    .kernel = composite<isfinite_op>()});
OP(isreal, {.schema = "isreal(Tensor self) -> Tensor",
            .doc = "Whether the imaginary part is zero."
                   " >>> torch.isreal(torch.tensor([1 + 0j, 1j]))\ntensor([ True, False])",
            .kernel = composite<isreal>()});
OP(isclose,
   {.schema = "isclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor",
    .doc = "abs(self - other) <= atol + rtol * abs(other)."
           " >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1.000001, 2.1]))\ntensor([ True, False])",
    .kernel = composite<isclose_op>()});
OP(allclose,
   {.schema = "allclose(Tensor self, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool",
    .doc = "Whether isclose holds for all elements."
           " >>> torch.allclose(torch.tensor([1.]), torch.tensor([1.000001]))\nTrue",
    .kernel = composite<allclose>()});
OP(equal, {.schema = "equal(Tensor self, Tensor other) -> bool",
           .doc = "Whether sizes and all elements are equal."
                  " >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))\nTrue",
           .kernel = composite<equal>()});

}  // namespace rushlight
