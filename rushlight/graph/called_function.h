// prim::CallFunction(function, arguments...): a call of a compiled function. Its first input is a constant that holds the function.
#pragma once
#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// The constant, at the insert point.
Value* insert_function(Graph& graph, std::shared_ptr<Function> f);
// Null for a node that is no such call.
Function* called_function(const Node& n);
// Calls of functions become the functions' nodes; those of methods stay.
bool inline_functions(Graph& graph);

}  // namespace rushlight::graph
