// What few records say about their out= form, and about C++; these stand among a record's forms.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

// The tensor given may have any dtype that the result can be cast to, as with pointwise operators and those that take dtype=.
constexpr Forms kOutConverts = Forms(16);
// The tensor given may share no memory with an argument.
constexpr Forms kOutApart = Forms(32);
// A method in C++, as in PyTorch, though not in Python.
constexpr Forms kCppMethod = Forms(64);
// The C++ method is written out in api/tensor.h, for types that no schema knows.
constexpr Forms kCppByHand = Forms(128);

}  // namespace rushlight
