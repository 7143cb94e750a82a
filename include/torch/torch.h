// The C++ front end, as PyTorch programs include it.
#pragma once
#include "torch/tensor.h"
