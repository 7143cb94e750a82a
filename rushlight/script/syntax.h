// What is asked of syntax trees before they are lowered.
#pragma once
#include <string>

#include "rushlight/script/ast.h"

namespace rushlight::script {

// Whether it may leave by `return`, or by `break` or `continue` of a loop around it; `in_loop`: those of a loop inside of it count no more.
bool has_exit(const StmtPtr& s, bool in_loop);
bool has_exit(const std::vector<StmtPtr>& body, bool in_loop);

// An annotation that says less than a call does.
bool is_open(const Expr& e);

// isinstance(x, T), or torch.jit.isinstance(x, T).
bool asks_type(const Expr& e);

// A class of errors that Python has without an import.
bool is_builtin_error(const std::string& name);

}  // namespace rushlight::script
