// torch::nn::functional: functions of neural networks with Python's arguments, of the records named functional::.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/functional.h"

namespace rushlight::api::nn::functional {
#include "rushlight/torch_functional.inc"
}  // namespace rushlight::api::nn::functional
