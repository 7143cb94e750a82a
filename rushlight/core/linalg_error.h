// What a matrix without the property that an algorithm needs gives: singular, not positive-definite, not converging. Python programs
// see torch.linalg.LinAlgError, a RuntimeError.
#pragma once
#include "rushlight/core/error.h"

namespace rushlight {

class LinAlgError : public RuntimeError { using RuntimeError::RuntimeError; };

}  // namespace rushlight
