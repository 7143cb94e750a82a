#pragma once
#include "py_tensor.h"

namespace rushlight::py {
extern PyType_Slot length_slot;
}
