// at::meta::add(a, b): an operator's result without its values, for tensors of any device: a tensor on the meta device, of the sizes, strides
// and dtype that the operator would give. Raises what the operator raises for such arguments. Autograd does not see it.
#pragma once
#include "rushlight/api/api.h"

namespace rushlight::api::meta {
inline Tensor on_meta(const Tensor& t) { return t.defined() ? t.to(kMeta) : t; }
inline std::optional<Tensor> on_meta(const std::optional<Tensor>& t) {
  return t ? std::optional<Tensor>(on_meta(*t)) : std::nullopt;
}
inline std::vector<Tensor> on_meta(TensorList list) {
  std::vector<Tensor> out;
  for (const Tensor& t : list) out.push_back(on_meta(t));
  return out;
}
#include "rushlight/torch_meta.inc"
}  // namespace rushlight::api::meta
