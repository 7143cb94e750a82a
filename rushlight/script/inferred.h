// What a parameter without an annotation is.
#pragma once
#include "rushlight/core/type.h"

namespace rushlight::script {

// The type of one that is a tensor since nothing says what it is.
const TypePtr& inferred_tensor();

}  // namespace rushlight::script
