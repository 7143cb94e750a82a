// all and any.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

// Elements seen as words (non_sign_bits). All are non-zero where none is zero: `flip` turns what is asked and the answer round, so that the loops are one for both.
template <class Word>
struct Truth {
  using T = Word;
  using Acc = uint8_t;
  using Out = uint8_t;
  Word mask;
  uint8_t flip;
  Acc identity() const { return 0; }
  Acc fold(Acc a, T x) const { return a | (uint8_t((x & mask) != 0) ^ flip); }
  Acc merge(Acc a, Acc b) const { return a | b; }
  Out finish(Acc a, int64_t) const { return a ^ flip; }
};

DType truth_dtype(const Tensor& self) { return self.dtype() == DType::UInt8 ? DType::UInt8 : DType::Bool; }

template <bool every>
void truth(const Tensor& self, DimSet dims, const Tensor& out) {
  if (!is_computed(self.dtype()) && is_differentiable(self.dtype()))  // their zeros have more than one code
    return truth<every>(dense(self, is_complex(self.dtype()) ? DType::Complex64 : DType::Float32), dims, out);
  if (self.dtype() == DType::Complex128) return truth<every>(self != 0.0, dims, out);  // no word is so long
  dispatch_size(self.dtype(), [&]<class W>() {
    if constexpr (std::is_integral_v<W>)
      reduce(FoldReducer<Truth<W>>{{non_sign_bits<W>(self.dtype()), every}}, self, dims, out);
  });
}
TensorSpec truth_all_meta(const Tensor& self) { return {.dtype = truth_dtype(self), .device = self.device()}; }
template <bool every>
void truth_all_cpu(const Tensor& self, const Tensor& out) {
  truth<every>(self, all_dims(self.dim()), out);
}

TensorSpec truth_dim_meta(const Tensor& self, int64_t dim, bool keepdim) {
  return {.sizes = reduced_sizes(self.sizes(), one_dim(dim, self.dim()), keepdim),
          .dtype = truth_dtype(self),
          .device = self.device()};
}
template <bool every>
void truth_dim_cpu(const Tensor& self, int64_t dim, bool, const Tensor& out) {
  truth<every>(self, one_dim(dim, self.dim()), out);
}

// Unlike in sums an empty list is no dimension at all.
DimSet truth_dims(const Tensor& self, const OptionalDims& dim) {
  return dim && dim->empty() ? 0 : dim_set(dim, self.dim());
}
TensorSpec truth_dims_meta(const Tensor& self, const OptionalDims& dim, bool keepdim) {
  return {.sizes = reduced_sizes(self.sizes(), truth_dims(self, dim), keepdim),
          .dtype = truth_dtype(self),
          .device = self.device()};
}
template <bool every>
void truth_dims_cpu(const Tensor& self, const OptionalDims& dim, bool, const Tensor& out) {
  truth<every>(self, truth_dims(self, dim), out);
}

}  // namespace

OP(all, {.schema = "all(Tensor self) -> Tensor",
         .doc = "Whether all elements are non-zero. >>> torch.all(torch.tensor([True, False]))\ntensor(False)",
         .kernel = structured<truth_all_meta, truth_all_cpu<true>>()});
OP(any, {.schema = "any(Tensor self) -> Tensor",
         .doc = "Whether an element is non-zero. >>> torch.any(torch.tensor([True, False]))\ntensor(True)",
         .kernel = structured<truth_all_meta, truth_all_cpu<false>>(),
         .sparse = sparse_form<sparse_any>});
OP(all_dim,
   {.schema = "all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    .doc =
        "Whether all elements along a dimension are non-zero. >>> torch.all(torch.eye(2), 0)\ntensor([False, False])",
    .kernel = structured<truth_dim_meta, truth_dim_cpu<true>>()});
OP(any_dim,
   {.schema = "any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor",
    .doc = "Whether an element along a dimension is non-zero. >>> torch.any(torch.eye(2), 0)\ntensor([True, True])",
    .kernel = structured<truth_dim_meta, truth_dim_cpu<false>>()});
OP(all_dims,
   {.schema = "all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
    .doc = "Whether all elements over some dimensions are non-zero. >>> torch.all(torch.eye(2), (0, 1))\ntensor(False)",
    .kernel = structured<truth_dims_meta, truth_dims_cpu<true>>()});
OP(any_dims,
   {.schema = "any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor",
    .doc = "Whether an element over some dimensions is non-zero. >>> torch.any(torch.eye(2), (0, 1))\ntensor(True)",
    .kernel = structured<truth_dims_meta, truth_dims_cpu<false>>()});

}  // namespace rushlight
