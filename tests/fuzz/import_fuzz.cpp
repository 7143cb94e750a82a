// libFuzzer targets for models that become graphs: RL_FUZZ is the format's name, onnx or caffe2. What is read is checked and optimised, and
// never run: it may loop for ever. Any end but an Error is a bug.
//   ./dev fuzz onnx_import --seconds 600
#include <string_view>

#include "rushlight/core/error.h"
#include "rushlight/graph/ir.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/import.h"

using namespace rushlight;

#define RL_TEXT(name) #name
#define RL_NAME(name) RL_TEXT(name)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;  // the first byte chooses options where there are any
  try {
    auto model = script::import_model(RL_NAME(RL_FUZZ), io::own_bytes({data + 1, data + size}), "fuzz", "");
    if (graph::Function* f = graph::as_class(model->type)->find_method("forward")) {
      auto graph = f->made()->copy();
      graph->check();
      graph::inline_calls(*graph);
      graph::optimize(*graph);
      graph->lint();
    }
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Internal) throw;
  }
  return 0;
}
