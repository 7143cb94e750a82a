// What the rest of the front end tells a tracer, and how scripts' functions and objects are shown.
#pragma once
#include <memory>

#include "py_tensor.h"
#include "rushlight/core/ivalue.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/graph/ir.h"

namespace rushlight::py {

PyObject* wrap_function(std::shared_ptr<graph::Function> f);
PyObject* wrap_object(Ref<ObjectValue> v);
// Null for what is no script object.
const Ref<ObjectValue>* script_object(PyObject* o);

void trace_loss(const Tensor& t, const char* warning);
void trace_number(const Argument& a, size_t element, const Tensor& t);
PyObject* traced_sizes(const Tensor& t);
// A module is called. 1 if the trace that is being recorded has it: then the call's end is to be told too (null after an error); -1 with an
// error set.
int trace_enters(PyObject* module, PyObject* const* args, Py_ssize_t count);
void trace_leaves(PyObject* result);
PyObject* traced_size(const Tensor& t, int64_t dim);
PyObject* traced_numel(const Tensor& t);

// A value of a tensor turns into something of Python's own, which a trace can't follow: warns while one is recorded.
inline void trace_loses(const Tensor& t, const char* warning) {
  if (thread_state.interceptor) [[unlikely]]
    trace_loss(t, warning);
}
// A tensor became a number among a call's arguments.
inline void trace_argument(const Argument& a, size_t element, PyObject* o) {
  if (is_tensor(o) && thread_state.interceptor) [[unlikely]]
    trace_number(a, element, unwrap(o));
}
// t.size(dim), t.numel() and t.shape as 0-d tensors while t is traced; null otherwise.
inline PyObject* size_if_traced(const Tensor& t, int64_t dim) {
  return thread_state.interceptor ? traced_size(t, dim) : nullptr;
}
inline PyObject* numel_if_traced(const Tensor& t) { return thread_state.interceptor ? traced_numel(t) : nullptr; }
inline PyObject* sizes_if_traced(const Tensor& t) { return thread_state.interceptor ? traced_sizes(t) : nullptr; }

// The texts that PyTorch warns with.
#define RL_TRACED(what)                                                                                            \
  "Converting a tensor to a Python " what                                                                          \
  " might cause the trace to be incorrect. We can't record the data flow of Python values, so this value will be " \
  "treated as a constant in the future. This means that the trace might not generalize to other inputs!"

}  // namespace rushlight::py
