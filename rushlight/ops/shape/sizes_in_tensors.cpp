// Sizes as the values of a tensor, which is how programs for older exporters keep a size dynamic.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/kernels/copying.h"

namespace rushlight {
namespace {

Tensor shape_as_tensor(const Tensor& self) {
  Tensor out = empty_tensor({self.dim()}, DType::Int64);
  std::copy_n(self.sizes().begin(), self.dim(), out.data<int64_t>());
  return out;
}

Tensor reshape_from_tensor(const Tensor& self, const Tensor& shape) {
  RL_CHECK(RuntimeError, shape.dim() == 1 && shape.dtype() == DType::Int64,
           "_reshape_from_tensor: expected sizes in one dimension of int64, got ", shape.dtype(), " of shape ",
           shape.sizes(), ". Hint: torch._shape_as_tensor(x) gives such");
  RL_CHECK(RuntimeError, shape.device().is_cpu(), "_reshape_from_tensor: the sizes must be on the CPU, got ",
           shape.device(), ". Hint: shape.cpu()");
  check_has_memory(shape, "_reshape_from_tensor");
  Tensor values = dense(shape);
  return reshape(self, IntArrayRef(values.data<int64_t>(), size_t(values.numel())));
}

}  // namespace

OP(_shape_as_tensor, {.schema = "_shape_as_tensor(Tensor self) -> Tensor",
                      .doc = "The sizes as a tensor of int64."
                             " >>> torch._shape_as_tensor(torch.ones(2, 3))\ntensor([2, 3])",
                      .kernel = composite<shape_as_tensor>(),
                      .forms = kFunction});
OP(_reshape_from_tensor,
   {.schema = "_reshape_from_tensor(Tensor(a) self, Tensor shape) -> Tensor(a)",
    .doc = "reshape to the sizes in a tensor of int64."
           " >>> torch._reshape_from_tensor(torch.ones(2, 3), torch.tensor([3, -1])).shape\ntorch.Size([3, 2])",
    .kernel = composite<reshape_from_tensor>(),
    .forms = kFunction});

}  // namespace rushlight
