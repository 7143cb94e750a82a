// Integrals by the trapezoidal rule.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/cumsum.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

// Areas under neighbouring points.
Tensor strips(const Tensor& y, int64_t dim) {
  int64_t n = y.size(dim) - 1;
  return narrow(y, dim, 0, n) + narrow(y, dim, 1, n);
}

Tensor steps(const char* op, const Tensor& y, const Tensor& x, int64_t dim) {
  RL_CHECK(RuntimeError, y.dtype() != DType::Bool && x.dtype() != DType::Bool, op,
           ": received a bool input for `x` or `y`, but bool is not supported");
  int64_t n = x.size(x.dim() == 1 ? 0 : dim) - 1;
  if (x.dim() == 1) {
    RL_CHECK(RuntimeError, x.size(0) == y.size(dim), op, ": There must be one `x` value for each sample point");
    Dims shape(size_t(y.dim()), 1);
    shape[size_t(dim)] = n;
    return reshape(narrow(x, 0, 1, n) - narrow(x, 0, 0, n), shape);
  }
  return narrow(x, dim, 1, n) - narrow(x, dim, 0, n);
}

Tensor trapezoid_dx(const Tensor& y, const Scalar& dx, int64_t dim) {
  RL_CHECK(RuntimeError, y.dtype() != DType::Bool,
           "trapezoid: received a bool input for `y`, but bool is not supported");
  int64_t at = wrap_dim(dim, y.dim());
  if (y.size(at) == 0) return sum(y, IntArrayRef(at));
  return sum(strips(y, at), IntArrayRef(at)) * dx / Scalar(2.0);
}

Tensor trapezoid_x(const Tensor& y, const Tensor& x, int64_t dim) {
  int64_t at = wrap_dim(dim, y.dim());
  if (y.size(at) == 0) return sum(y, IntArrayRef(at));
  return sum(steps("trapezoid", y, x, x.dim() == 1 ? at : at - y.dim() + x.dim()) * strips(y, at), IntArrayRef(at)) /
         Scalar(2.0);
}

Tensor cumulative_dx(const Tensor& y, const Scalar& dx, int64_t dim) {
  RL_CHECK(RuntimeError, y.dtype() != DType::Bool,
           "cumulative_trapezoid: received a bool input for `y`, but bool is not supported");
  int64_t at = wrap_dim(dim, y.dim());
  return cumsum(strips(y, at), at) * dx / Scalar(2.0);
}

Tensor cumulative_x(const Tensor& y, const Tensor& x, int64_t dim) {
  int64_t at = wrap_dim(dim, y.dim());
  return cumsum(steps("cumulative_trapezoid", y, x, x.dim() == 1 ? at : at - y.dim() + x.dim()) * strips(y, at), at) /
         Scalar(2.0);
}

}  // namespace

OP(trapezoid, {.schema = "trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
               .doc = "The integral by the trapezoidal rule. >>> torch.trapezoid(torch.tensor([1., 3.]))\ntensor(2.)",
               .kernel = composite<trapezoid_dx>(),
               .forms = kFunction,
               .aliases = {"trapz"}});
OP(trapezoid_x, {.schema = "trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
                 .doc = "The integral over points x.",
                 .kernel = composite<trapezoid_x>(),
                 .forms = kFunction,
                 .aliases = {"trapz"}});
OP(cumulative_trapezoid, {.schema = "cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor",
                          .doc = "Running integrals by the trapezoidal rule. >>> "
                                 "torch.cumulative_trapezoid(torch.tensor([1., 3.]))\ntensor([2.])",
                          .kernel = composite<cumulative_dx>(),
                          .forms = kFunction});
OP(cumulative_trapezoid_x, {.schema = "cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor",
                            .doc = "Running integrals over points x.",
                            .kernel = composite<cumulative_x>(),
                            .forms = kFunction});

}  // namespace rushlight
