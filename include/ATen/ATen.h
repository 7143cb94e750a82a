// PyTorch's name for the tensor and its operators.
#pragma once
#include "rushlight/functions.h"
#include "rushlight/ops/operators.h"

namespace at = rushlight;
namespace c10 = rushlight;
