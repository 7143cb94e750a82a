// The C++ front end, as PyTorch programs include it: tensors, operators, autograd, scripted models, torch::nn, torch::optim and torch::data.
// The standard headers are those that PyTorch's brings, as programs rely on it.
#pragma once
#include <cassert>
#include <cfloat>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <queue>
#include <set>
#include <stack>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "rushlight/api/namespaces.h"
#include "rushlight/api/tensor_impl.h"
#include "rushlight/data/dataloader.h"
#include "rushlight/nn/nn.h"
#include "rushlight/optim/optim.h"
#include "torch/version.h"

// In an extension of Python, as cpp_extension compiles it.
#if defined(TORCH_API_INCLUDE_EXTENSION_H) && !defined(Py_LIMITED_API) && \
    __has_include(<pybind11/pybind11.h>) && __has_include(<Python.h>)
#include "torch/extension.h"
#endif
