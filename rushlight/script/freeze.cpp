#include "rushlight/graph/passes/passes.h"
#include "rushlight/script/module.h"

namespace rushlight::script {

using graph::ClassType;
using graph::Function;

namespace {

// The attributes of `self` that a block reads or sets.
void find_used(const graph::Block& b, const graph::Value* self, std::set<std::string>& used) {
  for (graph::Node* n : b) {
    for (graph::Block* inner : n->blocks()) find_used(*inner, self, used);
    if ((n->is("prim::GetAttr") || n->is("prim::SetAttr")) && n->input(0) == self)
      used.emplace(n->attribute("name").to_string());
  }
}

}  // namespace

Ref<ObjectValue> freeze_module(const Ref<ObjectValue>& module, const std::set<std::string>& methods,
                               const std::set<std::string>& kept, bool fold) {
  const ClassType& old = *graph::as_class(module->type);
  auto type = std::make_shared<ClassType>(old.name(), true);
  std::vector<std::shared_ptr<graph::Graph>> graphs;
  std::vector<Function*> functions;
  for (const std::string& name : methods) {
    Function* f = old.find_method(name);
    RL_CHECK(AttributeError, f, "freeze: the module has no method '", name, "'");
    graphs.push_back(f->made()->copy());
    functions.push_back(f);
  }
  std::vector<graph::Graph*> all;
  for (const auto& g : graphs) all.push_back(g.get());
  graph::freeze(all, *module, kept);
  std::set<std::string> used;
  for (graph::Graph* g : all) {
    if (fold) graph::fold_frozen(*g);
    find_used(*g->block(), g->inputs()[0], used);
  }
  for (const std::string& name : kept) used.insert(name.substr(0, name.find('.')));
  std::vector<IValue> slots;
  for (size_t i = 0; i < old.slots.size(); i++) {
    const ClassType::Slot& s = old.slots[i];
    if (!used.contains(s.name)) continue;
    type->add_slot(s.name, s.type, s.is_parameter, s.is_buffer);
    slots.push_back(module->slots[i]);
  }
  for (size_t i = 0; i < functions.size(); i++) {
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
  auto object = make_ref<ObjectValue>(type, slots.size());
  object->slots = std::move(slots);
  return object;
}

}  // namespace rushlight::script
