// Parser: TorchScript text to a syntax tree. What Python has and TorchScript has not is an error with its place.
#pragma once
#include "rushlight/script/ast.h"

namespace rushlight::script {

// All statements of a file: functions and classes of an archive's code/, or one function taken from a Python file.
std::vector<StmtPtr> parse_module(const std::shared_ptr<const Source>& source);
// A single expression, as of a type comment or an f-string.
ExprPtr parse_expression(const std::shared_ptr<const Source>& source);

}  // namespace rushlight::script
