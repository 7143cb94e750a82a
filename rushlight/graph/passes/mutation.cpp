// Writes to memory that nothing else can see become new values: relu_(conv(x)) is relu(conv(x)). Other passes only have to know functions then.
#include <algorithm>

#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

// What the use makes can't be the value's memory, nor hold it.
bool only_reads(const Use& u) {
  const Node& n = *u.user;
  auto immutable = [](const Value* v) { return !is_mutable(*v->type()); };
  if (n.primitive) return std::all_of(n.outputs().begin(), n.outputs().end(), immutable);
  if (!n.op || n.op->def().opaque) return false;
  auto about = [&](const Op::Effect& e) { return e.arg == int(u.index); };
  return std::none_of(n.op->shares().begin(), n.op->shares().end(), about) &&
         std::none_of(n.op->writes().begin(), n.op->writes().end(), about);
}

// True where n stands behind `earlier`, at any depth.
bool is_behind(const Node* n, const Node* earlier) {
  while (n->owner() != earlier->owner()) n = n->owner()->owner();
  return n != earlier && earlier->is_before(n);
}

// Made by its node, and nothing has it that stands before the writer.
bool is_own(const Value* v, const Node& writer) {
  const Node& maker = *v->node();
  if (!(only_makes(maker) || writes_own(maker)) || maker.owner() != writer.owner() || maker.outputs().size() != 1)
    return false;
  return std::all_of(v->uses().begin(), v->uses().end(), [&](const Use& u) {
    return u.user == &writer ? u.index == 0 : is_behind(u.user, &writer) || only_reads(u);
  });
}

// A write under no_grad() leaves the history of what is written to as it is; a new value would have none.
bool mode_changes_between(const Node* from, const Node* to) {
  while ((from = from->next()) != to)
    if (sets_mode(*from)) return true;
  return false;
}

// Floats that a convolution made, and what keeps their dtype made of them.
bool is_float(const Value* v) {
  const Node& n = *v->node();
  for (const char* kind : {"aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::_convolution"})
    if (n.is(kind)) {
      const IValue* weight = constant_of(n.input(1));
      return weight && weight->is_tensor() && weight->tensor().dtype() == DType::Float32;
    }
  if (n.is("aten::add") || n.is("aten::mul"))
    return n.input(0)->type()->is(Type::Kind::Tensor) && n.input(1)->type()->is(Type::Kind::Tensor) &&
           is_float(n.input(0)) && is_float(n.input(1));
  for (const char* kind : {"aten::relu", "aten::batch_norm", "aten::max_pool2d", "aten::avg_pool2d"})
    if (n.is(kind)) return is_float(n.input(0));
  return false;
}

// What is written in place has self's shape and dtype; a function's result has too where nothing that it meets has others.
bool gives_the_same(const Node& n) {
  for (size_t i = 1; i < n.inputs().size(); i++) {
    const Value* v = n.input(i);
    if (v->type()->is(Type::Kind::Tensor) ? !(is_float(n.input(0)) && is_float(v)) : !constant_of(v)) return false;
  }
  return true;
}

// Who stands behind the writer of a value reads what it gives. True if there was anybody.
bool hand_on(Value* self, const Node* writer, Value* result) {
  bool changed = false;
  std::vector<Use> uses = self->uses();
  for (const Use& u : uses) {
    if (u.user == writer || u.user == result->node() || !is_behind(u.user, writer)) continue;
    u.user->replace_input(u.index, result);
    changed = true;
  }
  return changed;
}

bool replace(Graph& graph, Node* n) {
  if (!writes_own(*n)) return false;
  Value* self = n->input(0);
  const OpDef& def = n->op->def();
  if (mode_changes_between(self->node(), n)) return false;
  if (!gives_the_same(*n)) return hand_on(self, n, n->output());
  std::string kind = n->kind().substr(0, n->kind().size() - 1), name = n->op->name();
  const Op* function = nullptr;
  for (const Op* op : OpTable::get().overloads(std::string_view(name).substr(0, name.size() - 1)))
    if (&op->def() == &def && op->schema().overload == n->op->schema().overload && op->form() == Op::Form::Function)
      function = op;
  if (!function || function->num_args() != n->op->num_args()) return false;
  InsertPoint here(graph, n);
  Node* made = graph.insert_new(kind, n->inputs());
  made->op = function;
  made->location = n->location;
  n->output()->replace_all_uses_with(made->output());
  hand_on(self, n, made->output());
  n->destroy();
  return true;
}

}  // namespace

bool writes_own(const Node& n) {
  if (!n.op || n.op->form() != Op::Form::InPlace || n.outputs().size() != 1 || n.inputs().empty()) return false;
  const OpDef& def = n.op->def();
  return !def.reshapes && !def.opaque && def.writes.empty() && n.input(0)->type()->is(Type::Kind::Tensor) &&
         is_own(n.input(0), n);
}

bool remove_mutation(Graph& graph) {
  bool changed = false;
  std::function<void(Block&)> visit = [&](Block& b) {
    for (Node* n : b) {
      for (Block* inner : n->blocks()) visit(*inner);
      changed |= replace(graph, n);
    }
  };
  visit(*graph.block());
  return changed;
}

}  // namespace rushlight::graph
