// rushlight._caffe2: messages, workspaces and nets of rushlight/caffe2, in Python. Loaded when they are first used.
#include "caffe2.h"

NB_MODULE(_caffe2, m) {
  using namespace rushlight;
  using namespace rushlight::py;
  m.doc() = "Caffe2's messages, workspaces and nets; rushlight.caffe2 shows them.";
  meet_core();
  bind_messages(m);
  bind_workspace(m);
}
