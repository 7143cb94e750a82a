// Products.
#include "rushlight/fn/prod.h"

#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/values.h"
#include "rushlight/fn/any.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/cumprod.h"
#include "rushlight/fn/eq.h"
#include "rushlight/fn/flip.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/math.h"
#include "rushlight/ops/operators.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

using OptionalDType = std::optional<DType>;

template <class Element>
struct Product {
  using T = Element;
  // Of floats in double: the order of the factors does not matter then.
  using Acc = std::conditional_t<std::is_same_v<T, float>, double, T>;
  using Out = T;
  Acc identity() const { return Acc(1); }
  Acc fold(Acc a, T x) const { return a * Acc(x); }
  Acc merge(Acc a, Acc b) const { return a * b; }
  Out finish(Acc a, int64_t) const { return Out(a); }
};

DType prod_dtype(const Tensor& self, const OptionalDType& dtype) {
  return dtype ? *dtype : is_integral(self.dtype(), true) ? DType::Int64 : self.dtype();
}

void prod_into(const Tensor& self, DimSet dims, const Tensor& out) {
  Tensor in = is_integral(self.dtype(), true) && is_integral(out.dtype(), true) ? self : dense(self, out.dtype());
  // Integers are multiplied in 64 bits, half types in float.
  if (is_integral(in.dtype(), true)) in = dense(in, DType::Int64);
  if (is_half(in.dtype())) in = dense(in, DType::Float32);
  dispatch(Types<int64_t, float, double, complex64, complex128>{}, in.dtype(), "prod", [&]<class T>() {
    if (out.dtype() == in.dtype()) return reduce(FoldReducer<Product<T>>{}, in, dims, out);
    Tensor own = empty_tensor(out.sizes(), in.dtype());
    reduce(FoldReducer<Product<T>>{}, in, dims, own);
    copy_elements(out, own);
  });
}

TensorSpec prod_all_meta(const Tensor& self, const OptionalDType& dtype) {
  return {.dtype = prod_dtype(self, dtype), .device = self.device()};
}

void prod_all_cpu(const Tensor& self, const OptionalDType&, const Tensor& out) {
  prod_into(self, all_dims(self.dim()), out);
}

TensorSpec prod_meta(const Tensor& self, int64_t dim, bool keepdim, const OptionalDType& dtype) {
  return {.sizes = reduced_sizes(self.sizes(), one_dim(dim, self.dim()), keepdim),
          .dtype = prod_dtype(self, dtype),
          .device = self.device()};
}

void prod_cpu(const Tensor& self, int64_t dim, bool, const OptionalDType&, const Tensor& out) {
  prod_into(self, one_dim(dim, self.dim()), out);
}

// The product of all other elements along a dimension, which stays right where elements are zero.
Tensor others_product(const Tensor& self, int64_t dim) {
  int64_t n = self.size(dim);
  Tensor one = ones_like(narrow(self, dim, 0, 1));
  Tensor before = cumprod(cat(Tensors{one, narrow(self, dim, 0, n - 1)}, dim), dim);
  Tensor after =
      flip(cumprod(flip(cat(Tensors{narrow(self, dim, 1, n - 1), one}, dim), IntArrayRef(dim)), dim), IntArrayRef(dim));
  return before * after;
}

bool may_have_zero(const Tensor& t) { return !has_values(t) || item(any(eq(t, 0))).to<bool>(); }

Grads prod_all_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], g = to(given, self.dtype());
  if (self.dim() == 0) return {g};
  if (!may_have_zero(self)) return {conj(s["result"] / self) * g};
  Tensor flat = reshape(self, IntArrayRef(int64_t(-1)));
  return {reshape(conj(others_product(flat, 0)), self.sizes()) * g};
}

Grads prod_grad(const Saved& s, const Tensor& given) {
  Tensor self = s["self"], result = s["result"], g = to(given, self.dtype());
  int64_t dim = wrap_dim(s.arg("dim").to_int(), self.dim());
  if (self.dim() == 0) return {g};
  if (!s.arg("keepdim").to_bool()) {
    g = unsqueeze(g, dim);
    result = unsqueeze(result, dim);
  }
  if (self.numel() == 0) return {zeros_like(self)};
  return {g * conj(may_have_zero(self) ? others_product(self, dim) : result / self)};
}

}  // namespace

OP(prod, {.schema = "prod(Tensor self, *, ScalarType? dtype=None) -> Tensor",
          .doc = "The product of all elements. >>> torch.prod(torch.tensor([2, 3]))\ntensor(6)",
          .kernel = structured<prod_all_meta, prod_all_cpu>(),
          .grad = {{"self", "result"}, prod_all_grad},
          .autocast = Autocast::Float32});
OP(prod_dim, {.schema = "prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor",
              .doc = "The product along a dimension. >>> torch.prod(torch.tensor([[2, 3]]), 1)\ntensor([6])",
              .kernel = structured<prod_meta, prod_cpu>(),
              .grad = {{"self", "result"}, prod_grad},
              .autocast = Autocast::Float32});

}  // namespace rushlight
