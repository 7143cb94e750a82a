// Reductions with the reducers that the CPU's are made of. A block makes one element of the result: its threads fold every
// kThreads-th element, and merge in a fixed tree, so the bits are the same each time.
#include "rushlight/cuda/elements.cuh"
#include "rushlight/dispatch/kernel.h"

#undef OP
#define OP(...)  // the records themselves are the library's
#include "rushlight/ops/reduce/extremes.cpp"
#include "rushlight/ops/reduce/sum.cpp"

namespace rushlight::cuda {
namespace {

struct Plan {
  Geometry<2> kept;     // result and argument
  Geometry<1> reduced;  // the argument
  int64_t count = 1, length = 1;

  // False where there are more dimensions than fit.
  bool set(const Tensor& in, DimSet dims, const Tensor& out) {
    if (in.dim() > kMaxDims) return false;
    kept.data[0] = static_cast<char*>(out.raw());
    kept.data[1] = static_cast<char*>(in.raw());
    reduced.data[0] = nullptr;  // offsets
    bool keepdim = out.dim() == in.dim();
    size_t at = 0;
    for (size_t d = 0; d < size_t(in.dim()); d++) {
      int64_t size = in.sizes()[d], stride = in.strides()[d] * in.item_size();
      if (dims >> d & 1) {
        reduced.sizes[reduced.dims] = size;
        reduced.strides[0][reduced.dims++] = stride;
        length *= size;
        at += keepdim;
        continue;
      }
      kept.sizes[kept.dims] = size;
      kept.strides[0][kept.dims] = out.strides()[at++] * out.item_size();
      kept.strides[1][kept.dims++] = stride;
      count *= size;
    }
    return true;
  }
};

template <class R>
__global__ void reduce_blocks(R op, Plan plan, DType in, DType out) {
  using Acc = typename R::Acc;
  __shared__ Acc parts[kThreads];
  for (int64_t i = blockIdx.x; i < plan.count; i += gridDim.x) {
    char *at[2], *offset[1];
    plan.kept.locate(i, at);
    Acc acc = op.identity();
    for (int64_t k = threadIdx.x; k < plan.length; k += blockDim.x) {
      plan.reduced.locate(k, offset);
      acc = op.fold(acc, load<typename R::T>(at[1] + reinterpret_cast<int64_t>(offset[0]), in));
    }
    parts[threadIdx.x] = acc;
    for (unsigned width = kThreads / 2; width > 0; width /= 2) {
      __syncthreads();
      if (threadIdx.x < width) parts[threadIdx.x] = op.merge(parts[threadIdx.x], parts[threadIdx.x + width]);
    }
    if (threadIdx.x == 0) store(at[0], out, op.finish(parts[0], plan.length));
    __syncthreads();
  }
}

template <class R>
bool run(const Tensor& in, DimSet dims, const Tensor& out) {
  Plan plan;
  if (!plan.set(in, dims, out)) return false;
  if (plan.count == 0) return true;
  unsigned blocks = unsigned(std::min<int64_t>(plan.count, 65536));
  reduce_blocks<<<blocks, kThreads, 0, stream_of(out)>>>(R{}, plan, in.dtype(), out.dtype());
  check(cudaGetLastError(), "launch");
  return true;
}

// In the dtype that values are read as: halves as float. What the CPU would convert before it adds falls back.
template <template <class> class Op>
bool sum_like(const Tensor& in, DimSet dims, const Tensor& out) {
  if (is_integral(in.dtype(), true)) return out.dtype() == DType::Int64 && run<Op<int64_t>>(in, dims, out);
  if (!is_floating(in.dtype()) || in.dtype() != out.dtype()) return false;
  return in.dtype() == DType::Float64 ? run<Op<double>>(in, dims, out) : run<Op<float>>(in, dims, out);
}
template <bool largest>
bool extreme(const Tensor& in, DimSet dims, const Tensor& out) {
  if (is_complex(in.dtype())) return false;
  if (is_integral(in.dtype(), true)) return run<Extreme<int64_t, largest>>(in, dims, out);
  return in.dtype() == DType::Float64 ? run<Extreme<double, largest>>(in, dims, out)
                                      : run<Extreme<float, largest>>(in, dims, out);
}

using Dtype = std::optional<DType>;
bool sum_all(const Tensor& self, const Dtype&, const Tensor& out) {
  return sum_like<Sum>(self, all_dims(self.dim()), out);
}
bool sum_dims(const Tensor& self, const OptionalDims& dim, bool, const Dtype&, const Tensor& out) {
  return sum_like<Sum>(self, dim_set(dim, self.dim()), out);
}
bool mean_all(const Tensor& self, const Dtype&, const Tensor& out) {
  return is_floating(self.dtype()) && sum_like<Mean>(self, all_dims(self.dim()), out);
}
bool mean_dims(const Tensor& self, const OptionalDims& dim, bool, const Dtype&, const Tensor& out) {
  return is_floating(self.dtype()) && sum_like<Mean>(self, dim_set(dim, self.dim()), out);
}
template <bool largest>
bool extreme_all(const Tensor& self, const Tensor& out) {
  return extreme<largest>(self, all_dims(self.dim()), out);
}
template <bool largest>
bool extreme_dims(const Tensor& self, IntArrayRef dim, bool, const Tensor& out) {
  return extreme<largest>(self, dim_set(dim, self.dim()), out);
}

}  // namespace

void add_reductions(DeviceKernels& kernels) {
  kernels.fill<sum_all>("sum").fill<sum_dims>("sum.dim_IntList");
  kernels.fill<mean_all>("mean").fill<mean_dims>("mean.dim");
  kernels.fill<extreme_dims<true>>("amax").fill<extreme_dims<false>>("amin");
  kernels.fill<extreme_all<true>>("max").fill<extreme_all<false>>("min");
}

}  // namespace rushlight::cuda
