// What a tensor on a device gives that this build has no support for. Python programs see PyTorch's AssertionError.
#pragma once
#include "rushlight/core/error.h"

namespace rushlight {

class NoDeviceError : public RuntimeError { using RuntimeError::RuntimeError; };

}  // namespace rushlight
