// Scripted models in C++ programs, without Python, as PyTorch programs include them, with
// those of the standard headers that PyTorch's brings.
#pragma once
#include <cassert>
#include <cfloat>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <list>
#include <numeric>
#include <set>
#include <stack>
#include <thread>
#include <unordered_set>

#include "rushlight/api/api.h"
#include "torch/version.h"
