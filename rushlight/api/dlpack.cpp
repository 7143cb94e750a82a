#include "rushlight/api/dlpack.h"

#include "rushlight/api/creation.h"

namespace rushlight::api {

namespace {
template <class Managed>
Tensor take_from(Managed* src, std::function<void(void*)> deleter) {
  RL_CHECK(ValueError, src, "fromDLPack: expected a structure, got a null pointer");
  return rushlight::from_dlpack(*src, [&]() -> std::shared_ptr<void> {
    if (deleter) return detail::kept(src, std::move(deleter));
    return {src, [](void* p) {
              auto* managed = static_cast<Managed*>(p);
              if (managed->deleter) managed->deleter(managed);
            }};
  });
}
const rushlight::Tensor& defined(const Tensor& t) {
  if (!t.defined()) fail_undefined("toDLPack");
  return t;
}
}  // namespace

DLManagedTensor* toDLPack(const Tensor& src) { return to_dlpack<DLManagedTensor>(defined(src)); }
DLManagedTensorVersioned* toDLPackVersioned(const Tensor& src) {
  return to_dlpack<DLManagedTensorVersioned>(defined(src));
}
Tensor fromDLPack(DLManagedTensor* src, std::function<void(void*)> deleter) {
  return take_from(src, std::move(deleter));
}
Tensor fromDLPackVersioned(DLManagedTensorVersioned* src, std::function<void(void*)> deleter) {
  return take_from(src, std::move(deleter));
}
ScalarType toScalarType(const DLDataType& dtype) { return dtype_of_dlpack(dtype); }
DLDataType getDLDataType(const Tensor& t) { return dlpack_type(t.scalar_type()); }
DLDevice getDLContext(const Tensor& t, const int64_t& device_id) {
  RL_CHECK(RuntimeError, t.device().is_cpu(), "getDLContext: only memory of the CPU can be shared, got ",
           t.device().str());
  return {kDLCPU, int32_t(device_id)};
}

}  // namespace rushlight::api
