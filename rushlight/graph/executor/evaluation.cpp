#include "rushlight/graph/executor/evaluation.h"

#include <algorithm>
#include <functional>

#include "rushlight/graph/executor/slots.h"
#include "rushlight/graph/walk.h"

namespace rushlight::graph {
namespace {

int slot_of(const Node& n) {
  const ClassType* c = as_class(n.input(0)->type());
  return c && c->is_module && !c->is_interface ? c->find_slot(std::string(n.attribute("name").to_string())) : -1;
}
// The value is the method's module, or what attributes of attributes of it hold.
bool is_part(const Graph& graph, const Value* v) {
  if (v == graph.inputs()[0]) return true;
  const Node& n = *v->node();
  return n.is("prim::GetAttr") && slot_of(n) >= 0 && is_part(graph, n.input());
}
bool reads_flag(const Graph& graph, const Node& n) {
  return n.is("prim::GetAttr") && n.attribute("name").to_string() == "training" &&
         n.output()->type()->is(Type::Kind::Bool) && is_part(graph, n.output());
}

}  // namespace

TrainingFlags::TrainingFlags(const Graph& graph) {
  if (graph.inputs().empty()) return;
  std::function<size_t(const Value*)> part = [&](const Value* v) -> size_t {
    if (v == graph.inputs()[0]) return 0;
    Place place{part(v->node()->input()), size_t(slot_of(*v->node()))};
    auto known = std::find(parts_.begin(), parts_.end(), place);
    if (known == parts_.end()) known = parts_.insert(parts_.end(), place);
    return size_t(known - parts_.begin()) + 1;
  };
  bool assigned = false;
  each_node(*graph.block(), [&](Node* n) {
    if (n->is("prim::SetAttr"))
      assigned |= n->attribute("name").to_string() == "training" || as_class(n->input(1)->type());
    if (!reads_flag(graph, *n)) return;
    Place place{part(n->input()), size_t(slot_of(*n))};
    if (std::find(flags_.begin(), flags_.end(), place) == flags_.end()) flags_.push_back(place);
  });
  if (assigned) flags_.clear();
}

bool TrainingFlags::all_off(const IValue& self) const {
  if (!self.is_object()) return false;
  Reading reading;
  constexpr size_t kFew = 64;
  const ObjectValue *few[kFew], **objects = few;
  std::vector<const ObjectValue*> many;
  if (parts_.size() >= kFew) {
    many.resize(parts_.size() + 1);
    objects = many.data();
  }
  objects[0] = &self.to_object();
  auto at = [&](const Place& p) {
    const auto& slots = objects[p.owner]->slots;
    return p.slot < slots.size() ? &slots[p.slot] : nullptr;
  };
  for (size_t i = 0; i < parts_.size(); i++) {
    const IValue* v = at(parts_[i]);
    if (!v || !v->is_object()) return false;
    objects[i + 1] = &v->to_object();
  }
  return std::all_of(flags_.begin(), flags_.end(), [&](const Place& p) {
    const IValue* v = at(p);
    return v && v->is_bool() && !v->to_bool();
  });
}

void TrainingFlags::assume_off(Graph& graph) const {
  each_node(*graph.block(), [&](Node* n) {
    if (!reads_flag(graph, *n)) return;
    InsertPoint here(graph, n);
    n->output()->replace_all_uses_with(graph.insert_constant(false));
  });
}

}  // namespace rushlight::graph
