// What a module's class holds, as names of a script: its submodules and parameters, and Python's walks over them. Known while compiling.
#pragma once
#include "rushlight/script/sugared.h"

namespace rushlight::script {

// A submodule or parameter.
struct Member {
  std::string name;
  SugaredPtr value;
};

// What going through a module of the class gives; see kContainer.
std::string container_of(const graph::ClassType& c);
// What is in a module that is a container: submodules, or parameters.
std::vector<Member> members(const Range& range, Lowering& l, Value* module);
// `_modules` of a module, which Python's nn.Sequential goes through, or its method `view`: keys, values or items.
SugaredPtr module_table(Value* module, std::string view = {});
// self.named_modules() and its like: what Python's nn.Module has of these. Null for other names.
SugaredPtr module_walk(Value* module, const std::string& name);

}  // namespace rushlight::script
