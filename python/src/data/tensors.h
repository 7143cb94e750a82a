// How nanobind takes and gives tensors, bytes and errors in rushlight._data and _caffe2: through the capsule that _C shows.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "py_tensor.h"
#include "rushlight/io/file.h"

namespace rushlight::py {

namespace nb = nanobind;
using namespace nb::literals;

inline TensorApi* tensor_api = nullptr;  // of this extension module, which calls meet_core() first

// Takes _C's capsule, and lets its errors become Python's as _C's own do.
inline void meet_core() {
  constexpr const char* name = "rushlight._C._tensor_api";
  tensor_api = static_cast<TensorApi*>(PyCapsule_Import(name, 0));
  if (!tensor_api) throw nb::python_error();
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Error&) { tensor_api->set_error(); }
  });
}

// A path is mapped; a uint8 tensor, bytes or another buffer is read where it lies.
struct Source {
  io::Bytes bytes;
  std::string path;  // "" for what is no file
  // How errors begin: "read_csv 'a.csv'", "decode_png".
  std::string where(const char* function) const { return path.empty() ? function : str(function, " '", path, "'"); }
};
Source source_of(nb::handle from, const char* function);

// Text of a file; what is no UTF-8 in it as \\xNN.
inline nb::object to_text(const std::string& s) {
  return nb::steal(PyUnicode_DecodeUTF8(s.data(), Py_ssize_t(s.size()), "backslashreplace"));
}
nb::list to_texts(const std::vector<std::string>& all);
// os.fsdecode(path).
std::string path_of(nb::handle path);
inline nb::object to_path(const std::string& s) {
  return nb::steal(PyUnicode_DecodeFSDefaultAndSize(s.data(), Py_ssize_t(s.size())));
}
inline nb::bytes to_bytes(const std::string& s) { return nb::bytes(s.data(), s.size()); }
Tensor to_tensor(const std::string& s);
inline nb::object to_object(Tensor t) { return nb::steal(tensor_api->wrap(std::move(t))); }

// What takes long and touches no object.
template <class F>
auto without_gil(F&& f) {
  nb::gil_scoped_release release;
  return f();
}

void bind_text(nb::module_& m);
void bind_images(nb::module_& m);
void bind_tables(nb::module_& m);
void bind_sets(nb::module_& m);
void bind_databases(nb::module_& m);
void bind_audio(nb::module_& m);

}  // namespace rushlight::py

namespace nanobind::detail {

template <>
struct type_caster<rushlight::Tensor> {
  NB_TYPE_CASTER(rushlight::Tensor, const_name("rushlight.Tensor"))
  bool from_python(handle from, uint8_t, cleanup_list*) noexcept {
    if (!PyObject_TypeCheck(from.ptr(), rushlight::py::tensor_api->type)) return false;
    value = rushlight::py::unwrap(from.ptr());
    return true;
  }
  static handle from_cpp(const rushlight::Tensor& t, rv_policy, cleanup_list*) noexcept {
    return rushlight::py::tensor_api->wrap(t);
  }
};

}  // namespace nanobind::detail
