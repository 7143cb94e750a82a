// What extensions include: tensors, TORCH_LIBRARY and, where pybind11 and Python's headers are found, PYBIND11_MODULE(TORCH_EXTENSION_NAME, m).
#pragma once
#include "torch/torch.h"
#if defined(TORCH_EXTENSION_NAME) || (__has_include(<pybind11/pybind11.h>) && __has_include(<Python.h>))
#include <pybind11/functional.h>
#include <pybind11/numpy.h>

#include "torch/csrc/utils/pybind.h"
namespace py = pybind11;
#endif
