// All of torch::nn.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/nn/init.h"
#include "rushlight/nn/layers.h"
