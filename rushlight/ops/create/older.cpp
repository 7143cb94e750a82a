// Functions from before others took their place, which programs still call: range, vander.
#include <cmath>

#include "rushlight/core/notice.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/arange.h"
#include "rushlight/fn/flip.h"
#include "rushlight/fn/linalg_vander.h"
#include "rushlight/fn/new_empty.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"

namespace rushlight {
namespace {

// The numbers from start to end, end included if a step reaches it; floats unless the dtype says otherwise.
Tensor range_op(const Scalar& given_start, const Scalar& given_end, const Scalar& given_step,
                std::optional<DType> dtype, std::optional<Layout> layout, std::optional<Device> device,
                std::optional<bool> pin) {
  show_warning(
      "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
      "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).");
  bool whole = dtype && is_integral(*dtype, false);  // then fractions go before anything is counted
  Scalar start = whole ? given_start.to_int() : given_start, end = whole ? given_end.to_int() : given_end,
         step = whole ? given_step.to_int() : given_step;
  double a = start.to<double>(), b = end.to<double>(), s = step.to<double>();
  RL_CHECK(RuntimeError, s != 0, "range: step must be nonzero");
  RL_CHECK(RuntimeError, std::isfinite(a) && std::isfinite(b), "range: unsupported range: ", a, " -> ", b);
  RL_CHECK(RuntimeError, s > 0 ? b >= a : b <= a, "range: upper bound and lower bound inconsistent with step sign: ", a,
           " -> ", b, " by ", s);
  double count = std::floor((b - a) / s) + 1;
  if (dtype == DType::Int64 && count < 0x1p53) {  // beyond 2^53 half a step is lost
    int64_t past = CheckedInt(step.to_int()) * int64_t(count) + start.to_int();
    return arange(start, Scalar(past), step, dtype, layout, device, pin);
  }
  return arange(start, Scalar(a + s * (count - 0.5)), step, dtype.value_or(default_dtype()), layout, device, pin);
}
Tensor range_by_one(const Scalar& start, const Scalar& end, std::optional<DType> dtype, std::optional<Layout> layout,
                    std::optional<Device> device, std::optional<bool> pin) {
  return range_op(start, end, 1, dtype, layout, device, pin);
}

Tensor vander_op(const Tensor& x, std::optional<int64_t> n, bool increasing) {
  RL_CHECK(RuntimeError, x.dim() == 1, "vander: x must be a one-dimensional tensor, got shape ", x.sizes());
  RL_CHECK(RuntimeError, n.value_or(0) >= 0, "vander: N must be non-negative, got ", n.value_or(0));
  int64_t count = n.value_or(x.size(0));
  if (count == 0) return new_empty(x, {x.size(0), 0});
  Tensor base = x.dtype() == DType::Bool ? to(x, DType::Int64) : x;
  Tensor powers = count == 1 ? ones_like(unsqueeze(base, -1)) : linalg_vander(base, count);
  return increasing ? powers : flip(powers, {-1});
}

}  // namespace

OP(range_step,
   {.schema = "range.step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, "
              "Device? device=None, bool? pin_memory=None) -> Tensor",
    .doc = "The numbers from start to end in steps, end included; arange leaves it out, as Python does. >>> "
           "torch.range(1, 2, 0.5)\ntensor([1.0000, 1.5000, 2.0000])",
    .kernel = composite<range_op>(),
    .forms = kFunction | kOut});
OP(range, {.schema = "range(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? "
                     "device=None, bool? pin_memory=None) -> Tensor",
           .doc = "The numbers from start to end, end included.",
           .kernel = composite<range_by_one>(),
           .forms = kFunction | kOut});
OP(vander, {.schema = "vander(Tensor x, int? N=None, bool increasing=False) -> Tensor",
            .doc = "The powers of each element of a vector, the highest first. >>> torch.vander(torch.tensor([1, 2, "
                   "3]))\ntensor([[1, 1, 1],\n        [4, 2, 1],\n        [9, 3, 1]])",
            .kernel = composite<vander_op>(),
            .forms = kFunction});
}  // namespace rushlight
