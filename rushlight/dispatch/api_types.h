// What declarations of operators mention.
#pragma once
#include <optional>
#include <tuple>

#include "rushlight/core/tensor.h"

namespace rushlight {
class Generator;
}
