// Operators on values that are no tensors, by PyTorch's names and schemas.
#pragma once
#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// All overloads of a name ("aten::len"), in the order they are tried.
const std::vector<const Primitive*>& primitives(const std::string& name);

// Python's "{} {}".format(...): args[0] is the pattern.
std::string format_values(const IValue* args, size_t count);
// Python's format(value, spec), and pattern % arguments: args[0] is the pattern.
std::string format_value(const IValue& v, std::string_view spec);
std::string percent_format(const IValue* args, size_t count);

}  // namespace rushlight::graph
