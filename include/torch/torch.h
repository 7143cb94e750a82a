// PyTorch's name for the C++ front end.
#pragma once
#include <ATen/ATen.h>

namespace torch = rushlight;
