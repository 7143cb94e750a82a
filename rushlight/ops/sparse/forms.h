// How operators that have a record elsewhere run on sparse tensors: `.sparse = sparse_form<sparse_mm>` (Note [Sparse forms] in
// dispatch/sparse.cpp). Their arguments are the record's.
#pragma once
#include "rushlight/dispatch/kernel.h"

namespace rushlight {

// In place and with out= the result goes into the tensor that was given.
void run_sparse_form(const Op& op, IValue* args, IValue* rets, void (*form)(IValue* args, IValue* rets));
template <auto F>
void sparse_form(const Op& op, IValue* args, IValue* rets) {
  run_sparse_form(op, args, rets, [](IValue* a, IValue* r) { box_into(r, Signature<decltype(F)>::apply(F, a)); });
}

// forms.cpp: making, copying
Tensor sparse_clone(const Tensor& self, const std::optional<MemoryFormat>&);
Tensor sparse_to_copy(const Tensor& self, const std::optional<DType>&, const std::optional<AnyLayout>&,
                      const std::optional<Device>&, const std::optional<bool>&, bool,
                      const std::optional<MemoryFormat>&);
void sparse_copy_(const Op& op, IValue* args, IValue* rets);
void sparse_zero_(const Op& op, IValue* args, IValue* rets);
Scalar sparse_item(const Tensor& self);
// Of empty and zeros, *_like and new_*: (size or self, ..., dtype, layout, device, pin_memory).
void sparse_factory(const Op& op, IValue* args, IValue* rets);
// Of ones_like, full_like, rand_like and randn_like: a compressed tensor with the same indices and other values.
void sparse_values_like(const Op& op, IValue* args, IValue* rets);
// pointwise.cpp
void sparse_add(const Op& op, IValue* args, IValue* rets);
Tensor sparse_sub(const Tensor& self, const Tensor& other, const Scalar& alpha);
Tensor sparse_mul(const Tensor& self, const Tensor& other);
Tensor sparse_div(const Tensor& self, const Tensor& other);
Tensor sparse_div_mode(const Tensor& self, const Tensor& other, const std::optional<std::string_view>& mode);
// products.cpp
Tensor sparse_mm(const Tensor& self, const Tensor& mat2);
Tensor sparse_mv(const Tensor& self, const Tensor& vec);
Tensor sparse_bmm(const Tensor& self, const Tensor& mat2);
Tensor sparse_matmul(const Tensor& self, const Tensor& other);
Tensor sparse_addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
                    const Scalar& alpha);
Tensor sparse_addmv(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta, const Scalar& alpha);
// reductions.cpp
Tensor sparse_sum(const Tensor& self, const std::optional<DType>& dtype);
Tensor sparse_sum_dims(const Tensor& self, const std::optional<IntArrayRef>& dim, bool keepdim,
                       const std::optional<DType>& dtype);
Tensor sparse_any(const Tensor& self);
Tensor sparse_norm(const Tensor& self, const Scalar& ord, const std::optional<IntArrayRef>& dim, bool keepdim,
                   const std::optional<DType>& dtype);
// shapes.cpp
Tensor sparse_permute(const Tensor& self, IntArrayRef dims);
Tensor sparse_transpose(const Tensor& self, int64_t dim0, int64_t dim1);
Tensor sparse_t(const Tensor& self);
void sparse_transpose_(const Op& op, IValue* args, IValue* rets);
void sparse_t_(const Op& op, IValue* args, IValue* rets);
Tensor sparse_unsqueeze(const Tensor& self, int64_t dim);
Tensor sparse_expand(const Tensor& self, IntArrayRef size, bool);
Tensor sparse_select(const Tensor& self, int64_t dim, int64_t index);
Tensor sparse_index_select(const Tensor& self, int64_t dim, const Tensor& index);
Tensor sparse_cat(TensorList tensors, int64_t dim);

}  // namespace rushlight
