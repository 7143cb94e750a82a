// torch::linalg::det(x) is torch::linalg_det(x), and so on; torch::fft and torch::special too. As in PyTorch, torch/script.h comes without them.
#pragma once
#include "rushlight/api/api.h"

namespace rushlight::api {
#include "rushlight/torch_namespaces.inc"
}
