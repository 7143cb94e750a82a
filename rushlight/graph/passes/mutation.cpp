// Writes to memory that nothing else can see become new values: relu_(conv(x)) is relu(conv(x)). Other passes only have to know functions then.
#include <algorithm>

#include "rushlight/graph/parse.h"
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

// New memory that its node made. A branch hands out what it made itself, and nobody else has.
bool is_made(const Value* v) {
  const Node& maker = *v->node();
  if (maker.is("prim::If"))
    return std::all_of(maker.blocks().begin(), maker.blocks().end(), [&](const Block* b) {
      const Value* out = b->outputs()[v->index()];
      return out->node()->owner() == b && out->node() != b->param() && is_made(out) &&
             std::all_of(out->uses().begin(), out->uses().end(),
                         [&](const Use& u) { return only_reads(u) || u.user == b->ret(); }) &&
             std::count_if(out->uses().begin(), out->uses().end(), [&](const Use& u) { return u.user == b->ret(); }) ==
                 1;
    });
  return maker.outputs().size() == 1 && (only_makes(maker) || writes_own(maker));
}

// Nothing has it that stands before the writer.
bool is_free(const Value* v, const Node& writer) {
  return v->node()->owner() == writer.owner() && std::all_of(v->uses().begin(), v->uses().end(), [&](const Use& u) {
           return u.user == &writer ? u.index == 0 : is_behind(u.user, &writer) || only_reads(u);
         });
}
// Nor has anything read it.
bool is_unread(const Value* v, const Node& writer) {
  return std::all_of(v->uses().begin(), v->uses().end(),
                     [&](const Use& u) { return u.user == &writer ? u.index == 0 : is_behind(u.user, &writer); });
}
bool is_own(const Value* v, const Node& writer) { return is_made(v) && is_free(v, writer); }

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
  return self->replace_uses_with(
      result, [&](const Use& u) { return u.user != writer && u.user != result->node() && is_behind(u.user, writer); });
}

bool replace(Graph& graph, Node* n) {
  if (!writes_own(*n)) return false;
  Value* self = n->input(0);
  if (mode_changes_between(self->node(), n)) return false;
  if (!gives_the_same(*n)) return hand_on(self, n, n->output());
  InsertPoint here(graph, n);
  Node* made = insert_out_of_place(graph, *n->op, n->inputs());
  if (!made) return false;
  made->location = n->location;
  n->output()->replace_all_uses_with(made->output());
  hand_on(self, n, made->output());
  n->destroy();
  return true;
}

// A list that was written down, and what is put into it: it is written down with that.
bool replace_list(Graph& graph, Node* n) {
  const bool append = n->is("aten::append"), insert = n->is("aten::insert"), set = n->is("aten::_set_item");
  if (!append && !insert && !set) return false;
  Value* list = n->input(0);
  if (!list->node()->is("prim::ListConstruct") || !is_free(list, *n)) return false;
  Value* item = n->inputs().back();
  const int64_t count = int64_t(list->node()->inputs().size());
  int64_t at = count;
  if (!append) {
    const IValue* index = constant_of(n->input(1));
    if (!index || !index->is_int()) return false;
    at = index->to_int() < 0 ? index->to_int() + count : index->to_int();
    if (insert) at = std::clamp<int64_t>(at, 0, count);
    else if (at < 0 || at >= count) return false;
  }
  // Nobody has read it yet: what writes the list down can stand here. Else it is written down once more, which costs what the list is
  // long; of a long one that is read between writes, a write costs less.
  constexpr int64_t kShort = 16;
  if (!insert && is_unread(list, *n)) {
    Node* maker = list->node()->move_before(n);
    if (set) maker->replace_input(size_t(at), item);
    else maker->add_input(item);
    for (Value* out : n->outputs()) out->replace_all_uses_with(list);
    n->destroy();
    return true;
  }
  if (count > kShort) return false;
  std::vector<Value*> items = list->node()->inputs();
  if (set) items[size_t(at)] = item;
  else items.insert(items.begin() + at, item);
  InsertPoint here(graph, n);
  Node* made = graph.insert_new("prim::ListConstruct", items);
  made->output()->set_type(list->type());
  made->location = n->location;
  for (Value* out : n->outputs()) out->replace_all_uses_with(made->output());
  hand_on(list, n, made->output());
  n->destroy();
  if (!list->has_uses()) list->node()->destroy();
  return true;
}

}  // namespace

bool writes_own(const Node& n) {
  if (!n.op || n.outputs().size() != 1 || n.inputs().empty()) return false;
  const OpDef& def = n.op->def();
  if (n.op->form() != Op::Form::InPlace && !(def.kernel.kind == Kernel::Kind::Mutation && n.kind().ends_with('_')))
    return false;
  return !def.reshapes && !def.opaque && def.writes.empty() && n.input(0)->type()->is(Type::Kind::Tensor) &&
         is_own(n.input(0), n);
}

Node* insert_out_of_place(Graph& graph, const Op& op, std::vector<Value*> inputs) {
  const std::string& name = op.name();
  if (!op.mutates() || !name.ends_with('_') || op.num_returns() != 1 || inputs.empty()) return nullptr;
  auto none = [&] { return graph.insert_constant({}, Type::none()); };
  auto ask = [&](const char* kind, TypePtr type) {
    Node* n = graph.insert_new(kind, {inputs[0]});
    n->output()->set_type(std::move(type));
    resolve(n);
    return n->output();
  };
  std::string kind = op.symbol();
  kind.pop_back();
  if (name == "zero_") {
    kind += "s_like";
    inputs = {inputs[0], none(), none(), none(), none(), none()};
  } else if (name == "normal_") {
    inputs = {inputs[1],
              inputs[2],
              ask("aten::size", Type::list(Type::integer())),
              inputs[3],
              ask("prim::dtype", Type::integer()),
              none(),
              ask("prim::device", Type::simple(Type::Kind::Device)),
              none()};
  }
  Node* n = graph.create(kind, inputs);
  if (resolve(n) && n->op && !n->op->mutates()) return graph.insert(n);
  n->destroy();
  return nullptr;
}

bool remove_mutation(Graph& graph) { return remove_mutation_by(graph, nullptr); }
bool remove_mutation_by(Graph& graph, bool (*wanted)(const Node&)) {
  bool changed = false;
  std::function<void(Block&)> visit = [&](Block& b) {
    for (Node* n : b) {
      for (Block* inner : n->blocks()) visit(*inner);
      if (!wanted || wanted(*n)) changed |= replace(graph, n) || replace_list(graph, n);
    }
  };
  visit(*graph.block());
  return changed;
}

}  // namespace rushlight::graph
