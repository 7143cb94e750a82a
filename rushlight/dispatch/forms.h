// What few records say about their out= form; these stand among a record's forms.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

// The tensor given may have any dtype that the result can be cast to, as with pointwise operators and those that take dtype=.
constexpr Forms kOutConverts = Forms(16);
// The tensor given may share no memory with an argument.
constexpr Forms kOutApart = Forms(32);

}  // namespace rushlight
