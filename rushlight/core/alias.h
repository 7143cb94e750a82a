// What detached_alias does for a tensor whose Python class has a __torch_dispatch__: only the class can make another of its kind.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

extern Tensor (*alias_in_python)(const Tensor& of);  // the front end's

}  // namespace rushlight
