#include "rushlight/graph/passes/effects.h"

namespace rushlight::graph {
namespace {

// Nodes without a schema that only arrange values.
bool is_structure(const Node& n) {
  for (const char* kind : {"prim::Constant", "prim::If", "prim::Loop", "prim::ListConstruct", "prim::ListUnpack",
                           "prim::TupleConstruct", "prim::TupleUnpack", "prim::TupleIndex", "prim::DictConstruct",
                           "prim::GetAttr", "prim::unchecked_cast", "prim::unchecked_unwrap_optional",
                           "prim::isinstance", "prim::Uninitialized", "aten::format", "aten::percentFormat"})
    if (n.is(kind)) return true;
  return false;
}

// Can fail for some inputs, so that whether it runs can be seen. Tensor operators fail for wrong shapes too; like PyTorch's, a dead one
// may go all the same.
bool raises_by_purpose(const Node& n) { return n.is("prim::RaiseException") || n.is("aten::_unwrap_optional"); }

// Normalisation that updates running statistics, which its schema does not say. Null, or the argument that switches it on.
const Value* updates_statistics(const Node& n) {
  if (!n.op) return nullptr;
  const Schema& s = n.op->schema();
  if (s.find_arg("running_mean") < 0) return nullptr;
  for (const char* name : {"training", "train", "use_input_stats"})
    if (int at = s.find_arg(name); at >= 0) return n.input(size_t(at));
  return nullptr;
}
bool writes_statistics(const Node& n) {
  const Value* on = updates_statistics(n);
  const IValue* known = on ? constant_of(on) : nullptr;
  return on && !(known && known->is_bool() && !known->to_bool());
}

// A list of numbers: operators only read it.
bool is_plain_list(const Type& t) {
  const Type& list = t.is(Type::Kind::Optional) ? *t.element() : t;
  return list.is(Type::Kind::List) && !is_mutable(*list.element());
}

}  // namespace

bool sets_mode(const Node& n) {
  if (n.is("aten::set_grad_enabled")) return true;
  for (const Block* b : n.blocks())
    for (const Node* inner : *b)
      if (sets_mode(*inner)) return true;
  return false;
}

bool is_random(const Node& n) {
  if (!n.op) return false;
  for (const Argument& a : n.op->schema().args)
    if (a.type_name.starts_with("Generator")) return true;
  // Forms without a generator argument draw from the default one.
  const std::string& name = n.op->name();
  for (const char* part : {"rand", "dropout", "bernoulli", "multinomial", "normal", "uniform", "rrelu", "attention"})
    if (name.find(part) != std::string::npos) return true;
  return false;
}

bool has_side_effects(const Node& n) {
  for (const Block* b : n.blocks())
    for (const Node* inner : *b)
      if (has_side_effects(*inner)) return true;
  if (raises_by_purpose(n) || n.is("aten::warn") || sets_mode(n) || is_random(n) || writes_statistics(n)) return true;
  if (const Schema* s = n.schema()) {
    if (n.op && n.op->def().opaque) return true;
    for (const Argument& a : s->args)
      if (a.is_mutated || a.is_out) return true;
    return false;
  }
  return !is_structure(n);
}

bool is_pure(const Node& n) {
  if (has_side_effects(n) || !n.blocks().empty()) return false;
  if (n.is("prim::GetAttr") || n.is("prim::Uninitialized") || n.is("aten::is_grad_enabled")) return false;
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

AliasSets::AliasSets(const Graph& graph) {
  const std::vector<Value*>& inputs = graph.inputs();
  join_all(inputs, inputs);
  escapes_.insert(escapes_.end(), inputs.begin(), inputs.end());
  escapes_.insert(escapes_.end(), graph.outputs().begin(), graph.outputs().end());
  visit(*graph.block());
  for (const Value* v : writes_) written_.insert(find(v));
  for (const Value* v : escapes_) escaping_.insert(find(v));
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
  if (n.is("prim::If")) {
    for (const Block* b : n.blocks()) {
      visit(*b);
      for (size_t i = 0; i < n.outputs().size(); i++) join(n.output(i), b->outputs()[i]);
    }
    return;
  }
  if (n.is("prim::Loop")) {
    const Block& body = *n.blocks()[0];
    visit(body);
    for (size_t i = 0; i < n.outputs().size(); i++) {
      join(n.output(i), n.input(i + 2));
      join(n.output(i), body.inputs()[i + 1]);
      join(n.output(i), body.outputs()[i + 1]);
    }
    return;
  }
  const Schema* s = n.schema();
  if (!s) {
    join_all(n.inputs(), n.outputs());
    if (!has_side_effects(n)) return;
    writes_.insert(writes_.end(), n.inputs().begin(), n.inputs().end());
    escapes_.insert(escapes_.end(), n.inputs().begin(), n.inputs().end());
    return;
  }
  if (writes_statistics(n))
    for (const char* name : {"running_mean", "running_var"})
      if (int at = s->find_arg(name); at >= 0) writes_.push_back(n.input(size_t(at)));
  std::vector<Value*> shared;
  bool marked = false;
  for (size_t i = 0; i < s->args.size() && i < n.inputs().size(); i++) {
    const Argument& a = s->args[i];
    if (a.is_mutated || a.is_out) writes_.push_back(n.input(i));
    if (a.is_alias || a.is_mutated || a.is_out) {
      marked = true;
      shared.push_back(n.input(i));
    }
  }
  // A primitive may hand out or take in what a list holds; a composite may return an argument as it came.
  if (n.primitive) {
    join_all(n.inputs(), n.outputs());
  } else if (n.op && n.op->def().kernel.kind == Kernel::Kind::Composite) {
    shared.clear();
    for (Value* v : n.inputs())
      if (!is_plain_list(*v->type())) shared.push_back(v);
    join_all(shared, n.outputs());
  } else if (marked) {
    join_all(shared, n.outputs());
  }
}

}  // namespace rushlight::graph
