// oneDNN 3's C interface, as far as it is used, and what its users here share. Declared here, so that building needs no headers of it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "rushlight/core/allocator.h"
#include "rushlight/core/error.h"
#include "rushlight/kernels/network.h"

namespace rushlight::onednn {

// ---- dnnl.h, dnnl_types.h of version 3 ----

using Handle = void*;
using Status = int;  // 0: success
constexpr int kMaxDims = 12;
using DnnlDims = int64_t[kMaxDims];
struct ExecArg {
  int arg;
  Handle memory;
};

constexpr int kBf16 = 2, kF32 = 3;
constexpr int kTagAny = 1;
constexpr int kForwardTraining = 64, kForwardInference = 96;
constexpr int kConvolutionDirect = 1;
constexpr int kQuerySrc = 129, kQueryDiffSrc = 130, kQueryWeights = 131, kQueryDiffWeights = 132, kQueryDst = 133,
              kQueryDiffDst = 134, kQueryScratchpad = 136;
constexpr int kArgSrc = 1, kArgDst = 17, kArgWeights = 33, kArgBias = 41, kArgScratchpad = 80, kArgDiffSrc = 129,
              kArgDiffDst = 145, kArgDiffWeights = 161, kArgDiffBias = 169;

#define RL_DNNL_FUNCTIONS(X)                                                                                          \
  X(engine_create, Status, (Handle*, int, size_t))                                                                    \
  X(stream_create, Status, (Handle*, Handle, unsigned))                                                               \
  X(primitive_attr_create, Status, (Handle*))                                                                         \
  X(primitive_attr_destroy, Status, (Handle))                                                                         \
  X(primitive_attr_set_post_ops, Status, (Handle, Handle))                                                            \
  X(post_ops_create, Status, (Handle*))                                                                               \
  X(post_ops_destroy, Status, (Handle))                                                                               \
  X(post_ops_append_eltwise, Status, (Handle, int, float, float))                                                     \
  X(post_ops_append_sum, Status, (Handle, float, int32_t, int))                                                       \
  X(primitive_attr_set_scratchpad_mode, Status, (Handle, int))                                                        \
  X(memory_desc_create_with_strides, Status, (Handle*, int, const int64_t*, int, const int64_t*))                     \
  X(memory_desc_create_with_tag, Status, (Handle*, int, const int64_t*, int, int))                                    \
  X(memory_desc_clone, Status, (Handle*, Handle))                                                                     \
  X(memory_desc_destroy, Status, (Handle))                                                                            \
  X(memory_desc_equal, int, (Handle, Handle))                                                                         \
  X(memory_desc_get_size, size_t, (Handle))                                                                           \
  X(memory_create, Status, (Handle*, Handle, Handle, void*))                                                          \
  X(memory_set_data_handle, Status, (Handle, void*))                                                                  \
  X(memory_destroy, Status, (Handle))                                                                                 \
  X(primitive_desc_query_md, Handle, (Handle, int, int))                                                              \
  X(primitive_desc_destroy, Status, (Handle))                                                                         \
  X(primitive_create, Status, (Handle*, Handle))                                                                      \
  X(primitive_execute, Status, (Handle, Handle, int, const ExecArg*))                                                 \
  X(primitive_destroy, Status, (Handle))                                                                              \
  X(reorder_primitive_desc_create, Status, (Handle*, Handle, Handle, Handle, Handle, Handle))                         \
  X(matmul_primitive_desc_create, Status, (Handle*, Handle, Handle, Handle, Handle, Handle, Handle))                  \
  X(convolution_forward_primitive_desc_create, Status,                                                                \
    (Handle*, Handle, int, int, Handle, Handle, Handle, Handle, const int64_t*, const int64_t*, const int64_t*,       \
     const int64_t*, Handle))                                                                                         \
  X(convolution_backward_data_primitive_desc_create, Status,                                                          \
    (Handle*, Handle, int, Handle, Handle, Handle, const int64_t*, const int64_t*, const int64_t*, const int64_t*,    \
     Handle, Handle))                                                                                                 \
  X(convolution_backward_weights_primitive_desc_create, Status,                                                       \
    (Handle*, Handle, int, Handle, Handle, Handle, Handle, const int64_t*, const int64_t*, const int64_t*,            \
     const int64_t*, Handle, Handle))                                                                                 \
  X(eltwise_forward_primitive_desc_create, Status, (Handle*, Handle, int, int, Handle, Handle, float, float, Handle)) \
  X(batch_normalization_forward_primitive_desc_create, Status,                                                        \
    (Handle*, Handle, int, Handle, Handle, float, unsigned, Handle))                                                  \
  X(binary_primitive_desc_create, Status, (Handle*, Handle, int, Handle, Handle, Handle, Handle))                     \
  X(pooling_forward_primitive_desc_create, Status,                                                                    \
    (Handle*, Handle, int, int, Handle, Handle, const int64_t*, const int64_t*, const int64_t*, const int64_t*,       \
     const int64_t*, Handle))                                                                                         \
  X(set_primitive_cache_capacity, Status, (int))                                                                      \
  X(sgemm, Status,                                                                                                    \
    (char, char, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t, float, float*,       \
     int64_t))

struct Dnnl {
#define RL_DECLARE(name, result, params) result(*name) params = nullptr;
  RL_DNNL_FUNCTIONS(RL_DECLARE)
#undef RL_DECLARE
  void (*omp_set_num_threads)(int) = nullptr;
  Handle engine = nullptr, attributes = nullptr;
  bool ready = false;
  Dnnl();
};
const Dnnl& dnnl();
// To be said when a primitive was made, and when one that was there is used: see Note [Code that makes primitives].
void primitive_made();
void primitive_used();
// Of this thread.
Handle stream();
// How many threads a call of so many multiplications may use now; OpenMP's count is per calling thread.
int use_threads(int64_t work = INT64_MAX);

inline void ok(Status status, const char* what) {
  RL_CHECK(RuntimeError, status == 0, "oneDNN: ", what, " failed with status ", status);
}

// Scratch memory for the length of a call. Blocks of the allocator, not a thread's buffers: sizes vary widely between primitives,
// and what no call needs any more goes back.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes), data_(cpu_allocator().allocate(bytes)) {}
  ~Scratch() { cpu_allocator().deallocate(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  void* data() const { return data_; }

 private:
  size_t bytes_;
  void* data_;
};

class Memory {
 public:
  Memory(Handle desc, void* data) { ok(dnnl().memory_create(&handle_, desc, dnnl().engine, data), "memory_create"); }
  ~Memory() { dnnl().memory_destroy(handle_); }
  Memory(const Memory&) = delete;
  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};

inline Handle strided_desc(int dims, const int64_t* sizes, int type, const int64_t* strides) {
  Handle d = nullptr;
  ok(dnnl().memory_desc_create_with_strides(&d, dims, sizes, type, strides), "memory_desc_create");
  return d;
}
inline Handle dense_desc(int dims, const int64_t* sizes, int type) {
  DnnlDims strides;
  int64_t step = 1;
  for (int i = dims - 1; i >= 0; i--) {
    strides[i] = step;
    step *= sizes[i];
  }
  return strided_desc(dims, sizes, type, strides);
}
inline Handle any_desc(int dims, const int64_t* sizes, int type) {
  Handle d = nullptr;
  ok(dnnl().memory_desc_create_with_tag(&d, dims, sizes, type, kTagAny), "memory_desc_create");
  return d;
}

std::unique_ptr<Network> make_network(const NetworkSpec& spec, std::shared_ptr<PackedWeights>& packed);

}  // namespace rushlight::onednn
