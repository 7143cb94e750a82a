// A header name of PyTorch; see torch/torch.h.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/api/backend.h"
