#include "py.h"

#include <map>
#include <memory>
#include <new>

#include "rushlight/core/linalg_error.h"
#include "rushlight/core/no_device.h"
#include "rushlight/core/notice.h"

namespace rushlight::py {

PyObject* c_module = nullptr;

namespace {

// A Python exception on its way through C++ code. what() is its text, for code that only reports.
class PythonError : public Error {
 public:
  PythonError(std::string text, PyObject* type, PyObject* value, PyObject* trace)
      : Error(ErrorKind::Runtime, std::move(text)), state_(std::make_shared<State>(type, value, trace)) {}
  void restore() const {
    Py_XINCREF(state_->type);
    Py_XINCREF(state_->value);
    Py_XINCREF(state_->trace);
    PyErr_Restore(state_->type, state_->value, state_->trace);
  }

 private:
  struct State {
    State(PyObject* t, PyObject* v, PyObject* b) : type(t), value(v), trace(b) {}
    State(const State&) = delete;
    ~State() {
      if (!Py_IsInitialized()) return;
      GilAcquire gil;
      Py_XDECREF(type);
      Py_XDECREF(value);
      Py_XDECREF(trace);
    }
    PyObject *type, *value, *trace;
  };
  std::shared_ptr<State> state_;
};

// An exception type that the module keeps; borrowed.
PyObject* own_type(const char* name) {
  PyObject* type = PyObject_GetAttrString(c_module, name);
  Py_XDECREF(type);
  return type;
}

// An error of a script, which is a RuntimeError as all of them are, and a ValueError besides. Borrowed.
PyObject* script_error(const char* name, PyObject* kind) {
  static std::map<std::string, PyObject*>& made = *new std::map<std::string, PyObject*>;
  PyObject*& type = made[name];
  if (!type) {
    Object bases(PyTuple_Pack(2, PyExc_RuntimeError, kind));
    if (bases) type = PyErr_NewException(name, bases.get(), nullptr);
  }
  return type;
}

PyObject* type_for(const Error& e) {
  if (e.text().starts_with("The following operation failed in the TorchScript interpreter")) {
    if (e.kind() == ErrorKind::Index) return script_error("rushlight.jit.IndexError", PyExc_IndexError);
    if (e.kind() == ErrorKind::Value) return script_error("rushlight.jit.ValueError", PyExc_ValueError);
  }
  if (dynamic_cast<const LinAlgError*>(&e)) return own_type("_LinAlgError");
  switch (e.kind()) {
    case ErrorKind::Value: return PyExc_ValueError;
    case ErrorKind::Type: return PyExc_TypeError;
    case ErrorKind::Index: return PyExc_IndexError;
    case ErrorKind::NotImplemented: return PyExc_NotImplementedError;
    case ErrorKind::Memory: return own_type("OutOfMemoryError");
    case ErrorKind::Os: return PyExc_OSError;
    case ErrorKind::Key: return PyExc_KeyError;
    case ErrorKind::Attribute: return PyExc_AttributeError;
    case ErrorKind::Unpickling: return imported("pickle", "UnpicklingError");
    case ErrorKind::Internal: return own_type("InternalError");
    case ErrorKind::Runtime: break;
  }
  return PyExc_RuntimeError;
}

}  // namespace

void set_error_from_exception() noexcept {
  try {
    throw;
  } catch (const ErrorSet&) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "rushlight: an error was reported but not set");
  } catch (const PythonError& e) { e.restore(); } catch (const NoDeviceError& e) {
    PyErr_SetString(PyExc_AssertionError, e.text().c_str());
  } catch (const AssertionError& e) {
    PyErr_SetString(PyExc_AssertionError, e.text().c_str());
  } catch (const Error& e) {
    PyObject* type = type_for(e);
    if (!type) return;
    // A text may quote a damaged file: it needn't be UTF-8.
    PyObject* text = PyUnicode_DecodeUTF8(e.text().data(), Py_ssize_t(e.text().size()), "backslashreplace");
    if (text) PyErr_SetObject(type, text);
    Py_XDECREF(text);
  } catch (const std::bad_alloc&) { PyErr_NoMemory(); } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) { PyErr_SetString(PyExc_SystemError, "rushlight: an exception of an unknown kind"); }
}

void throw_python_error() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  std::string text;
  if (Object s{value ? PyObject_Str(value) : nullptr}) {
    if (const char* p = PyUnicode_AsUTF8(s.get())) text = p;
  }
  PyErr_Clear();
  throw PythonError(std::move(text), type, value, trace);
}

PyObject* imported(const char* module, const char* name) {
  static std::map<std::pair<std::string, std::string>, PyObject*>& kept =
      *new std::map<std::pair<std::string, std::string>, PyObject*>;
  PyObject*& slot = kept[{module, name}];
  if (!slot) {
    Object m{PyImport_ImportModule(module)};
    if (m) slot = PyObject_GetAttrString(m.get(), name);
  }
  if (!slot) throw ErrorSet{};
  return slot;
}

void add_methods(PyObject* module, PyMethodDef* methods) { check_status(PyModule_AddFunctions(module, methods)); }

}  // namespace rushlight::py
