#include "rushlight/kernels/copying.h"

#include "rushlight/kernels/loops.h"

namespace rushlight {

void copy_elements(const Tensor& to, const Tensor& from) {
  LoopPlan plan(to.sizes());
  plan.add(to);
  plan.add(from);
  plan.finish();
  plan.for_each_row(true, [&](char* const* p, const int64_t* strides, int64_t n) {
    convert_row(to.dtype(), p[0], strides[0], from.dtype(), p[1], strides[1], n);
  });
}

Tensor dense(const Tensor& t, DType dtype) {
  if (t.is_contiguous() && t.dtype() == dtype) return t;
  Tensor out = empty_tensor(t.sizes(), dtype);
  copy_elements(out, t);
  return out;
}

Tensor moved_last(const Tensor& t, int64_t from) {
  if (t.dim() < 2) return t;
  Dims sizes = t.sizes(), strides = t.strides();
  int64_t size = sizes[size_t(from)], stride = strides[size_t(from)];
  sizes.erase(size_t(from));
  strides.erase(size_t(from));
  sizes.push_back(size);
  strides.push_back(stride);
  return alias_tensor(t, sizes, strides, t.storage_offset());
}

}  // namespace rushlight
