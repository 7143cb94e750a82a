// Names of classes in schemas: "scale(__torch__.torch.classes.mine.Scaler s, Tensor x) -> Tensor".
#pragma once
#include "rushlight/core/type.h"

namespace rushlight {
// The type of that full name, or null; installed by graph/.
extern TypePtr (*schema_class)(const std::string& name);
}  // namespace rushlight
