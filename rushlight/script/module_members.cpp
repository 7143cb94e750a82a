#include "rushlight/script/module_members.h"

#include <set>

#include "rushlight/script/lowering.h"

namespace rushlight::script {

using TK = Type::Kind;

std::string container_of(const graph::ClassType& c) {
  auto kind = c.constants.find(kContainer);
  return kind == c.constants.end() ? "modules"
                                   : std::string(kind->second.to_string());  // of an archive: what has submodules
}
std::vector<Member> members(const Range& range, Lowering& l, Value* module) {
  const graph::ClassType* c = graph::as_class(module->type());
  bool parameters = container_of(*c).find("parameters") != std::string::npos;
  std::vector<Member> out;
  for (const auto& slot : c->slots)
    if (parameters ? slot.is_parameter : graph::as_class(slot.type) != nullptr)
      out.push_back({slot.name, graph_value(module)->attribute(range, l, slot.name)});
  return out;
}

namespace {
class ModuleTable final : public Sugared {
 public:
  ModuleTable(Value* m, std::string v = {}) : module_(m), view_(std::move(v)) {}
  std::string kind() const override { return "the table of submodules"; }
  SugaredPtr attribute(const Range&, Lowering&, const std::string& name) override {
    return module_table(module_, name);
  }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>&) override {
    std::vector<SugaredPtr> out;
    for (const Member& m : members(range, l, module_)) {
      SugaredPtr name = constant_of(m.name);
      out.push_back(view_ == "values" ? m.value
                    : view_ == "keys" ? name
                                      : std::make_shared<TupleOf>(std::vector<SugaredPtr>{name, m.value}));
    }
    return std::make_shared<TupleOf>(std::move(out));
  }

 private:
  Value* module_;
  std::string view_;
};
class ModuleWalk final : public Sugared {
 public:
  ModuleWalk(Value* m, std::string name) : module_(m), name_(std::move(name)) {}
  static bool knows(const std::string& name) {
    static const std::set<std::string> all = {"modules",    "named_modules",    "children", "named_children",
                                              "parameters", "named_parameters", "buffers",  "named_buffers"};
    return all.contains(name);
  }
  std::string kind() const override { return "method '" + name_ + "'"; }
  SugaredPtr call(const Range& range, Lowering& l, const std::vector<CallArg>& args) override {
    if (!args.empty()) fail(range, str(name_, "() takes no arguments in TorchScript"));
    std::vector<Member> found;
    if (what() == "modules") found.push_back({"", graph_value(module_)});
    walk(range, l, module_, "", found);
    std::vector<SugaredPtr> out;
    for (const Member& m : found)
      out.push_back(named() ? std::make_shared<TupleOf>(std::vector<SugaredPtr>{constant_of(m.name), m.value})
                            : m.value);
    return std::make_shared<TupleOf>(std::move(out));
  }

 private:
  bool named() const { return name_.starts_with("named_"); }
  std::string what() const { return named() ? name_.substr(6) : name_; }
  void walk(const Range& range, Lowering& l, Value* module, const std::string& prefix, std::vector<Member>& out) {
    const std::string wanted = what();
    const auto& slots = graph::as_class(module->type())->slots;
    for (const auto& slot : slots)
      if (!slot.type->is(TK::None) &&
          (wanted == "parameters" ? slot.is_parameter : wanted == "buffers" && slot.is_buffer))
        out.push_back({prefix + slot.name, graph_value(module)->attribute(range, l, slot.name)});
    for (const auto& slot : slots) {
      const graph::ClassType* child = graph::as_class(slot.type);
      if (!child || !child->is_module || child->is_interface) continue;
      SugaredPtr v = graph_value(module)->attribute(range, l, slot.name);
      if (wanted == "children" || wanted == "modules") out.push_back({prefix + slot.name, v});
      if (wanted != "children") walk(range, l, v->as_value(range, l), prefix + slot.name + ".", out);
    }
  }
  Value* module_;
  std::string name_;
};
}  // namespace

SugaredPtr module_table(Value* module, std::string view) {
  return std::make_shared<ModuleTable>(module, std::move(view));
}
SugaredPtr module_walk(Value* module, const std::string& name) {
  return ModuleWalk::knows(name) ? std::make_shared<ModuleWalk>(module, name) : nullptr;
}

}  // namespace rushlight::script
