// What the rest of the front end tells interceptors, and how scripts' functions and objects are shown.
#pragma once
#include <memory>

#include "py_tensor.h"
#include "rushlight/core/ivalue.h"
#include "rushlight/dispatch/op.h"
#include "rushlight/graph/ir.h"

namespace rushlight::py {

PyObject* wrap_function(std::shared_ptr<graph::Function> f);
PyObject* wrap_object(Ref<ObjectValue> v);
// Null for what is no script object.
const Ref<ObjectValue>* script_object(PyObject* o);

// ---- events (dispatch/op.h) as the front end tells them ----

inline void tell_read(const Tensor& t, Read how) {
  if (watched(t)) [[unlikely]]
    read_event(t, how);
}
// A tensor became a number among a call's arguments.
inline void tell_number(const Argument& a, size_t element, PyObject* o) {
  if (is_tensor(o) && watched()) [[unlikely]]
    number_event(a, element, unwrap(o));
}
// t.size(dim), t.numel() and t.shape where somebody gives them as 0-d tensors; null otherwise.
inline PyObject* told_size(const Tensor& t, int64_t dim) {
  if (!watched()) [[likely]]
    return nullptr;
  Tensor size = size_event(t, dim);
  return size.defined() ? wrap(std::move(size)) : nullptr;
}
inline PyObject* told_numel(const Tensor& t) {
  if (!watched()) [[likely]]
    return nullptr;
  Tensor n = numel_event(t);
  return n.defined() ? wrap(std::move(n)) : nullptr;
}
PyObject* told_sizes_slowly(const Tensor& t);
inline PyObject* told_sizes(const Tensor& t) { return watched() ? told_sizes_slowly(t) : nullptr; }
// A module is called with these arguments; told_leave(that, result) is due at the end of the call unless null. Throws.
Interceptor* told_enter(PyObject* module, PyObject* const* args, Py_ssize_t count);
void told_leave(Interceptor* entered, PyObject* result);

}  // namespace rushlight::py
