#include "bind.h"

namespace rushlight::py {
namespace {

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "rushlight._C",
                          "The C++ side of rushlight.",
                          -1,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace rushlight::py

PyMODINIT_FUNC PyInit__C() {
  using namespace rushlight::py;
  return guarded([]() -> PyObject* {
    Object module = check(PyModule_Create(&definition));
    c_module = module.get();
    Object internal = check(
        PyErr_NewExceptionWithDoc("rushlight.InternalError", "A bug of rushlight's own.", PyExc_RuntimeError, nullptr));
    add_object(c_module, "InternalError", internal.get());
    Object singular = check(PyErr_NewExceptionWithDoc(
        "rushlight.linalg.LinAlgError",
        "A matrix lacks the property that an algorithm needs: it is singular, not positive-definite, ...",
        PyExc_RuntimeError, nullptr));
    add_object(c_module, "_LinAlgError", singular.get());
    Object bases = check(PyTuple_Pack(2, PyExc_RuntimeError, PyExc_MemoryError));  // PyTorch's and Python's
    Object memory = check(PyErr_NewExceptionWithDoc("rushlight.OutOfMemoryError",
                                                    "A device has no memory left for a tensor.", bases.get(), nullptr));
    add_object(c_module, "OutOfMemoryError", memory.get());
    for (auto bind : {
             bind_types,       //
             bind_storage,     //
             bind_tensor,      //
             bind_methods,     //
             bind_numpy,       //
             bind_new,         //
             bind_dlpack,      //
             bind_ops,         //
             bind_library,     //
             bind_state,       //
             bind_devices,     //
             bind_module,      //
             bind_io,          //
             bind_autograd,    //
             bind_script,      //
             bind_graph,       //
             bind_profiler,    //
             bind_trace,       //
             bind_watch,       //
             bind_cycles,      //
             bind_overrides,   //
             bind_dispatch,    //
             bind_transforms,  //
         })
      bind(c_module);
    return module.release();
  });
}
