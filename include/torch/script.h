// Scripted models in C++ programs, without Python, as PyTorch programs include them.
#pragma once
#include "torch/torch.h"
