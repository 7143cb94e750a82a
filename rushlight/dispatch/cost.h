// What a call costs in multiply-adds: those of products of matrices, convolutions and recurrent steps, next to which all else is small.
//
//   COST(mm, [](const IValue* args, const IValue* rets) { ... });
//
// stands after the OP of that name, and says it for all its forms. `COST(` at the start of a line is what the build collects.
#pragma once
#include "rushlight/dispatch/op.h"

namespace rushlight {

#define COST(name, ...) \
  int64_t rl_cost_##name(const IValue* args, const IValue* rets) { return (__VA_ARGS__)(args, rets); }

// Of a call that was made with these arguments and gave these results. A composite has none of its own: its parts have.
int64_t multiply_adds(const Op& op, const IValue* args, const IValue* rets);

}  // namespace rushlight
