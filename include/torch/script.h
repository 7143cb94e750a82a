// Scripted models in C++ programs, without Python, as PyTorch programs include them, with the
// smaller ones of the standard headers that PyTorch's brings.
#pragma once
#include <cassert>
#include <climits>
#include <cstring>
#include <iostream>
#include <iterator>
#include <list>
#include <numeric>
#include <set>
#include <unordered_set>

#include "rushlight/api/api.h"
#include "torch/version.h"
