// Methods as instructions for PyTorch's lite interpreter (bytecode.pkl of version 8): a stack machine with registers.
// Specification: torch/csrc/jit/runtime/instruction.h, and what PyTorch's _save_for_lite_interpreter writes.
#pragma once
#include <functional>

#include "rushlight/io/pickle.h"
#include "rushlight/script/module.h"

namespace rushlight::script {

struct BytecodeOptions {
  std::function<std::string(const TypePtr&)> type_text;    // what the archive calls a type
  std::function<void(io::Pickler&, const IValue&)> write;  // a constant
};
// The pickle of these methods, which are compiled. Throws NotImplementedError for what the lite interpreter can't do.
std::string bytecode(const std::string& class_name, const std::vector<graph::Function*>& methods,
                     const BytecodeOptions& options);

}  // namespace rushlight::script
