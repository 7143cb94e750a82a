// The small Python types around tensors: dtype, device, layout, memory_format, Size, Generator.
#pragma once
#include "py.h"
#include "rushlight/core/array_ref.h"
#include "rushlight/core/device.h"
#include "rushlight/core/dtype.h"
#include "rushlight/core/generator.h"

namespace rushlight::py {

extern PyTypeObject *dtype_type, *device_type, *layout_type, *memory_format_type, *size_type, *generator_type;

// One object per dtype, layout and memory format.
struct PyEnum {
  PyObject_HEAD int value;
  const char* text;  // its repr
};
struct PyDevice { PyObject_HEAD Device device; };
struct PyGenerator {
  PyObject_HEAD Generator* generator;  // owned
};

PyObject* wrap(DType d);  // new reference
PyObject* wrap(Layout l);
PyObject* wrap(MemoryFormat f);
PyObject* wrap(Device d);
PyObject* wrap_size(IntArrayRef sizes);  // rushlight.Size
PyObject* wrap_ints(IntArrayRef items);  // a plain tuple
PyObject* wrap(Ref<Generator> g);

inline bool is_dtype(PyObject* o) { return Py_TYPE(o) == dtype_type; }
inline bool is_device(PyObject* o) { return Py_TYPE(o) == device_type; }
inline bool is_layout(PyObject* o) { return Py_TYPE(o) == layout_type; }
inline bool is_memory_format(PyObject* o) { return Py_TYPE(o) == memory_format_type; }
inline bool is_generator(PyObject* o) { return Py_TYPE(o) == generator_type; }
inline int enum_value(PyObject* o) { return reinterpret_cast<PyEnum*>(o)->value; }
// A dtype object, or one of Python's float, int, bool, complex. False for anything else.
bool as_dtype(PyObject* o, DType& d);
// A device object, its text or an index. False for other objects; throws RuntimeError for a text that names no device.
bool as_device(PyObject* o, Device& d);

// Where factories that are given no device put their tensors: what `with torch.device(...)` and set_default_device() say on this
// thread. Null if they say nothing.
extern bool default_device_said;  // ever, on any thread
const Device* said_default_device();
inline const Device* default_device() { return default_device_said ? said_default_device() : nullptr; }

void bind_types(PyObject* module);

}  // namespace rushlight::py
