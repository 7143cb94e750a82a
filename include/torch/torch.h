// The C++ front end, as PyTorch programs include it: tensors, operators, autograd, scripted models, torch::nn, torch::optim and torch::data.
#pragma once
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "rushlight/data/dataloader.h"
#include "rushlight/nn/nn.h"
#include "rushlight/optim/optim.h"
#include "torch/version.h"
