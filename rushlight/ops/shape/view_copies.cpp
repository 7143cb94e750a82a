// Views, copied: alias_copy, permute_copy, ... What shares no memory with its argument.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/alias.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/diagonal.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/permute.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/split.h"
#include "rushlight/fn/split_with_sizes.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unbind.h"
#include "rushlight/fn/unfold.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/view.h"
#include "rushlight/fn/view_as_complex.h"
#include "rushlight/fn/view_as_real.h"

namespace rushlight {
namespace {

Tensor dense_copy(const Tensor& view) { return clone(view, MemoryFormat::Contiguous); }
Tensors dense_copies(const Tensors& views) {
  Tensors copies;
  for (const Tensor& v : views) copies.push_back(dense_copy(v));
  return copies;
}

Tensor alias_copy(const Tensor& self) { return dense_copy(self); }
Tensor detach_copy(const Tensor& self) { return dense_copy(detach(self)); }
Tensor as_strided_copy(const Tensor& self, IntArrayRef size, IntArrayRef stride, const std::optional<int64_t>& offset) {
  return dense_copy(as_strided(self, size, stride, offset));
}
Tensor diagonal_copy(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
  return dense_copy(diagonal(self, offset, dim1, dim2));
}
Tensor expand_copy(const Tensor& self, IntArrayRef size, bool implicit) {
  return dense_copy(expand(self, size, implicit));
}
Tensor permute_copy(const Tensor& self, IntArrayRef dims) { return dense_copy(permute(self, dims)); }
Tensor select_copy(const Tensor& self, int64_t dim, int64_t index) { return dense_copy(select(self, dim, index)); }
Tensor slice_copy(const Tensor& self, int64_t dim, const std::optional<int64_t>& start,
                  const std::optional<int64_t>& end, int64_t step) {
  return dense_copy(slice(self, dim, start, end, step));
}
Tensor squeeze_copy(const Tensor& self) { return dense_copy(squeeze(self)); }
Tensor squeeze_copy_dim(const Tensor& self, int64_t dim) { return dense_copy(squeeze(self, dim)); }
Tensor squeeze_copy_dims(const Tensor& self, IntArrayRef dim) { return dense_copy(squeeze(self, dim)); }
Tensor t_copy(const Tensor& self) { return dense_copy(t(self)); }
Tensor transpose_copy(const Tensor& self, int64_t dim0, int64_t dim1) {
  return dense_copy(transpose(self, dim0, dim1));
}
Tensor unfold_copy(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
  return dense_copy(unfold(self, dimension, size, step));
}
Tensor unsqueeze_copy(const Tensor& self, int64_t dim) { return dense_copy(unsqueeze(self, dim)); }
Tensor view_copy(const Tensor& self, IntArrayRef size) { return dense_copy(view(self, size)); }
Tensor view_copy_dtype(const Tensor& self, DType dtype) { return dense_copy(view(self, dtype)); }
Tensor view_as_real_copy(const Tensor& self) { return dense_copy(view_as_real(self)); }
Tensor view_as_complex_copy(const Tensor& self) { return dense_copy(view_as_complex(self)); }
Tensors split_copy(const Tensor& self, int64_t size, int64_t dim) { return dense_copies(split(self, size, dim)); }
Tensors split_with_sizes_copy(const Tensor& self, IntArrayRef sizes, int64_t dim) {
  return dense_copies(split_with_sizes(self, sizes, dim));
}
Tensors unbind_copy(const Tensor& self, int64_t dim) { return dense_copies(unbind(self, dim)); }

Tensor as_strided_scatter(const Tensor& self, const Tensor& src, IntArrayRef size, IntArrayRef stride,
                          const std::optional<int64_t>& offset) {
  Tensor out = clone(self), part = as_strided(out, size, stride, offset);
  RL_CHECK(RuntimeError, part.sizes() == src.sizes(),
           "expected src to have a size equal to the slice of self. src size = ", src.sizes(),
           ", slice size = ", part.sizes());
  copy_(part, src);
  return out;
}

}  // namespace

OP(alias_copy, {.schema = "alias_copy(Tensor self) -> Tensor",
                .doc = "A copy of what alias gives. >>> torch.alias_copy(torch.ones(1))\ntensor([1.])",
                .kernel = composite<alias_copy>(),
                .forms = kFunction | kOut});
OP(detach_copy, {.schema = "detach_copy(Tensor self) -> Tensor",
                 .doc = "A copy of what detach gives. >>> torch.detach_copy(torch.ones(1))\ntensor([1.])",
                 .kernel = composite<detach_copy>(),
                 .forms = kFunction | kOut});
OP(as_strided_copy,
   {.schema = "as_strided_copy(Tensor self, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    .doc = "A copy of what as_strided gives. >>> torch.as_strided_copy(torch.ones(4), (2,), (2,))\ntensor([1., 1.])",
    .kernel = composite<as_strided_copy>(),
    .forms = kFunction | kOut});
OP(diagonal_copy, {.schema = "diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
                   .doc = "A copy of what diagonal gives. >>> torch.diagonal_copy(torch.eye(2))\ntensor([1., 1.])",
                   .kernel = composite<diagonal_copy>(),
                   .forms = kFunction | kOut});
OP(expand_copy, {.schema = "expand_copy(Tensor self, int[] size, *, bool implicit=False) -> Tensor",
                 .doc = "A copy of what expand gives. >>> torch.expand_copy(torch.ones(1), (2,))\ntensor([1., 1.])",
                 .kernel = composite<expand_copy>(),
                 .forms = kFunction | kOut});
OP(permute_copy,
   {.schema = "permute_copy(Tensor self, int[] dims) -> Tensor",
    .doc = "A copy of what permute gives. >>> torch.permute_copy(torch.ones(1, 2), (1, 0)).shape\ntorch.Size([2, 1])",
    .kernel = composite<permute_copy>(),
    .forms = kFunction | kOut});
OP(select_copy, {.schema = "select_copy.int(Tensor self, int dim, int index) -> Tensor",
                 .doc = "A copy of what select gives. >>> torch.select_copy(torch.eye(2), 0, 1)\ntensor([0., 1.])",
                 .kernel = composite<select_copy>(),
                 .forms = kFunction | kOut});
OP(slice_copy,
   {.schema = "slice_copy.Tensor(Tensor self, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor",
    .doc = "A copy of what slice gives. >>> torch.slice_copy(torch.arange(4), 0, 1, 3)\ntensor([1, 2])",
    .kernel = composite<slice_copy>(),
    .forms = kFunction | kOut});
OP(squeeze_copy, {.schema = "squeeze_copy(Tensor self) -> Tensor",
                  .doc = "A copy of what squeeze gives. >>> torch.squeeze_copy(torch.ones(1, 2))\ntensor([1., 1.])",
                  .kernel = composite<squeeze_copy>(),
                  .forms = kFunction | kOut});
OP(squeeze_copy_dim, {.schema = "squeeze_copy.dim(Tensor self, int dim) -> Tensor",
                      .doc = "A copy of what squeeze over one dimension gives.",
                      .kernel = composite<squeeze_copy_dim>(),
                      .forms = kFunction | kOut});
OP(squeeze_copy_dims, {.schema = "squeeze_copy.dims(Tensor self, int[] dim) -> Tensor",
                       .doc = "A copy of what squeeze over several dimensions gives.",
                       .kernel = composite<squeeze_copy_dims>(),
                       .forms = kFunction | kOut});
OP(t_copy, {.schema = "t_copy(Tensor self) -> Tensor",
            .doc = "A copy of what t gives. >>> torch.t_copy(torch.ones(1, 2)).shape\ntorch.Size([2, 1])",
            .kernel = composite<t_copy>(),
            .forms = kFunction | kOut});
OP(transpose_copy,
   {.schema = "transpose_copy.int(Tensor self, int dim0, int dim1) -> Tensor",
    .doc = "A copy of what transpose gives. >>> torch.transpose_copy(torch.ones(1, 2), 0, 1).shape\ntorch.Size([2, 1])",
    .kernel = composite<transpose_copy>(),
    .forms = kFunction | kOut});
OP(unfold_copy, {.schema = "unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor",
                 .doc = "A copy of what unfold gives. >>> torch.unfold_copy(torch.arange(4), 0, 2, 2)\ntensor([[0, "
                        "1],\n        [2, 3]])",
                 .kernel = composite<unfold_copy>(),
                 .forms = kFunction | kOut});
OP(unsqueeze_copy, {.schema = "unsqueeze_copy(Tensor self, int dim) -> Tensor",
                    .doc = "A copy of what unsqueeze gives. >>> torch.unsqueeze_copy(torch.ones(1), 0)\ntensor([[1.]])",
                    .kernel = composite<unsqueeze_copy>(),
                    .forms = kFunction | kOut});
OP(view_copy,
   {.schema = "view_copy(Tensor self, int[] size) -> Tensor",
    .doc = "A copy of what view gives. >>> torch.view_copy(torch.ones(2, 2), (4,))\ntensor([1., 1., 1., 1.])",
    .kernel = composite<view_copy>(),
    .forms = kFunction | kOut});
OP(view_copy_dtype, {.schema = "view_copy.dtype(Tensor self, ScalarType dtype) -> Tensor",
                     .doc = "A copy of what view in another dtype gives.",
                     .kernel = composite<view_copy_dtype>(),
                     .forms = kFunction | kOut});
OP(view_as_real_copy,
   {.schema = "view_as_real_copy(Tensor self) -> Tensor",
    .doc = "A copy of what view_as_real gives. >>> torch.view_as_real_copy(torch.tensor([1j]))\ntensor([[0., 1.]])",
    .kernel = composite<view_as_real_copy>(),
    .forms = kFunction | kOut});
OP(view_as_complex_copy,
   {.schema = "view_as_complex_copy(Tensor self) -> Tensor",
    .doc = "A copy of what view_as_complex gives. >>> torch.view_as_complex_copy(torch.ones(1, 2))\ntensor([1.+1.j])",
    .kernel = composite<view_as_complex_copy>(),
    .forms = kFunction | kOut});
OP(split_copy, {.schema = "split_copy.Tensor(Tensor self, int split_size, int dim=0) -> Tensor[]",
                .doc = "A copy of what split gives. >>> len(torch.split_copy(torch.arange(4), 2))\n2",
                .kernel = composite<split_copy>(),
                .forms = kFunction});
OP(split_with_sizes_copy,
   {.schema = "split_with_sizes_copy(Tensor self, int[] split_sizes, int dim=0) -> Tensor[]",
    .doc = "A copy of what split_with_sizes gives. >>> len(torch.split_with_sizes_copy(torch.arange(4), [1, 3]))\n2",
    .kernel = composite<split_with_sizes_copy>(),
    .forms = kFunction});
OP(unbind_copy, {.schema = "unbind_copy.int(Tensor self, int dim=0) -> Tensor[]",
                 .doc = "A copy of what unbind gives. >>> torch.unbind_copy(torch.arange(2))\n(tensor(0), tensor(1))",
                 .kernel = composite<unbind_copy>(),
                 .forms = kFunction});
OP(as_strided_scatter,
   {.schema =
        "as_strided_scatter(Tensor self, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
    .doc = "self with what as_strided shows of it replaced by src."
           " >>> torch.zeros(4).as_strided_scatter(torch.ones(2), (2,), (2,))\ntensor([1., 0., 1., 0.])",
    .kernel = composite<as_strided_scatter>(),
    .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
