#include "rushlight/core/dlpack.h"

#include "rushlight/core/shared_memory.h"
#include "rushlight/core/sizes.h"

namespace rushlight {
namespace {

constexpr std::pair<DType, uint8_t> kEights[] = {{DType::Float8_e4m3fn, 10},
                                                 {DType::Float8_e4m3fnuz, 11},
                                                 {DType::Float8_e5m2, 12},
                                                 {DType::Float8_e5m2fnuz, 13},
                                                 {DType::Float8_e8m0fnu, 14}};

// What a structure of ours belongs to: it, and what it borrows.
template <class Managed>
struct Exported {
  Managed managed{};
  Tensor tensor;
  Dims sizes, strides;
  std::shared_ptr<void> memory;
};

}  // namespace

DLDataType dlpack_type(DType d) {
  uint8_t bits = uint8_t(item_size(d) * 8);
  for (auto [eight, code] : kEights)
    if (d == eight) return {code, bits, 1};
  switch (info_of(d).kind) {
    case DTypeKind::Bool: return {kDLBool, bits, 1};
    case DTypeKind::Unsigned: return {kDLUInt, bits, 1};
    case DTypeKind::Signed: return {kDLInt, bits, 1};
    case DTypeKind::Complex: return {kDLComplex, bits, 1};
    case DTypeKind::Float: return {uint8_t(d == DType::BFloat16 ? kDLBfloat : kDLFloat), bits, 1};
    case DTypeKind::Quantized: break;
  }
  throw DTypeError("QUInt/QInt types are not supported by dlpack");
}

DType dtype_of_dlpack(DLDataType t) {
  for (const DTypeInfo& i : kDTypes) {
    if (i.kind == DTypeKind::Quantized) continue;
    DLDataType wanted = dlpack_type(i.dtype);
    if (wanted.code == t.code && wanted.bits == t.bits && t.lanes == 1) return i.dtype;
  }
  throw RuntimeError(
      str("from_dlpack: no dtype has code ", int(t.code), ", ", int(t.bits), " bits and ", int(t.lanes), " lanes"));
}

template <class Managed>
Managed* to_dlpack(const Tensor& t) {
  RL_CHECK(RuntimeError, t.device().is_cpu(), "to_dlpack: only tensors on the CPU can be shared, this one is on ",
           t.device());
  auto e = std::make_unique<Exported<Managed>>(
      Exported<Managed>{{}, t, t.sizes(), t.strides(), lend_memory(*t.impl()->storage())});
  e->managed.dl_tensor = {
      t.raw(), {kDLCPU, 0}, int32_t(t.dim()), dlpack_type(t.dtype()), e->sizes.data(), e->strides.data(), 0};
  e->managed.manager_ctx = e.get();
  e->managed.deleter = [](Managed* m) { delete static_cast<Exported<Managed>*>(m->manager_ctx); };
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    e->managed.version = {1, 0};
    e->managed.flags = t.storage().read_only() ? DLPACK_FLAG_BITMASK_READ_ONLY : 0;
  }
  return &e.release()->managed;
}

template <class Managed>
Tensor from_dlpack(const Managed& managed, FunctionRef<std::shared_ptr<void>()> take) {
  bool read_only = false;
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    RL_CHECK(RuntimeError, managed.version.major == 1, "from_dlpack: the capsule is of version ", managed.version.major,
             ", understood is version 1");
    read_only = managed.flags & DLPACK_FLAG_BITMASK_READ_ONLY;
  }
  const DLTensor& d = managed.dl_tensor;
  RL_CHECK(RuntimeError, d.device.device_type == kDLCPU, "from_dlpack: memory of device type ",
           int(d.device.device_type), " cannot be shared; only the CPU's");
  DType dtype = dtype_of_dlpack(d.dtype);
  Dims sizes, strides;
  CheckedInt last = 0;
  bool any = true;
  RL_CHECK(RuntimeError, d.ndim >= 0, "from_dlpack: ", d.ndim, " dimensions");
  for (int i = 0; i < d.ndim; i++) {
    RL_CHECK(RuntimeError, d.shape[i] >= 0, "from_dlpack: negative size ", d.shape[i]);
    sizes.push_back(d.shape[i]);
    any &= d.shape[i] > 0;
  }
  if (d.strides)
    for (int i = 0; i < d.ndim; i++) strides.push_back(d.strides[i]);
  else strides = contiguous_strides(sizes);
  for (int i = 0; i < d.ndim; i++) {
    RL_CHECK(RuntimeError, strides[size_t(i)] >= 0, "from_dlpack: negative strides are not supported");
    if (any) last += CheckedInt(sizes[size_t(i)] - 1) * strides[size_t(i)];
  }
  size_t bytes = any ? size_t(int64_t((last + 1) * item_size(dtype))) : 0;
  auto storage = make_ref<Storage>(static_cast<char*>(d.data) + d.byte_offset, bytes, Device(), take(), read_only);
  return Tensor(make_ref<TensorImpl>(std::move(storage), dtype, sizes, strides, 0));
}

template DLManagedTensor* to_dlpack(const Tensor&);
template DLManagedTensorVersioned* to_dlpack(const Tensor&);
template Tensor from_dlpack(const DLManagedTensor&, FunctionRef<std::shared_ptr<void>()>);
template Tensor from_dlpack(const DLManagedTensorVersioned&, FunctionRef<std::shared_ptr<void>()>);

}  // namespace rushlight
