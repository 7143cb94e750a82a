// A copy of a tensor with a part replaced: select_scatter, slice_scatter, diagonal_scatter.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/slice.h"

namespace rushlight {
namespace {

Tensor put(const Tensor& whole, const Tensor& part, const Tensor& src, const char* op) {
  RL_CHECK(RuntimeError, part.sizes() == src.sizes(), op,
           ": expected src to have a size equal to the slice of self. src size = ", src.sizes(),
           ", slice size = ", part.sizes());
  copy_(part, src);
  return whole;
}
Tensor select_scatter(const Tensor& self, const Tensor& src, int64_t dim, int64_t index) {
  Tensor out = clone(self);
  return put(out, select(out, dim, index), src, "select_scatter");
}
Tensor slice_scatter(const Tensor& self, const Tensor& src, int64_t dim, const std::optional<int64_t>& start,
                     const std::optional<int64_t>& end, int64_t step) {
  Tensor out = clone(self);
  return put(out, slice(out, dim, start, end, step), src, "slice_scatter");
}
Tensor diagonal_scatter(const Tensor& self, const Tensor& src, int64_t offset, int64_t dim1, int64_t dim2) {
  Tensor out = clone(self);
  return put(out, diagonal(out, offset, dim1, dim2), src, "diagonal_scatter");
}

}  // namespace

OP(select_scatter,
   {.schema = "select_scatter(Tensor self, Tensor src, int dim, int index) -> Tensor",
    .doc = "self with one index of a dimension replaced by src."
           " >>> torch.zeros(2, 2).select_scatter(torch.tensor([1., 2.]), 0, 1)\ntensor([[0., 0.],\n        [1., 2.]])",
    .kernel = composite<select_scatter>(),
    .forms = kFunction | kMethod | kOut});
OP(slice_scatter,
   {.schema = "slice_scatter(Tensor self, Tensor src, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    .doc = "self with a slice replaced by src."
           " >>> torch.zeros(4).slice_scatter(torch.tensor([1., 2.]), start=1, end=3)\ntensor([0., 1., 2., 0.])",
    .kernel = composite<slice_scatter>(),
    .forms = kFunction | kMethod | kOut});
OP(diagonal_scatter,
   {.schema = "diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    .doc = "self with a diagonal replaced by src."
           " >>> torch.zeros(2, 2).diagonal_scatter(torch.tensor([1., 2.]))\ntensor([[1., 0.],\n        [0., 2.]])",
    .kernel = composite<diagonal_scatter>(),
    .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
