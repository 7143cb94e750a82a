// Checks of arguments as kernels of extensions write them: at::TensorArg x{input, "input", 1}; at::checkAllSameType("mine", {x, y}).
// Errors name the function, the argument and its number.
#pragma once
#include "rushlight/api/check.h"
#include "rushlight/api/tensor.h"

namespace rushlight::api {

using CheckedFrom = const char*;

// A tensor that an error can name; of number 0 it is no argument.
struct TensorArg {
  const Tensor& tensor;
  const char* name;
  int pos;
  TensorArg(const Tensor& tensor, const char* name, int pos) : tensor(tensor), name(name), pos(pos) {}
  TensorArg(Tensor&&, const char*, int) = delete;
  const Tensor* operator->() const { return &tensor; }
  const Tensor& operator*() const { return tensor; }
};
inline std::ostream& operator<<(std::ostream& out, const TensorArg& t) {
  if (t.pos) return out << "argument #" << t.pos << " '" << t.name << "'";
  return out << "'" << t.name << "'";
}

namespace detail {
template <class... Ts>
void need_argument(CheckedFrom c, bool ok, const Ts&... text) {
  if (!ok) throw RuntimeError(api::str(text..., " (while checking arguments for ", c, ")"));
}
using Pair = void (*)(CheckedFrom, const TensorArg&, const TensorArg&);
inline void check_all(CheckedFrom c, ArrayRef<TensorArg> tensors, Pair check) {
  const TensorArg* first = nullptr;
  for (const TensorArg& t : tensors) {
    if (!t->defined()) continue;
    if (first) check(c, *first, t);
    else first = &t;
  }
}
}  // namespace detail

inline void checkDim(CheckedFrom c, const TensorArg& t, int64_t dim) {
  detail::need_argument(c, t->dim() == dim, "Expected ", dim, "-dimensional tensor, but got ", t->dim(),
                        "-dimensional tensor for ", t);
}
inline void checkDim(CheckedFrom c, const Tensor& t, const char* name, int pos, int64_t dim) {
  checkDim(c, TensorArg(t, name, pos), dim);
}
// From `from` dimensions up to, and without, `to`.
inline void checkDimRange(CheckedFrom c, const TensorArg& t, int64_t from, int64_t to) {
  detail::need_argument(c, t->dim() >= from && t->dim() < to, "Expected ", from, " to ", to - 1,
                        " dimensions, but got ", t->dim(), "-dimensional tensor for ", t);
}
inline void checkSize(CheckedFrom c, const TensorArg& t, IntArrayRef size) {
  checkDim(c, t, int64_t(size.size()));
  detail::need_argument(c, t->sizes() == size, "Expected tensor of size ", size, ", but got tensor of size ",
                        t->sizes(), " for ", t);
}
inline void checkSize(CheckedFrom c, const TensorArg& t, int64_t dim, int64_t size) {
  detail::need_argument(c, t->size(dim) == size, "Expected tensor to have size ", size, " at dimension ", dim,
                        ", but got size ", t->size(dim), " for ", t);
}
inline void checkNumel(CheckedFrom c, const TensorArg& t, int64_t numel) {
  detail::need_argument(c, t->numel() == numel, "Expected tensor for ", t, " to have ", numel,
                        " elements; but it actually has ", t->numel(), " elements");
}
inline void checkContiguous(CheckedFrom c, const TensorArg& t) {
  detail::need_argument(c, t->is_contiguous(), "Expected contiguous tensor, but got non-contiguous tensor for ", t);
}
inline void checkScalarTypes(CheckedFrom c, const TensorArg& t, ArrayRef<DType> dtypes) {
  for (DType d : dtypes)
    if (t->scalar_type() == d) return;
  detail::need_argument(c, false, "Expected tensor for ", t, " to have ",
                        dtypes.size() == 1 ? "scalar type " : "one of the scalar types ", dtypes, "; but got ",
                        t->toString(), " instead");
}
inline void checkScalarType(CheckedFrom c, const TensorArg& t, DType d) { checkScalarTypes(c, t, d); }
inline void checkDefined(CheckedFrom c, const TensorArg& t) {
  detail::need_argument(c, t->defined(), "Expected tensor for ", t, " to be non-null, but it was undefined");
}
inline void checkSameDim(CheckedFrom c, const TensorArg& a, const TensorArg& b) {
  detail::need_argument(c, a->dim() == b->dim(), "Expected tensor for ", a,
                        " to have the same dimension as tensor for ", b, "; but ", a->dim(), " does not equal ",
                        b->dim());
}
inline void checkSameSize(CheckedFrom c, const TensorArg& a, const TensorArg& b) {
  detail::need_argument(c, a->sizes() == b->sizes(), "Expected tensor for ", a, " to have same size as tensor for ", b,
                        "; but ", a->sizes(), " does not equal ", b->sizes());
}
inline void checkSameNumel(CheckedFrom c, const TensorArg& a, const TensorArg& b) {
  detail::need_argument(c, a->numel() == b->numel(), "Expected tensor for ", a,
                        " to have same number of elements as tensor for ", b, "; but ", a->numel(), " does not equal ",
                        b->numel());
}
inline void checkSameType(CheckedFrom c, const TensorArg& a, const TensorArg& b) {
  detail::need_argument(c, a->type() == b->type(), "Expected tensor for ", a, " to have the same type as tensor for ",
                        b, "; but type ", a->toString(), " does not equal ", b->toString());
}
inline void checkSameGPU(CheckedFrom c, const TensorArg& a, const TensorArg& b) {
  detail::need_argument(c, a->is_cuda() && b->is_cuda(), "Tensors for ", a, " and ", b,
                        " are expected to be on a GPU, but they are on ", a->device(), " and ", b->device());
  detail::need_argument(c, a->device() == b->device(), "Expected tensor for ", a,
                        " to have the same device as tensor for ", b, "; but device ", a->device(), " does not equal ",
                        b->device());
}
// Undefined tensors among several are passed over.
inline void checkAllContiguous(CheckedFrom c, ArrayRef<TensorArg> tensors) {
  for (const TensorArg& t : tensors)
    if (t->defined()) checkContiguous(c, t);
}
inline void checkAllDefined(CheckedFrom c, ArrayRef<TensorArg> tensors) {
  for (const TensorArg& t : tensors) checkDefined(c, t);
}
inline void checkAllSameSize(CheckedFrom c, ArrayRef<TensorArg> tensors) {
  detail::check_all(c, tensors, checkSameSize);
}
inline void checkAllSameNumel(CheckedFrom c, ArrayRef<TensorArg> tensors) {
  detail::check_all(c, tensors, checkSameNumel);
}
inline void checkAllSameType(CheckedFrom c, ArrayRef<TensorArg> tensors) {
  detail::check_all(c, tensors, checkSameType);
}
inline void checkAllSameGPU(CheckedFrom c, ArrayRef<TensorArg> tensors) { detail::check_all(c, tensors, checkSameGPU); }
inline void checkBackend(CheckedFrom c, ArrayRef<Tensor> tensors, Backend backend) {
  for (const Tensor& t : tensors)
    detail::need_argument(c, !t.defined() || t.type().backend() == backend, "Expected tensor to have ", backend,
                          " Backend, but got tensor with ", t.defined() ? t.type().backend() : backend, " Backend");
}
inline void checkDeviceType(CheckedFrom c, ArrayRef<Tensor> tensors, DeviceType type) {
  for (const Tensor& t : tensors)
    detail::need_argument(c, !t.defined() || t.device().type() == type, "Expected tensor to have ", type,
                          " DeviceType, but got tensor with ", t.defined() ? t.device().type() : type, " DeviceType");
}

}  // namespace rushlight::api
