// at::_ops::add_Tensor::call(a, b, 1): every overload of an operator under its own name.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/api/lowered.h"
#include "rushlight/functions.h"

namespace rushlight::api::_ops {
#include "rushlight/torch_ops.inc"
}  // namespace rushlight::api::_ops
