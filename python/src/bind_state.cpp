// Settings of the process and of the calling thread: default dtype, number of threads, gradient modes.
#include "bind.h"
#include "py_convert.h"
#include "py_tensor.h"
#include "rushlight/core/end_with.h"
#include "rushlight/core/fresh_memory.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/core/notice.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight::py {
namespace {

PyObject* py_can_cast(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"from_", "to", nullptr};
  PyObject *from, *to;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O!:can_cast", const_cast<char**>(names), dtype_type, &from,
                                   dtype_type, &to))
    return nullptr;
  return guarded([&] { return PyBool_FromLong(can_cast(DType(enum_value(from)), DType(enum_value(to)))); });
}

PyMethodDef functions[] = {
    {"get_default_dtype", [](PyObject*, PyObject*) { return wrap(default_dtype()); }, METH_NOARGS,
     "get_default_dtype() -> dtype"},
    {"_set_default_dtype",
     [](PyObject*, PyObject* o) {
       return guarded([&] {
         DType d;
         RL_CHECK(TypeError, is_dtype(o) && as_dtype(o, d),
                  "invalid dtype object: only floating-point types are supported as the default type");
         RL_CHECK(TypeError, is_floating(d), "only floating-point types are supported as the default type");
         set_default_dtype(d);
         return Py_NewRef(Py_None);
       });
     },
     METH_O, nullptr},
    {"promote_types",
     [](PyObject*, PyObject* args) -> PyObject* {
       PyObject *a, *b;
       if (!PyArg_ParseTuple(args, "O!O!:promote_types", dtype_type, &a, dtype_type, &b)) return nullptr;
       return guarded([&] { return wrap(promote_types(DType(enum_value(a)), DType(enum_value(b)))); });
     },
     METH_VARARGS, "promote_types(type1, type2) -> dtype"},
    {"can_cast", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_can_cast)), METH_VARARGS | METH_KEYWORDS,
     "can_cast(from_, to) -> bool"},
    {"_end_with_process",
     [](PyObject*, PyObject* pid) {
       return guarded([&] {
         int64_t v;
         RL_CHECK(TypeError, as_int(pid, v), "_end_with_process(): expected a process id");
         end_with_process(int(v));
         return Py_NewRef(Py_None);
       });
     },
     METH_O, "_end_with_process(pid): this process ends as soon as that one has ended."},
    {"_quantized_engine", [](PyObject*, PyObject*) { return PyLong_FromLong(long(quantized_engine())); }, METH_NOARGS,
     "The number of the engine whose arithmetic packed weights follow."},
    {"_set_quantized_engine",
     [](PyObject*, PyObject* number) {
       return guarded([&] {
         int64_t v;
         RL_CHECK(RuntimeError, as_int(number, v) && v >= 0 && v <= 4,
                  "quantized engine is not supported: expected a number from 0 to 4");
         set_quantized_engine(QuantizedEngine(v));
         return Py_NewRef(Py_None);
       });
     },
     METH_O, nullptr},
    {"get_num_threads", [](PyObject*, PyObject*) { return PyLong_FromLong(num_threads()); }, METH_NOARGS,
     "get_num_threads() -> int"},
    {"set_num_threads",
     [](PyObject*, PyObject* n) {
       return guarded([&] {
         int64_t v;
         RL_CHECK(TypeError, as_int(n, v), "set_num_threads expects an int, but got ", short_type_name(n));
         RL_CHECK(RuntimeError, v > 0 && v < 1 << 16, "set_num_threads expects a positive integer");
         set_num_threads(int(v));
         return Py_NewRef(Py_None);
       });
     },
     METH_O, "set_num_threads(n)"},
    {"is_grad_enabled", [](PyObject*, PyObject*) { return PyBool_FromLong(thread_state.grad_enabled); }, METH_NOARGS,
     "is_grad_enabled() -> bool: whether this thread records what gradients need."},
    {"_set_grad_enabled",
     [](PyObject*, PyObject* on) -> PyObject* {
       thread_state.grad_enabled = on == Py_True;
       Py_RETURN_NONE;
     },
     METH_O, nullptr},
    {"is_inference_mode_enabled", [](PyObject*, PyObject*) { return PyBool_FromLong(thread_state.inference_mode); },
     METH_NOARGS, "is_inference_mode_enabled() -> bool: whether this thread is in inference mode."},
    {"_set_inference_mode",
     [](PyObject*, PyObject* on) -> PyObject* {
       thread_state.inference_mode = on == Py_True;
       Py_RETURN_NONE;
     },
     METH_O, nullptr},
    {"_is_cow_tensor",
     [](PyObject*, PyObject* o) {
       return guarded(
           [&] { return PyBool_FromLong(is_shared_until_written(expect_tensor(o, "_is_cow_tensor").storage())); });
     },
     METH_O, "Whether the tensor shares its memory until it is written to (Tensor._lazy_clone)."},
    {"_data_address",
     [](PyObject*, PyObject* o) {
       return guarded([&] { return PyLong_FromVoidPtr(expect_tensor(o, "_data_address").storage().data()); });
     },
     METH_O, "The address of the storage's first byte, only to be looked at."},
    {"_set_warn_always",
     [](PyObject*, PyObject* on) -> PyObject* {
       warn_always = on == Py_True;
       Py_RETURN_NONE;
     },
     METH_O, nullptr},
    {"_set_fill_fresh_memory",
     [](PyObject*, PyObject* on) -> PyObject* {
       fill_fresh_memory = on == Py_True;
       Py_RETURN_NONE;
     },
     METH_O, "Whether memory that empty() and its like leave unwritten is filled with NaN, or the largest number."},
    {},
};

}  // namespace

void bind_state(PyObject* module) { add_methods(module, functions); }

}  // namespace rushlight::py
