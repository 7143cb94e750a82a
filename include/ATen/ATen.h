// Tensors and operators, as PyTorch programs include them.
#pragma once
#include "rushlight/api/device_guard.h"
#include "rushlight/api/tensor_utils.h"
#include "torch/torch.h"
