// Tensors from Python data, numpy arrays, buffers and DLPack.
#pragma once
#include <optional>

#include "py_tensor.h"
#include "py_types.h"

namespace rushlight::py {

// A copy of numbers, nested sequences, arrays or a tensor. Without a dtype the data's own: bool, int64, the default float, ...
Tensor tensor_from(PyObject* data, std::optional<DType> dtype, std::optional<Device> device);
// Shares the memory of an object with the buffer protocol (a numpy array); the object lives as long as the storage.
Tensor tensor_over_array(PyObject* array);
bool is_numpy_array(PyObject* o);
// A numpy array over the tensor's memory.
PyObject* numpy_over(const Tensor& t);
// "torch.FloatTensor": the name of the type of old.
std::string tensor_type_text(const Tensor& t);
// Whether t is on the device; one without index is the current of its type. Throws for a device that is not there.
bool is_there(const Tensor& t, Device d);
Tensor converted(const Tensor& t, std::optional<DType> dtype, std::optional<Device> device, bool copy = false);

void bind_new(PyObject* module);
void bind_numpy(PyObject* module);

}  // namespace rushlight::py
