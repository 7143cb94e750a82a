// Tensors and operators, as PyTorch programs include them.
#pragma once
#include "torch/torch.h"
#include "rushlight/api/tensor_utils.h"
