// What the files of rushlight._caffe2 share.
#pragma once
#include "../data/tensors.h"

namespace rushlight::py {

void bind_messages(nb::module_& m);
void bind_workspace(nb::module_& m);

}  // namespace rushlight::py
