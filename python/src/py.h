// What every file of the Python front end needs: owned references, and the way C++ errors become Python ones.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include "rushlight/core/error.h"

namespace rushlight::py {

// An owned reference; null where there is none.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* owned) : p_(owned) {}
  Object(const Object& o) : p_(o.p_) { Py_XINCREF(p_); }
  Object(Object&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Object& operator=(Object o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Object() { Py_XDECREF(p_); }
  static Object borrow(PyObject* p) {
    Py_XINCREF(p);
    return Object(p);
  }
  PyObject* get() const { return p_; }
  PyObject* release() { return std::exchange(p_, nullptr); }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  PyObject* p_ = nullptr;
};

// Thrown where a Python error is set already.
struct ErrorSet {};

// An owned reference from a call that returns null with an error set.
inline Object check(PyObject* owned) {
  if (!owned) [[unlikely]]
    throw ErrorSet{};
  return Object(owned);
}
inline void check_status(int status) {
  if (status < 0) [[unlikely]]
    throw ErrorSet{};
}

// Sets the Python error for the C++ exception that is being handled.
void set_error_from_exception() noexcept;
// Throws the C++ error for the Python one that is set, so that it can cross C++ code; it comes back as the same Python object.
[[noreturn]] void throw_python_error();

// Runs f, which returns a PyObject*, int or similar; `failed` is returned with a Python error set if it throws.
template <class R, class F>
R guarded(R failed, F&& f) noexcept {
  try {
    return f();
  } catch (...) {
    set_error_from_exception();
    return failed;
  }
}
template <class F>
PyObject* guarded(F&& f) noexcept {
  return guarded<PyObject*>(nullptr, std::forward<F>(f));
}

class GilRelease {  // does nothing when told so
 public:
  explicit GilRelease(bool release) {
    if (!release) return;
    active_.fetch_add(1, std::memory_order_relaxed);
    state_ = PyEval_SaveThread();
  }
  ~GilRelease() {
    if (!state_) return;
    PyEval_RestoreThread(state_);
    active_.fetch_sub(1, std::memory_order_relaxed);
  }
  GilRelease(const GilRelease&) = delete;
  // True if some thread may be at work on tensors without the lock. It changes only while the asking thread gives the lock away.
  static bool any_active() { return active_.load(std::memory_order_relaxed) > 0; }

 private:
  static inline std::atomic<int> active_{0};
  PyThreadState* state_ = nullptr;
};
class GilAcquire {
 public:
  GilAcquire() : state_(PyGILState_Ensure()) {}
  ~GilAcquire() { PyGILState_Release(state_); }
  GilAcquire(const GilAcquire&) = delete;

 private:
  PyGILState_STATE state_;
};

// True while this thread may touch objects: also when the interpreter tears its modules down, where Py_IsInitialized() is false already
// but collections still run.
inline bool may_touch_python() {
  if (Py_IsInitialized()) return true;
  PyThreadState* now = _PyThreadState_UncheckedGet();
  return now && now == PyGILState_GetThisThreadState();
}

// str of a Python string. Throws ErrorSet.
inline std::string_view text_of(PyObject* s) {
  Py_ssize_t size;
  const char* p = PyUnicode_AsUTF8AndSize(s, &size);
  if (!p) throw ErrorSet{};
  return {p, size_t(size)};
}
inline PyObject* to_str(std::string_view s) { return PyUnicode_FromStringAndSize(s.data(), Py_ssize_t(s.size())); }
inline const char* type_name(PyObject* o) { return Py_TYPE(o)->tp_name; }
// PyTorch names types in its messages without their module.
inline std::string_view short_type_name(PyObject* o) {
  std::string_view name = type_name(o);
  size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

// An attribute of a module, imported at the first use. Borrowed: it is kept for good.
PyObject* imported(const char* module, const char* name);

// The module rushlight._C.
extern PyObject* c_module;
// Adds an object under a name; throws ErrorSet.
inline void add_object(PyObject* module, const char* name, PyObject* o) {
  check_status(PyObject_SetAttrString(module, name, o));
}
void add_methods(PyObject* module, PyMethodDef* methods);

}  // namespace rushlight::py
