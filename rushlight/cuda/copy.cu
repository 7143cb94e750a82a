// Copies within a device: between any strides and dtypes. Plain ones are cudaMemcpyAsync (device.cu).
#include "rushlight/cuda/elements.cuh"

namespace rushlight::cuda {
namespace {

// Integers go through 64 bits, all else through double: what each dtype holds survives either.
template <class T>
struct Convert {
  DType to, from;
  __device__ void operator()(char* const* at) const { store<T>(at[0], to, load<T>(at[1], from)); }
};
// The same dtype: whole words, which also takes complex numbers.
template <class Word>
struct Move {
  __device__ void operator()(char* const* at) const {
    *reinterpret_cast<Word*>(at[0]) = *reinterpret_cast<const Word*>(at[1]);
  }
};

bool copy(const Tensor& to, const Tensor& from, bool, const Tensor&) {
  if (to.device() != from.device()) return false;
  bool same = to.dtype() == from.dtype();
  if (!same && (!has_elements(to.dtype()) || !has_elements(from.dtype()))) return false;
  LoopPlan plan(to.sizes());
  plan.add(to);
  plan.add(from);
  plan.finish();
  Geometry<2> geometry;
  if (!geometry.set(plan)) return false;
  int64_t n = to.numel();
  cudaStream_t stream = stream_of(to);
  if (same) {
    switch (to.item_size()) {
      case 1: launch<2>(Move<uint8_t>(), geometry, n, stream); break;
      case 2: launch<2>(Move<uint16_t>(), geometry, n, stream); break;
      case 4: launch<2>(Move<uint32_t>(), geometry, n, stream); break;
      case 8: launch<2>(Move<uint64_t>(), geometry, n, stream); break;
      default: launch<2>(Move<ulonglong2>(), geometry, n, stream); break;
    }
    return true;
  }
  bool integers = is_integral(to.dtype(), true) && is_integral(from.dtype(), true);
  if (integers) launch<2>(Convert<int64_t>{to.dtype(), from.dtype()}, geometry, n, stream);
  else launch<2>(Convert<double>{to.dtype(), from.dtype()}, geometry, n, stream);
  return true;
}

}  // namespace

void add_copies(DeviceKernels& kernels) { kernels.fill<copy>("copy_"); }

}  // namespace rushlight::cuda
