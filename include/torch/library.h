// TORCH_LIBRARY, TORCH_LIBRARY_FRAGMENT and TORCH_LIBRARY_IMPL; see rushlight/api/library.h.
#pragma once
#include "rushlight/api/api.h"
