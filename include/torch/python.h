// As PyTorch's header of this name: torch/extension.h.
#pragma once
#include "torch/extension.h"
