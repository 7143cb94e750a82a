// All of torch::optim.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/optim/algorithms.h"
