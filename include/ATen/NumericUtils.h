// A header name of PyTorch.
#pragma once
#include "rushlight/api/api.h"
#include "rushlight/api/tools.h"
