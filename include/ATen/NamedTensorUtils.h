// A header name of PyTorch; see torch/torch.h. Tensors here have no names of dimensions (Tensor::refine_names refuses them), so there are none to
// hand on and none to leave out: kernels that do so for PyTorch's named tensors are right as they stand.
#pragma once
#include "rushlight/api/api.h"

namespace at {

struct NoNamesGuard {
  NoNamesGuard() {}
  ~NoNamesGuard() {}
  void reset() {}
};
inline bool has_names(ArrayRef<Tensor>) { return false; }

namespace namedinference {
inline const Tensor& propagate_names(const Tensor& result, const Tensor&) { return result; }
inline void propagate_names_if_nonempty(const Tensor&, std::optional<DimnameList>) {}
}  // namespace namedinference

}  // namespace at
