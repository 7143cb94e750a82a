// A weight as length times direction.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_weight_norm.h"
#include "rushlight/fn/abs.h"
#include "rushlight/fn/linalg_vector_norm.h"
#include "rushlight/fn/norm_except_dim.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

Tensor norm_except(const Tensor& v, int64_t pow, int64_t dim) {
  if (dim == -1) return linalg_vector_norm(v, pow);
  RL_CHECK(IndexError, dim >= 0 && dim < v.dim(), "norm_except_dim: expected a dim from -1, for all, to ", v.dim() - 1,
           ", got ", dim);
  std::vector<int64_t> others;
  for (int64_t d = 0; d < v.dim(); d++)
    if (d != dim) others.push_back(d);
  if (others.empty()) return abs(v);  // an empty list would mean all
  return linalg_vector_norm(v, pow, IntArrayRef(others), true);
}

Tensor weight_norm(const Tensor& v, const Tensor& g, int64_t dim) { return v * (g / norm_except_dim(v, 2, dim)); }

}  // namespace

OP(norm_except_dim,
   {.schema = "norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor",
    .doc = "The norms over all dimensions but one, which are kept with size 1; of everything for dim -1.",
    .kernel = composite<norm_except>(),
    .forms = kFunction});
OP(_weight_norm, {.schema = "_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor",
                  .doc = "v with the lengths g along dim.",
                  .kernel = composite<weight_norm>(),
                  .forms = kFunction});

}  // namespace rushlight
