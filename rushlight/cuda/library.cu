// Registers CUDA and its kernels.
#include <string>

#include "rushlight/cuda/common.cuh"

// Null, or why CUDA can't be used; the text stays valid for the thread.
extern "C" const char* rushlight_cuda_start() {
  using namespace rushlight;
  static thread_local std::string error;
  try {
    register_device(DeviceType::Cuda, cuda::make_device());
    DeviceKernels kernels(DeviceType::Cuda);
    cuda::add_pointwise(kernels);
    cuda::add_reductions(kernels);
    cuda::add_copies(kernels);
    kernels.publish();
    return nullptr;
  } catch (const std::exception& e) { return (error = e.what()).c_str(); }
}
