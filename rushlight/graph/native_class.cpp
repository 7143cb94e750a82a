#include "rushlight/graph/native_class.h"

#include <mutex>

#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/schema_class.h"

namespace rushlight::graph {
namespace {

struct Classes {
  std::mutex lock;
  std::map<std::string, std::shared_ptr<ClassType>> known;
  struct Made {
    Prepare prepare;
    std::map<std::string, std::string> methods;
  };
  std::map<const ClassType*, Made> by_type;
};
Classes& classes() {
  static auto* all = new Classes;
  return *all;
}

[[maybe_unused]] const bool installed =
    (schema_class = [](const std::string& name) -> TypePtr { return find_native_class(name); }, true);

}  // namespace

void add_native_class(std::shared_ptr<ClassType> type) {
  std::lock_guard guard(classes().lock);
  std::string name = type->name();
  RL_CHECK(RuntimeError, classes().known.emplace(name, std::move(type)).second, "torch::class_: a class of the name ",
           name, " is registered already");
}

void define_native_class(const std::string& name, Prepare prepare, std::map<std::string, std::string> methods) {
  auto type = std::make_shared<ClassType>(std::string(kNativeClasses) + name, false);
  type->add_slot("state", Type::any());
  type->add_slot("parts", Type::any());
  add_native_class(type);
  std::lock_guard guard(classes().lock);
  classes().by_type[type.get()] = {prepare, std::move(methods)};
}

std::shared_ptr<ClassType> find_native_class(const std::string& full) {
  if (!full.starts_with(kNativeClasses)) return nullptr;
  auto find = [&]() -> std::shared_ptr<ClassType> {
    std::lock_guard guard(classes().lock);
    auto found = classes().known.find(full);
    return found == classes().known.end() ? nullptr : found->second;
  };
  if (auto type = find()) return type;
  std::string ns = full.substr(kNativeClasses.size());
  load_provided(ns.substr(0, ns.find('.')) + "::");
  return find();
}

bool is_native(const ClassType& c) {
  std::lock_guard guard(classes().lock);
  return classes().by_type.contains(&c);
}

std::string native_method(const ClassType& c, const std::string& name) {
  std::lock_guard guard(classes().lock);
  auto known = classes().by_type.find(&c);
  if (known == classes().by_type.end()) return {};
  auto found = known->second.methods.find(name);
  return found == known->second.methods.end() ? std::string() : found->second;
}

IValue make_native(const std::shared_ptr<ClassType>& c, IValue state) {
  Prepare prepare;
  {
    std::lock_guard guard(classes().lock);
    prepare = classes().by_type.at(c.get()).prepare;
  }
  auto object = make_ref<ObjectValue>(c, 2);
  object->slots[1] = IValue::capsule(prepare(state));
  object->slots[0] = std::move(state);
  return object;
}

const IValue& native_state(const ObjectValue& o) { return o.slots[0]; }

RefCounted& native_parts(const IValue& object, const std::string& full) {
  bool fits =
      object.is_object() && object.to_object().type->name() == full && is_native(*as_class(object.to_object().type));
  RL_CHECK(TypeError, fits, "expected an object of ", full, ", got ",
           object.is_object() ? object.to_object().type->name() : object.text());
  return *object.to_object().slots[1].object();
}

}  // namespace rushlight::graph
