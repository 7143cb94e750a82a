// rushlight._caffe2: messages, workspaces and nets of rushlight/caffe2, in Python. Loaded when they are first used.
#include "caffe2.h"

namespace rushlight::py {

TensorApi* tensor_api = nullptr;

}  // namespace rushlight::py

NB_MODULE(_caffe2, m) {
  using namespace rushlight;
  using namespace rushlight::py;
  m.doc() = "Caffe2's messages, workspaces and nets; rushlight.caffe2 shows them.";
  nb::object capsule = nb::module_::import_("rushlight._C").attr("_tensor_api");
  tensor_api = static_cast<TensorApi*>(PyCapsule_GetPointer(capsule.ptr(), "rushlight._C._tensor_api"));
  if (!tensor_api) throw nb::python_error();
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Error&) { tensor_api->set_error(); }
  });
  bind_messages(m);
  bind_workspace(m);
}
