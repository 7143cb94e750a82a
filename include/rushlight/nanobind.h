// nanobind with casters for torch::Tensor, Device, dtype and Generator:
//
//   #include <rushlight/nanobind.h>
//   NB_MODULE(mine, m) { m.def("twice", [](const torch::Tensor& x) { return x * 2; }); }
#pragma once
#include <nanobind/nanobind.h>

#include "rushlight/api/api.h"
#include "rushlight/api/python.h"

namespace rushlight::api {
inline const PythonApi& nanobind_python_api() {
  const PythonApi* api = imported_api(PyCapsule_Import);
  if (!api) nanobind::raise_python_error();
  return *api;
}
}  // namespace rushlight::api

namespace nanobind::detail {

#define RL_NANOBIND_CASTER(Type, Raw, text, to, from, lower)                             \
  template <>                                                                            \
  struct type_caster<Type> {                                                             \
    NB_TYPE_CASTER(Type, const_name(text))                                               \
    bool from_python(handle source, uint8_t, cleanup_list*) noexcept {                   \
      Raw found{};                                                                       \
      if (!rushlight::api::nanobind_python_api().to(source.ptr(), &found)) return false; \
      value = Type(found);                                                               \
      return true;                                                                       \
    }                                                                                    \
    static handle from_cpp(const Type& v, rv_policy, cleanup_list*) noexcept {           \
      return rushlight::api::nanobind_python_api().from(lower);                          \
    }                                                                                    \
  };
RL_NANOBIND_CASTER(rushlight::api::Tensor, rushlight::Tensor, "torch.Tensor", tensor, from_tensor, v)
RL_NANOBIND_CASTER(rushlight::api::Device, rushlight::Device, "torch.device", device, from_device, v)
RL_NANOBIND_CASTER(rushlight::DType, rushlight::DType, "torch.dtype", dtype, from_dtype, v)
RL_NANOBIND_CASTER(rushlight::api::Generator, rushlight::Ref<rushlight::Generator>, "torch.Generator", generator,
                   from_generator, v.unsafe_get())
#undef RL_NANOBIND_CASTER

}  // namespace nanobind::detail
