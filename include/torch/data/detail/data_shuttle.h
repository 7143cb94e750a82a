// A header name of PyTorch; see torch/torch.h.
#pragma once
#include "rushlight/data/shuttle.h"
