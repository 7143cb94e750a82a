// Records written in TorchScript (dispatch/scripted.h), as graphs hold them: the operators that they consist of.
#pragma once
#include "rushlight/graph/ir.h"

namespace rushlight::graph {

// Puts what a call of the record does at the graph's insert point; of inputs that are constants it needs no branches. Returns what stands
// for the results. Defined in script/records.cpp, where text is compiled. Throws ScriptError where the types of the inputs don't fit.
std::vector<Value*> inline_record(Graph& graph, const Op& op, const std::vector<Value*>& inputs);

}  // namespace rushlight::graph
