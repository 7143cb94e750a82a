// A header name of PyTorch; see torch/torch.h.
#pragma once
#include "rushlight/api/dlpack.h"
namespace at {
using namespace rushlight::api;
}
