#include <map>

#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/module.h"

namespace rushlight::script {

using graph::ClassType;
using graph::Function;

namespace {

using graph::FrozenMethod;
using graph::Slots;

// What "conv.weight" names: the object that has it, and "weight". Null if there is no such object.
std::pair<const ObjectValue*, std::string> owner_of(const ObjectValue& self, const std::string& name) {
  const ObjectValue* o = &self;
  size_t begin = 0;
  for (size_t dot; (dot = name.find('.', begin)) != std::string::npos && o; begin = dot + 1) {
    int slot = graph::as_class(o->type)->find_slot(name.substr(begin, dot - begin));
    o = slot >= 0 && o->slots[size_t(slot)].is_object() ? &o->slots[size_t(slot)].to_object() : nullptr;
  }
  return {o, name.substr(begin)};
}

// Which modules are left, and which of their attributes; and modules of classes that have no others.
class Rest {
 public:
  // The attributes that a block reads or sets, and modules that it does anything else with.
  void look(const FrozenMethod& m, const graph::Block& b) {
    for (graph::Node* n : b) {
      for (graph::Block* inner : n->blocks()) look(m, *inner);
      const bool member = n->is("prim::GetAttr") || n->is("prim::SetAttr");
      for (size_t i = 0; i < n->inputs().size(); i++) {
        const ObjectValue* o = graph::object_of(m, n->input(i));
        if (!o) continue;
        if (i == 0 && member) used_.emplace(o, n->attribute("name").to_string());
        else if (!n->is("prim::unchecked_cast")) whole_.insert(o);
      }
      for (graph::Value* v : n->outputs())
        if (const ObjectValue* o =
                n->is("prim::GetAttr") || n->is("prim::unchecked_cast") ? graph::object_of(m, v) : nullptr)
          places_.emplace_back(v, o);
    }
    for (graph::Value* v : b.outputs())
      if (const ObjectValue* o = graph::object_of(m, v)) whole_.insert(o);
  }
  // A name that is kept, and the modules on the way to it. One that names a module keeps all of it.
  void keep(const ObjectValue& self, const std::string& name) {
    if (size_t dot = name.rfind('.'); dot != std::string::npos) pass(self, name.substr(0, dot));
    auto [o, last] = owner_of(self, name);
    int slot = o ? graph::as_class(o->type)->find_slot(last) : -1;
    if (slot < 0) return;
    used_.emplace(o, last);
    if (o->slots[size_t(slot)].is_object()) whole_.insert(&o->slots[size_t(slot)].to_object());
  }
  // A module that has a method which is kept.
  void pass(const ObjectValue& self, const std::string& name) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      used_.insert(owner_of(self, name.substr(0, dot)));
    used_.insert(owner_of(self, name));
  }
  // One object for one, as they were. `root`: that it has other methods is what this is for.
  Ref<ObjectValue> of(const ObjectValue& o, bool root = false) {
    const ClassType& old = *graph::as_class(o.type);
    if (!root && (whole_.contains(&o) || !old.is_module)) return Ref<ObjectValue>(const_cast<ObjectValue*>(&o));
    if (auto known = made_.find(&o); known != made_.end()) return known->second;
    auto type = std::make_shared<ClassType>(old.name(), true);
    std::vector<IValue> slots;
    for (size_t i = 0; i < old.slots.size(); i++) {
      const ClassType::Slot& s = old.slots[i];
      if (!used_.contains({&o, s.name})) continue;
      IValue value = o.slots[i];
      TypePtr of_slot = s.type;
      if (value.is_object() && graph::as_class(value.to_object().type)->is_module) {
        Ref<ObjectValue> part = of(value.to_object());
        if (part.get() != &value.to_object()) of_slot = part->type;
        value = IValue(std::move(part));
      }
      type->add_slot(s.name, of_slot, s.is_parameter, s.is_buffer);
      slots.push_back(std::move(value));
    }
    auto object = make_ref<ObjectValue>(type, slots.size());
    object->slots = std::move(slots);
    return made_[&o] = object;
  }
  // The graphs speak of the new classes.
  void retype() {
    for (auto [v, o] : places_)
      if (auto made = made_.find(o); made != made_.end()) v->set_type(graph::as_class(made->second->type)->unowned());
  }

 private:
  Slots used_;
  std::set<const ObjectValue*> whole_;
  std::map<const ObjectValue*, Ref<ObjectValue>> made_;
  std::vector<std::pair<graph::Value*, const ObjectValue*>> places_;
};

}  // namespace

Ref<ObjectValue> freeze_module(const Ref<ObjectValue>& module, const std::set<std::string>& methods,
                               const std::set<std::string>& kept, bool fold, bool parameters) {
  std::vector<std::shared_ptr<graph::Graph>> graphs;
  std::vector<Function*> functions;
  std::vector<FrozenMethod> frozen;
  for (const std::string& name : methods) {
    auto [owner, method] = owner_of(*module, name);
    Function* f = owner ? graph::as_class(owner->type)->find_method(method) : nullptr;
    RL_CHECK(AttributeError, f, "freeze: the module has no method '", name, "'");
    graphs.push_back(f->made()->copy());
    functions.push_back(f);
    frozen.push_back({graphs.back().get(), owner});
  }
  Slots stay;
  for (const std::string& name : kept)
    if (auto place = owner_of(*module, name); place.first) stay.insert(place);
  graph::freeze(frozen, stay, parameters);
  Rest rest;
  for (const FrozenMethod& m : frozen) {
    if (fold) graph::fold_frozen(*m.graph);
    rest.look(m, *m.graph->block());
  }
  for (const std::string& name : kept) rest.keep(*module, name);
  for (const std::string& name : methods)
    if (size_t dot = name.rfind('.'); dot != std::string::npos) rest.pass(*module, name.substr(0, dot));
  Ref<ObjectValue> object = rest.of(*module, true);
  std::vector<Ref<ObjectValue>> owners;
  for (const FrozenMethod& m : frozen) owners.push_back(m.self == module.get() ? object : rest.of(*m.self));
  rest.retype();
  for (size_t i = 0; i < functions.size(); i++) {
    auto type = graph::as_class_shared(owners[i]->type);
    if (owners[i].get() == frozen[i].self) continue;  // it is as it was
    auto f = std::make_shared<Function>();
    f->name = functions[i]->name;
    // A copy, because a graph keeps its nodes to its end: those that folding destroyed hold the weights of before.
    f->compile = [from = functions[i], c = type.get(), g = graphs[i]->copy()](Function& into) {
      into.schema = from->schema;
      into.schema.args[0].type = c->unowned();
      into.schema.args[0].type_name = c->name();
      g->inputs()[0]->set_type(c->unowned());
      into.graph = g;
    };
    f->made();
    type->add_method(std::move(f));
  }
  return object;
}

}  // namespace rushlight::script
