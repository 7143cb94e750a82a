// Several dense tensors as one, so that what is done to all is done once, and back.
#pragma once
#include "rushlight/api/api.h"

namespace rushlight::api::utils {

// Their elements in a row, each tensor's contiguous.
inline Tensor flatten_dense_tensors(TensorList tensors) {
  std::vector<Tensor> parts;
  for (const Tensor& t : tensors) parts.push_back(t.contiguous().view({-1}));
  return cat(parts);
}

// Views of `flat` with the sizes of `tensors`. Those without elements get memory of their own, so that they can be resized.
inline std::vector<Tensor> unflatten_dense_tensors(const Tensor& flat, TensorList tensors) {
  std::vector<Tensor> parts;
  int64_t at = 0;
  for (const Tensor& t : tensors) {
    parts.push_back(t.numel() ? flat.narrow(0, at, t.numel()).view(t.sizes()) : empty(t.sizes(), flat.options()));
    at += t.numel();
  }
  return parts;
}

}  // namespace rushlight::api::utils
