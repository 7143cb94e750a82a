// How C++ code of a Python extension turns Python's tensors, dtypes, devices and generators into C++ ones and back: what the casters of
// torch/csrc/utils/pybind.h (pybind11) and rushlight/nanobind.h are made of. The functions are those of rushlight's own module.
#pragma once
#include "rushlight/api/tensor.h"

struct _object;  // PyObject, so that nothing here needs Python.h

namespace rushlight::api {

struct PythonApi {
  static constexpr uint32_t kVersion = 1;
  static constexpr const char* kCapsule = "rushlight._C._extension_api";
  uint32_t version;
  // False where the object is of another kind; no error is set.
  bool (*tensor)(_object* o, rushlight::Tensor* out);
  bool (*dtype)(_object* o, DType* out);
  bool (*device)(_object* o, rushlight::Device* out);  // also "cuda:0"
  bool (*generator)(_object* o, Ref<rushlight::Generator>* out);
  // New references; null with Python's error set.
  _object* (*from_tensor)(const rushlight::Tensor& t);
  _object* (*from_dtype)(DType d);
  _object* (*from_device)(rushlight::Device d);
  _object* (*from_generator)(rushlight::Generator* g);
};

// Of the rushlight that this process imports. `import` is PyCapsule_Import; null with Python's error set where that fails.
inline const PythonApi* imported_api(void* (*import)(const char* name, int no_block)) {
  static const PythonApi* api = nullptr;
  if (api) return api;
  const auto* found = static_cast<const PythonApi*>(import(PythonApi::kCapsule, 0));
  if (found && found->version < PythonApi::kVersion)
    throw RuntimeError("this extension was built for a newer rushlight than the one that is imported; install that");
  return api = found;
}

}  // namespace rushlight::api
