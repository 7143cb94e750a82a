// ATen/DLConvertor.h: tensors as DLPack's structures, and back.
#pragma once
#include <functional>

#include "rushlight/api/tensor.h"
#include "rushlight/core/dlpack.h"

namespace rushlight::api {

// Who gets the structure calls its deleter; the memory lives until then.
DLManagedTensor* toDLPack(const Tensor& src);
DLManagedTensorVersioned* toDLPackVersioned(const Tensor& src);
// Over the structure's memory. When the last such tensor is gone its deleter is called, or with `deleter` that one, with `src`.
Tensor fromDLPack(DLManagedTensor* src, std::function<void(void*)> deleter = {});
Tensor fromDLPackVersioned(DLManagedTensorVersioned* src, std::function<void(void*)> deleter = {});
ScalarType toScalarType(const DLDataType& dtype);
DLDataType getDLDataType(const Tensor& t);
DLDevice getDLContext(const Tensor& t, const int64_t& device_id);

}  // namespace rushlight::api
