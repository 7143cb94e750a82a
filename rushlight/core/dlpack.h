// DLPack: memory shared with other frameworks. The structures are those of the protocol's ABI, versions 0 and 1, under the names and
// the guard of its own header, so that a program may include both.
#pragma once
#include <cstdint>
#include <memory>

#include "rushlight/core/function_ref.h"
#include "rushlight/core/tensor.h"

#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_
#define DLPACK_MAJOR_VERSION 1
#define DLPACK_MINOR_VERSION 0
#define DLPACK_FLAG_BITMASK_READ_ONLY 1UL
#define DLPACK_FLAG_BITMASK_IS_COPIED 2UL
typedef enum : int32_t {
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3,
  kDLOpenCL = 4,
  kDLVulkan = 7,
  kDLMetal = 8,
  kDLVPI = 9,
  kDLROCM = 10,
  kDLROCMHost = 11,
  kDLExtDev = 12,
  kDLCUDAManaged = 13,
  kDLOneAPI = 14
} DLDeviceType;
typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLOpaqueHandle = 3,
  kDLBfloat = 4,
  kDLComplex = 5,
  kDLBool = 6
} DLDataTypeCode;
typedef struct {
  DLDeviceType device_type;
  int32_t device_id;
} DLDevice;
typedef struct {
  uint8_t code, bits;
  uint16_t lanes;
} DLDataType;
typedef struct {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(struct DLManagedTensor* self);
} DLManagedTensor;
typedef struct { uint32_t major, minor; } DLPackVersion;
typedef struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(struct DLManagedTensorVersioned* self);
  uint64_t flags;
  DLTensor dl_tensor;
} DLManagedTensorVersioned;
#endif

namespace rushlight {

// Throw DTypeError for quantised ones, RuntimeError for what no dtype here is.
DLDataType dlpack_type(DType d);
DType dtype_of_dlpack(DLDataType t);

// A structure that keeps the tensor's memory until its deleter is called. Throws RuntimeError for a tensor that is not on the CPU.
template <class Managed>
Managed* to_dlpack(const Tensor& t);
// A tensor over its memory. `take` is called once all is checked, and gives what keeps the memory. Throws RuntimeError for memory elsewhere
// and for another version.
template <class Managed>
Tensor from_dlpack(const Managed& managed, FunctionRef<std::shared_ptr<void>()> take);

}  // namespace rushlight
