// logsumexp, and its slope: softmax.
#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/amax.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/exp.h"
#include "rushlight/fn/isinf.h"
#include "rushlight/fn/log.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

TensorSpec logsumexp_meta(const Tensor& self, IntArrayRef dim, bool keepdim) {
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = is_integral(self.dtype(), true) ? default_dtype() : self.dtype(),
          .device = self.device()};
}

Tensor logsumexp_of(const Tensor& given, IntArrayRef dim, bool keepdim) {
  Tensor self = is_integral(given.dtype(), true) ? to(given, default_dtype()) : given;
  if (self.numel() == 0) return log(sum(exp(self), dim, keepdim));
  Tensor top = amax(is_complex(self.dtype()) ? real(self) : self, dim, true);
  top = masked_fill(top, isinf(top), Scalar(0));
  Tensor logs = log(sum(exp(self - top), dim, keepdim));
  if (keepdim) return logs + top;
  return logs + reshape(top, logs.sizes());
}

void logsumexp_cpu(const Tensor& self, IntArrayRef dim, bool keepdim, const Tensor& out) {
  copy_elements(out, logsumexp_of(self, dim, keepdim));
}

Grads logsumexp_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], result = s["result"], g = given;
  if (!s.arg("keepdim").to_bool()) {
    DimSet dims = dim_set_of(s.arg("dim"), self.dim());
    g = restore_dims(g, dims, self.dim());
    result = restore_dims(result, dims, self.dim());
  }
  return {g * conj(exp(self - masked_fill(result, eq(result, -INFINITY), Scalar(0))))};
}

}  // namespace

OP(logsumexp, {.schema = "logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor",
               .doc = "log(sum(exp(self))) without overflow. >>> torch.logsumexp(torch.zeros(1), 0)\ntensor(0.)",
               .kernel = structured<logsumexp_meta, logsumexp_cpu>(),
               .grad = {{"self", "result"}, logsumexp_grad},
               .forms = kFunction | kMethod | kOut,
               .aliases = {"special_logsumexp"}});

}  // namespace rushlight
