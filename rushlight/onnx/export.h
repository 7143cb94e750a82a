// The exporter: a graph of the IR, run once on examples, as an ONNX model.
//
// A node is written as ONNX's where it depends on an input, and computed where it doesn't. What the examples show (numbers of dimensions, dtypes) is
// taken for granted, sizes only where no axis is dynamic.
#pragma once
#include <string>
#include <vector>

#include "rushlight/graph/ir.h"
#include "rushlight/script/import.h"

namespace rushlight::onnx {

using script::ExportOptions;
// `args`: the examples, without the module; lists and tuples among them are inputs one after the other. Returns the file's bytes.
// Throws NotImplementedError naming an operator that ONNX can't express, or not in that version.
std::string export_model(const Ref<ObjectValue>& module, const std::string& method, std::vector<IValue> args,
                         const ExportOptions& options);

}  // namespace rushlight::onnx
