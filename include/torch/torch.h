// The C++ front end, as PyTorch programs include it: tensors, operators, autograd and scripted models; no nn, optim or data yet.
#pragma once
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "rushlight/api/api.h"
#include "torch/version.h"
