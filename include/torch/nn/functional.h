// As PyTorch's header of this name; the functions take Python's arguments.
#pragma once
#include "rushlight/api/functional.h"
