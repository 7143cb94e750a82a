// Between Python objects and IValues.
#pragma once
#include "py_tensor.h"
#include "py_types.h"
#include "rushlight/core/ivalue.h"
#include "rushlight/dispatch/op.h"

namespace rushlight::py {

// A new reference; lists of every kind become Python lists. Throws ErrorSet.
PyObject* to_python(const IValue& v);
// The value as the type wants it; lists are copied. Throws TypeError where it is something else.
IValue from_python(PyObject* o, const Type& type);
// The value as its own type says: what `Any` takes, and what a tracer or a script call gets to see.
IValue from_python(PyObject* o);

// Objects of script classes and other values that only one binding knows; each returns null / false for what it does not know.
extern PyObject* (*object_to_python)(const IValue& v);
extern bool (*object_from_python)(PyObject* o, IValue& out, const Type* wanted);

// A number: Python's, numpy's, or that of a 0-d tensor that needs no gradient. False for anything else.
bool as_number(PyObject* o, IValue& out);
// The same for integers only (no bool). Throws where it does not fit in 64 bits.
bool as_int(PyObject* o, int64_t& out);
bool as_bool(PyObject* o, bool& out);
bool as_double(PyObject* o, double& out);
// numpy's scalars (numpy.float32(1)): things with `dtype` and `item` and no dimension.
bool is_numpy_scalar(PyObject* o);
// That of another device; RuntimeError on meta, and where there is not one element.
IValue element_elsewhere(const Tensor& t);
inline IValue element_in_memory(const Tensor& t) {
  if (t.numel() != 1 || t.impl()->flags() & kNotCpu) [[unlikely]]
    return element_elsewhere(t);
  if (t.dtype() == DType::Float32) return double(*static_cast<const float*>(t.raw()));
  return IValue(read_number(t.dtype(), t.raw()));
}
IValue called_element(const Tensor& t);
inline IValue element_of(const Tensor& t) {
  return t.impl()->flags() & (kWrapped | kPythonDispatch | kInParts) ? called_element(t) : element_in_memory(t);
}
// A tensor whose memory holds its values, for who reads them without a call: a gradient's level is looked through. Throws for others.
Tensor in_memory(const Tensor& t, const char* who);
IValue watched_element(const Tensor& t, Read how);
// The element as the program's own value: told to those who watch, and read by the recorded operator then.
inline IValue read_element(const Tensor& t, Read how) {
  return watched(t) ? watched_element(t, how) : element_in_memory(t);
}

}  // namespace rushlight::py
