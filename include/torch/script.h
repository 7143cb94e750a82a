// Scripted models in C++ programs, without Python, as PyTorch programs include them.
#pragma once
#include "rushlight/api/api.h"
#include "torch/version.h"
