#pragma once
#include <cstdint>

namespace rushlight::graph {

// Primitives on two numbers of one kind that the loop computes itself, where the result is one; else, as for a sum that does not fit, the
// primitive does, and says what is wrong.
enum class Quick : int64_t { None, Add, Sub, Mul, FloorDiv, Mod, Lt, Le, Gt, Ge, Eq, Ne };

}  // namespace rushlight::graph
