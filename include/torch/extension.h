// What plug-ins include, without pybind11: operators are registered with TORCH_LIBRARY and called from Python as torch.ops.NAME.
#pragma once
#include "torch/torch.h"
