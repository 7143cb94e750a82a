#include "rushlight/graph/native_class.h"

#include <mutex>

#include "rushlight/dispatch/library.h"

namespace rushlight::graph {
namespace {

constexpr std::string_view kPrefix = "__torch__.torch.classes.";

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

}  // namespace

void define_native_class(const std::string& name, Prepare prepare, std::map<std::string, std::string> methods) {
  std::string full = std::string(kPrefix) + name;
  auto type = std::make_shared<ClassType>(full, false);
  type->add_slot("state", Type::any());
  type->add_slot("parts", Type::any());
  Classes& all = classes();
  std::lock_guard guard(all.lock);
  auto [at, fresh] = all.known.emplace(full, type);
  RL_CHECK(RuntimeError, fresh, "torch.classes.", name, " is defined twice");
  all.by_type[type.get()] = {prepare, std::move(methods)};
}

std::shared_ptr<ClassType> find_native_class(const std::string& full) {
  if (!full.starts_with(kPrefix)) return nullptr;
  auto find = [&]() -> std::shared_ptr<ClassType> {
    std::lock_guard guard(classes().lock);
    auto found = classes().known.find(full);
    return found == classes().known.end() ? nullptr : found->second;
  };
  if (auto type = find()) return type;
  std::string ns = full.substr(kPrefix.size());
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
