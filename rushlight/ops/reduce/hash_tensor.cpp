// A hash of the elements: their bits, as 64-bit numbers, combined by exclusive or.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

TensorSpec hash_meta(const Tensor& self, IntArrayRef dim, bool keepdim, int64_t mode) {
  RL_CHECK(RuntimeError, mode == 0, "hash_tensor: Unknown mode: only 0 (exclusive or) is supported, got ", mode);
  RL_CHECK(NotImplementedError, !is_complex(self.dtype()) && is_computed(self.dtype()),
           "hash_tensor: not implemented for '", scalar_type_name(self.dtype()), "'");
  return {.sizes = reduced_sizes(self.sizes(), dim_set(dim, self.dim()), keepdim),
          .dtype = DType::UInt64,
          .device = self.device()};
}
void hash_cpu(const Tensor& self, IntArrayRef dim, bool, int64_t, const Tensor& out) {
  DimSet reduced = dim_set(dim, self.dim());
  Tensor x = dense(self, is_integral(self.dtype(), true) ? DType::Int64 : DType::Float64);
  Tensor hashes = empty_tensor(out.sizes(), DType::UInt64);
  auto* to = static_cast<uint64_t*>(hashes.raw());
  std::fill(to, to + hashes.numel(), uint64_t(0));
  Dims kept = reduced_sizes(self.sizes(), reduced, true), strides = contiguous_strides(kept), at(size_t(self.dim()), 0);
  const auto* bits = static_cast<const uint64_t*>(x.raw());
  int64_t where = 0;
  for (int64_t i = 0; i < x.numel(); i++) {
    to[where] ^= bits[i];
    for (size_t d = at.size(); d-- > 0;) {  // the next place, in the order of memory
      int64_t step = reduced >> d & 1 ? 0 : strides[d];
      where += step;
      if (++at[d] < self.sizes()[d]) break;
      where -= step * at[d];
      at[d] = 0;
    }
  }
  copy_elements(out, hashes);
}

}  // namespace

OP(hash_tensor, {.schema = "hash_tensor(Tensor self, int[1] dim=[], *, bool keepdim=False, int mode=0) -> Tensor",
                 .doc = "The exclusive or of the bits of all elements, or of those along dim, as 64-bit numbers."
                        " >>> torch.hash_tensor(torch.tensor([1, 2])).tolist()\n3",
                 .kernel = structured<hash_meta, hash_cpu>()});

}  // namespace rushlight
