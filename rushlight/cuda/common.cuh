// What the files of the CUDA library share.
#pragma once
#include <cuda_runtime.h>

#include "rushlight/core/device_interface.h"
#include "rushlight/core/error.h"
#include "rushlight/dispatch/device_kernels.h"

namespace rushlight::cuda {

inline void check(cudaError_t e, const char* what) {
  RL_CHECK(RuntimeError, e == cudaSuccess, "CUDA error: ", cudaGetErrorString(e), " (", what, ")");
}

inline cudaStream_t as_stream(int64_t id) { return reinterpret_cast<cudaStream_t>(id); }
// The stream that kernels for a tensor's device give their work to.
inline cudaStream_t stream_of(const Tensor& t) { return as_stream(current_stream(t.device()).id); }

constexpr int kThreads = 256;
// Enough blocks to fill any card; each thread takes several elements where there are more.
inline unsigned blocks_for(int64_t work) {
  int64_t blocks = (work + kThreads - 1) / kThreads;
  return unsigned(blocks < 1 ? 1 : blocks > 65536 ? 65536 : blocks);
}

void add_pointwise(DeviceKernels& kernels);
void add_reductions(DeviceKernels& kernels);
void add_copies(DeviceKernels& kernels);
DeviceInterface* make_device();

}  // namespace rushlight::cuda
