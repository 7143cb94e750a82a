#include "rushlight/graph/passes/effects.h"

#include <algorithm>

namespace rushlight::graph {
namespace {

// Nodes without a schema that only arrange values.
bool is_structure(const Node& n) {
  for (const char* kind : {"prim::Constant",
                           "prim::If",
                           "prim::Loop",
                           "prim::Network",
                           "prim::FusionGroup",
                           "prim::fork",
                           "prim::awaitable",
                           "prim::awaitable_nowait",
                           "prim::ListConstruct",
                           "prim::ListUnpack",
                           "prim::TupleConstruct",
                           "prim::TupleUnpack",
                           "prim::TupleIndex",
                           "prim::DictConstruct",
                           "prim::GetAttr",
                           "prim::unchecked_cast",
                           "prim::unchecked_unwrap_optional",
                           "prim::isinstance",
                           "prim::Uninitialized",
                           "aten::format",
                           "aten::percentFormat"})
    if (n.is(kind)) return true;
  return false;
}

// Can fail for some inputs, so that whether it runs can be seen. Tensor operators fail for wrong shapes too; like PyTorch's, a dead one
// may go all the same.
bool raises_by_purpose(const Node& n) { return n.is("prim::RaiseException") || n.is("aten::_unwrap_optional"); }

// False where the record says that an argument decides, and that argument is known to be False, 0 or None.
bool holds(const Op::Effect& e, const Node& n) {
  if (e.when < 0) return true;
  const IValue* v = constant_of(n.input(size_t(e.when)));
  if (!v) return true;
  return !(v->is_none() || (v->is_scalar() && v->to_scalar().equals(0)));
}
bool any_holds(const std::vector<Op::Effect>& effects, const Node& n) {
  return std::any_of(effects.begin(), effects.end(), [&](const Op::Effect& e) { return holds(e, n); });
}

}  // namespace

bool sets_mode(const Node& n) {
  if (n.is("aten::set_grad_enabled")) return true;
  for (const Block* b : n.blocks())
    for (const Node* inner : *b)
      if (sets_mode(*inner)) return true;
  return false;
}

bool only_makes(const Node& n) {
  if (n.is("aten::tensor")) return true;
  return n.op && !n.op->def().opaque && !any_holds(n.op->shares(), n) && !any_holds(n.op->writes(), n);
}

bool is_random(const Node& n) { return n.op && any_holds(n.op->draws(), n); }

bool has_side_effects(const Node& n) {
  for (const Block* b : n.blocks())
    for (const Node* inner : *b)
      if (has_side_effects(*inner)) return true;
  if (n.op) return n.op->def().opaque || is_random(n) || any_holds(n.op->writes(), n);
  if (raises_by_purpose(n) || sets_mode(n)) return true;
  if (n.primitive && n.primitive->schema.returns.empty()) return true;  // aten::warn, aten::manual_seed
  if (const Schema* s = n.schema())
    return std::any_of(s->args.begin(), s->args.end(), [](const Argument& a) { return a.is_mutated; });
  return !is_structure(n);
}

bool is_pure(const Node& n) {
  if (has_side_effects(n) || !n.blocks().empty()) return false;
  if (n.is("prim::GetAttr") || n.is("prim::Uninitialized") || n.is("aten::Generator") ||
      n.is("aten::is_grad_enabled") || n.is("prim::grad") || n.is("aten::grad"))
    return false;
  return true;
}

bool is_mutable(const Type& t) {
  switch (t.kind()) {
    case Type::Kind::Int:
    case Type::Kind::Float:
    case Type::Kind::Bool:
    case Type::Kind::Complex:
    case Type::Kind::Number:
    case Type::Kind::String:
    case Type::Kind::None:
    case Type::Kind::Device: return false;
    case Type::Kind::Optional:
    case Type::Kind::Tuple:
    case Type::Kind::Union:
      for (const TypePtr& c : t.contained())
        if (is_mutable(*c)) return true;
      return false;
    default: return true;
  }
}

AliasSets::AliasSets(const Graph& graph, bool attributes_apart) : attributes_apart_(attributes_apart) {
  std::vector<Value*> inputs = graph.inputs();
  if (attributes_apart) inputs.erase(inputs.begin());
  join_all(inputs, inputs);
  escapes_.insert(escapes_.end(), inputs.begin(), inputs.end());
  escapes_.insert(escapes_.end(), graph.outputs().begin(), graph.outputs().end());
  visit(*graph.block());
  for (const Write& w : seen_) writes_[find(w.value)].push_back(places_.at(w.by).begin);
  for (const Value* v : reshapes_) reshaped_.insert(find(v));
  for (const Value* v : escapes_) escaping_.insert(find(v));
}

bool AliasSets::is_written_between(const Value* v, const Node* from, const Node* to) {
  auto writes = writes_.find(find(v));
  if (writes == writes_.end()) return false;
  // Of a node around `to` all counts: a loop runs what stands behind `to` before it comes there again.
  bool inside = false;
  while (to->owner() != from->owner()) {
    to = to->owner()->owner();
    if (!to) return true;
    inside = true;
  }
  auto first = places_.find(from), last = places_.find(to);
  if (first == places_.end() || last == places_.end()) return true;  // nodes that a pass made
  int begin = first->second.end, end = inside ? last->second.end + 1 : last->second.begin;
  return std::any_of(writes->second.begin(), writes->second.end(), [&](int at) { return at > begin && at < end; });
}

const Value* AliasSets::find(const Value* v) {
  auto at = parent_.find(v);
  if (at == parent_.end() || at->second == v) return v;
  const Value* root = find(at->second);
  parent_[v] = root;
  return root;
}
void AliasSets::join(const Value* a, const Value* b) {
  if (is_mutable(*a->type()) && is_mutable(*b->type())) parent_[find(a)] = find(b);
}
void AliasSets::join_all(const std::vector<Value*>& a, const std::vector<Value*>& b) {
  const Value* first = nullptr;  // of the values that can be changed
  for (const auto* values : {&a, &b})
    for (const Value* v : *values) {
      if (!is_mutable(*v->type())) continue;
      if (first) join(v, first);
      else first = v;
    }
}

void AliasSets::visit(const Block& b) {
  for (const Node* n : b) visit(*n);
}

void AliasSets::visit(const Node& n) {
  int number = next_++;
  places_[&n] = {number, number};
  if (n.is("prim::If")) {
    for (const Block* b : n.blocks()) {
      visit(*b);
      for (size_t i = 0; i < n.outputs().size(); i++) join(n.output(i), b->outputs()[i]);
    }
  } else if (n.is("prim::Loop")) {
    const Block& body = *n.blocks()[0];
    visit(body);
    for (size_t i = 0; i < n.outputs().size(); i++) {
      join(n.output(i), n.input(i + 2));
      join(n.output(i), body.inputs()[i + 1]);
      join(n.output(i), body.outputs()[i + 1]);
    }
  } else {
    for (const Block* b : n.blocks()) visit(*b);
    if (n.is("prim::fork") || n.is("prim::awaitable")) join(n.output(), n.blocks()[0]->outputs()[0]);
    visit_operator(n);
  }
  places_[&n].end = next_ - 1;
}

void AliasSets::visit_operator(const Node& n) {
  if (n.op && !n.op->def().opaque) {
    std::vector<Value*> shared;
    for (const Op::Effect& e : n.op->shares())
      if (holds(e, n)) shared.push_back(n.input(size_t(e.arg)));
    if (!shared.empty()) join_all(shared, n.outputs());
    for (const Op::Effect& e : n.op->writes()) {
      if (!holds(e, n)) continue;
      write(n.input(size_t(e.arg)), n);
      if (n.op->def().reshapes || n.op->form() == Op::Form::Out) reshapes_.push_back(n.input(size_t(e.arg)));
    }
    return;
  }
  if (attributes_apart_ && n.is("prim::GetAttr")) return;
  if (attributes_apart_ && n.is("prim::SetAttr")) {  // who reads the attribute may write to it
    write(n.input(1), n);
    escapes_.push_back(n.input(1));
    return;
  }
  // A primitive may hand out or take in what a list holds; what is unknown may do anything with what it is given.
  join_all(n.inputs(), n.outputs());
  if (const Schema* s = n.op ? nullptr : n.schema()) {
    for (size_t i = 0; i < s->args.size() && i < n.inputs().size(); i++)
      if (s->args[i].is_mutated) write(n.input(i), n);
  } else if (has_side_effects(n)) {
    for (const Value* v : n.inputs()) write(v, n);
    reshapes_.insert(reshapes_.end(), n.inputs().begin(), n.inputs().end());
    escapes_.insert(escapes_.end(), n.inputs().begin(), n.inputs().end());
  }
}

}  // namespace rushlight::graph
