// Classes whose objects C++ code holds (torch::class_): scripts make them as torch.classes.NAMESPACE.NAME and call their methods.
#pragma once
#include <memory>
#include <string>

#include "rushlight/graph/ir.h"

namespace rushlight::script {

constexpr const char* kCustomClasses = "__torch__.torch.classes.";  // what their full names begin with

// Until it is forgotten. Throws RuntimeError where there is one of that name already.
void add_custom_class(std::shared_ptr<graph::ClassType> type);
void forget_custom_class(const std::string& full_name);
// Null if there is none.
std::shared_ptr<graph::ClassType> custom_class(const std::string& full_name);
inline bool is_custom_class(const Type& t) { return t.name().rfind(kCustomClasses, 0) == 0; }

}  // namespace rushlight::script
