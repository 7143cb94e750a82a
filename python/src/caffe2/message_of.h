// Messages as the other files of rushlight._caffe2 take and give them.
#pragma once
#include "caffe2.h"
#include "rushlight/caffe2/message.h"

namespace rushlight::py {

// Throws TypeError for what is no message.
caffe2::Message& message_of(nb::handle h);
nb::object wrap_message(caffe2::MessageRef m);

}  // namespace rushlight::py
