// fill, which writes to nothing, and nonzero_static.
#include "rushlight/fn/cat.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/full_like.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/nonzero.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/kernel.h"

namespace rushlight {
namespace {

Tensor fill_number(const Tensor& self, const Scalar& value) { return full_like(self, value); }
Tensor fill_tensor(const Tensor& self, const Tensor& value) {
  RL_CHECK(RuntimeError, value.dim() == 0, "fill only supports 0-dimension value tensor but got tensor with ",
           value.dim(), " dimensions.");
  return clone(expand(to(value, self.dtype()), self.sizes()), MemoryFormat::Contiguous);
}
Tensor nonzero_static(const Tensor& self, int64_t size, int64_t fill_value) {
  RL_CHECK(RuntimeError, size >= 0, "nonzero_static: 'size' must be an non-negative integer");
  Tensor found = nonzero(self);
  int64_t rows = found.size(0);
  if (rows >= size) return clone(narrow(found, 0, 0, size));
  return cat({found, full({size - rows, found.size(1)}, Scalar(fill_value), DType::Int64)}, 0);
}

}  // namespace

OP(fill, {.schema = "fill.Scalar(Tensor self, Scalar value) -> Tensor",
          .doc = "A tensor like self of one value."
                 " >>> torch.fill(torch.zeros(2), 3)\ntensor([3., 3.])",
          .kernel = function<fill_number>(),
          .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{zeros_like(g)}; }},
          .forms = kFunction | kOut});
OP(fill_of_tensor, {.schema = "fill.Tensor(Tensor self, Tensor value) -> Tensor",
                    .doc = "A tensor like self of the value of a 0-d tensor.",
                    .kernel = composite<fill_tensor>(),
                    .forms = kFunction | kOut});
OP(nonzero_static, {.schema = "nonzero_static(Tensor self, *, int size, int fill_value=-1) -> Tensor",
                    .doc = "The first `size` rows of nonzero, and fill_value where there are fewer."
                           " >>> torch.nonzero_static(torch.tensor([0, 5, 0]), size=2)\ntensor([[ 1],\n        [-1]])",
                    .kernel = function<nonzero_static>(),
                    .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
