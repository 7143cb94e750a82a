#include "rushlight/script/custom_class.h"

#include <map>
#include <mutex>

#include "rushlight/dispatch/schema_class.h"
#include "rushlight/graph/native_class.h"

namespace rushlight::script {

namespace {
std::mutex lock;
std::map<std::string, std::shared_ptr<graph::ClassType>>& classes() {
  static auto* all = new std::map<std::string, std::shared_ptr<graph::ClassType>>;
  return *all;
}
[[maybe_unused]] const bool installed =
    (schema_class = [](const std::string& name) -> TypePtr { return custom_class(name); }, true);
}  // namespace

void add_custom_class(std::shared_ptr<graph::ClassType> type) {
  std::lock_guard guard(lock);
  std::string name = type->name();
  RL_CHECK(RuntimeError, classes().emplace(name, std::move(type)).second, "torch::class_: a class of the name ", name,
           " is registered already");
}
void forget_custom_class(const std::string& full_name) {
  std::lock_guard guard(lock);
  classes().erase(full_name);
}
std::shared_ptr<graph::ClassType> custom_class(const std::string& full_name) {
  {
    std::lock_guard guard(lock);
    if (auto found = classes().find(full_name); found != classes().end()) return found->second;
  }
  return graph::find_native_class(full_name);
}

}  // namespace rushlight::script
