// Which operators the text of an archive calls, without compiling it.
#pragma once
#include <map>

#include "rushlight/script/source.h"

namespace rushlight::script {

struct UsedOperator {
  size_t calls = 0;
  Range first;
  bool known = true;  // this build has it, or what stands for it
};
// By their names in graphs ("aten::relu", "mine::scale"): what follows `torch.` and `ops.`. Throws ScriptError for text that is none.
void add_used_operators(const std::shared_ptr<const Source>& source, std::map<std::string, UsedOperator>& out);
// Throws ScriptError that names all of them that are not known, if there are any.
void check_used_operators(const std::map<std::string, UsedOperator>& used);

}  // namespace rushlight::script
