// pybind11 with casters for torch::Tensor, Device, dtype and Generator, as PyTorch's header of this name. Needs pybind11's headers and Python's.
#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "rushlight/api/api.h"
#include "rushlight/api/python.h"

namespace rushlight::api {
inline const PythonApi& python_api() {
  const PythonApi* api = imported_api(PyCapsule_Import);
  if (!api) throw pybind11::error_already_set();
  return *api;
}
}  // namespace rushlight::api

namespace pybind11::detail {

#define RL_PYBIND_CASTER(Type, Raw, text, to, from, lower)                      \
  template <>                                                                   \
  struct type_caster<Type> {                                                    \
    PYBIND11_TYPE_CASTER(Type, const_name(text));                               \
    bool load(handle source, bool) {                                            \
      Raw found{};                                                              \
      if (!rushlight::api::python_api().to(source.ptr(), &found)) return false; \
      value = Type(found);                                                      \
      return true;                                                              \
    }                                                                           \
    static handle cast(const Type& v, return_value_policy, handle) {            \
      PyObject* made = rushlight::api::python_api().from(lower);                \
      if (!made) throw error_already_set();                                     \
      return made;                                                              \
    }                                                                           \
  };
RL_PYBIND_CASTER(rushlight::api::Tensor, rushlight::Tensor, "torch.Tensor", tensor, from_tensor, v)
RL_PYBIND_CASTER(rushlight::api::Device, rushlight::Device, "torch.device", device, from_device, v)
RL_PYBIND_CASTER(rushlight::DType, rushlight::DType, "torch.dtype", dtype, from_dtype, v)
RL_PYBIND_CASTER(rushlight::api::Generator, rushlight::Ref<rushlight::Generator>, "torch.Generator", generator,
                 from_generator, v.unsafe_get())
#undef RL_PYBIND_CASTER

// Numbers of Python.
template <>
struct type_caster<rushlight::api::Scalar> {
  PYBIND11_TYPE_CASTER(rushlight::api::Scalar, const_name("Number"));
  bool load(handle source, bool) {
    if (PyBool_Check(source.ptr())) value = source.ptr() == Py_True;
    else if (PyLong_Check(source.ptr())) value = int64_t(source.cast<long long>());
    else if (PyFloat_Check(source.ptr())) value = source.cast<double>();
    else if (PyComplex_Check(source.ptr()))
      value = std::complex<double>(PyComplex_RealAsDouble(source.ptr()), PyComplex_ImagAsDouble(source.ptr()));
    else {
      rushlight::Tensor t;
      if (!rushlight::api::python_api().tensor(source.ptr(), &t) || t.dim() != 0) return false;
      value = rushlight::api::Tensor(t).item();
    }
    return true;
  }
  static handle cast(const rushlight::api::Scalar& v, return_value_policy, handle) {
    if (v.isBoolean()) return bool_(v.toBool()).release();
    if (v.isIntegral(false)) return int_(v.toLong()).release();
    if (v.isFloatingPoint()) return float_(v.toDouble()).release();
    return PyComplex_FromDoubles(v.toComplexDouble().real(), v.toComplexDouble().imag());
  }
};
// A list or tuple of ints.
template <>
struct type_caster<rushlight::IntArrayRef> {
  PYBIND11_TYPE_CASTER(rushlight::IntArrayRef, const_name("tuple[int, ...]"));
  bool load(handle source, bool convert) {
    list_caster<std::vector<int64_t>, int64_t> list;
    if (!list.load(source, convert)) return false;
    items_ = static_cast<std::vector<int64_t>&>(list);
    value = items_;
    return true;
  }
  static handle cast(rushlight::IntArrayRef v, return_value_policy, handle) {
    tuple out(v.size());
    for (size_t i = 0; i < v.size(); i++) out[i] = v[i];
    return out.release();
  }

 private:
  std::vector<int64_t> items_;
};

}  // namespace pybind11::detail
