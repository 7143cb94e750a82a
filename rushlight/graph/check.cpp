// What a graph from outside, as text or from a tool, must be before passes and the executor look at it.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "rushlight/graph/ir.h"

namespace rushlight::graph {
namespace {

constexpr size_t kAny = SIZE_MAX;

// The form of a kind of node that calls no operator.
struct Form {
  std::string_view kind;
  size_t min_inputs, max_inputs, min_outputs, max_outputs, blocks = 0;
  const char* text = nullptr;                // an attribute that it needs, a string
  Type::Kind output = Type::Kind::Function;  // of its only output; Function: any
};
constexpr Form kForms[] = {
    {"prim::Constant", 0, 0, 1, 1},
    {"prim::If", 1, 1, 0, kAny, 2},
    {"prim::Loop", 2, kAny, 0, kAny, 1},
    {"prim::Network", 1, kAny, 1, kAny, 1},
    {"prim::FusionGroup", 1, kAny, 1, kAny, 1},
    {"prim::fork", 0, 0, 1, 1, 1, nullptr, Type::Kind::Future},
    {"prim::awaitable", 0, 0, 1, 1, 1, nullptr, Type::Kind::Future},
    {"prim::awaitable_nowait", 1, 1, 1, 1, 0, nullptr, Type::Kind::Future},
    {"aten::wait", 1, 1, 1, 1},
    {"prim::awaitable_wait", 1, 1, 1, 1},
    {"prim::ListConstruct", 0, kAny, 1, 1, 0, nullptr, Type::Kind::List},
    {"prim::DictConstruct", 0, kAny, 1, 1, 0, nullptr, Type::Kind::Dict},
    {"prim::TupleConstruct", 0, kAny, 1, 1, 0, nullptr, Type::Kind::Tuple},
    {"prim::TupleIndex", 2, 2, 1, 1},
    {"prim::TupleUnpack", 1, 1, 0, kAny},
    {"prim::ListUnpack", 1, 1, 0, kAny},
    {"prim::GetAttr", 1, 1, 1, 1, 0, "name"},
    {"prim::SetAttr", 2, 2, 0, 0, 0, "name"},
    {"prim::CreateObject", 0, 0, 1, 1, 0, nullptr, Type::Kind::Class},
    {"prim::CallMethod", 1, kAny, 0, 1, 0, "name"},
    {"prim::CallFunction", 1, kAny, 1, 1},
    {"prim::Enter", 1, 1, 0, 1},
    {"prim::Exit", 4, 4, 0, 1},
    {"prim::RaiseException", 1, 2, 0, 0},
    {"prim::Print", 0, kAny, 0, 0},
    {"prim::unchecked_cast", 1, 1, 1, 1},
    {"prim::unchecked_unwrap_optional", 1, 1, 1, 1},
    {"aten::_unwrap_optional", 1, 1, 1, 1},
    {"prim::isinstance", 1, 1, 1, 1, 0, "type"},
    {"prim::Uninitialized", 0, 0, 1, 1},
    {"aten::format", 1, kAny, 1, 1},
    {"aten::percentFormat", 1, kAny, 1, 1},
};

void check_node(const Node& n) {
  auto need = [&](bool right, const char* what) {
    RL_CHECK(RuntimeError, right, "the graph's node ", n.kind(), " (", n.inputs().size(), " inputs, ",
             n.outputs().size(), " outputs, ", n.blocks().size(), " blocks) has not ", what);
  };
  auto form = std::find_if(std::begin(kForms), std::end(kForms), [&](const Form& f) { return f.kind == n.kind(); });
  if (form == std::end(kForms)) return need(n.blocks().empty(), "the form of an operator's call, which has no blocks");
  need(n.inputs().size() >= form->min_inputs && n.inputs().size() <= form->max_inputs, "the inputs that it needs");
  need(n.outputs().size() >= form->min_outputs && n.outputs().size() <= form->max_outputs, "the outputs that it needs");
  need(n.blocks().size() == form->blocks, "the blocks that it needs");
  need(!form->text || (n.has_attribute(form->text) && n.attribute(form->text).is_string()),
       "the attribute that it needs");
  need(form->output == Type::Kind::Function || n.output()->type()->is(form->output), "an output of its type");
  if (n.is("prim::DictConstruct")) need(n.inputs().size() % 2 == 0, "a value for each key");
  if (n.blocks().size() && !n.is("prim::Loop"))
    for (const Block* b : n.blocks())
      need(b->inputs().empty() && b->outputs().size() == n.outputs().size(), "blocks that give its outputs");
  if (n.is("prim::Loop")) {
    const Block& body = *n.blocks()[0];
    size_t carried = n.outputs().size();
    need(
        n.inputs().size() == carried + 2 && body.inputs().size() == carried + 1 && body.outputs().size() == carried + 1,
        "as many carried values inside as outside");
  }
}

void check_block(const Block& b) {
  for (const Node* n : b) {
    check_node(*n);
    for (const Block* inner : n->blocks()) check_block(*inner);
  }
}

}  // namespace

void Graph::check() const { check_block(*top_); }

}  // namespace rushlight::graph
