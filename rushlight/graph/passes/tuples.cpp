#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

// What stands for an input that is a tuple: inputs for its items, and a tuple of them.
Value* split_input(Graph& graph, const TypePtr& type, const std::string& name) {
  if (!type->is(Type::Kind::Tuple)) return graph.add_input(name, type);
  std::vector<Value*> items;
  for (const TypePtr& t : type->contained()) items.push_back(split_input(graph, t, name));
  return graph.insert_new("prim::TupleConstruct", items)->output()->set_type(type);
}

void add_items(Graph& graph, Value* v, std::vector<Value*>& out) {
  if (!v->type()->is(Type::Kind::Tuple)) return out.push_back(v);
  Node* n = v->node();
  if (!n->is("prim::TupleConstruct")) {
    n = graph.insert_new("prim::TupleUnpack", {v}, 0);
    for (const TypePtr& t : v->type()->contained()) add_items(graph, n->add_output(t), out);
    return;
  }
  for (Value* item : n->inputs()) add_items(graph, item, out);
}

}  // namespace

bool lower_tuples(Graph& graph) {
  Block& top = *graph.block();
  size_t count = top.inputs().size();
  {
    InsertPoint first(graph, top.first());
    for (size_t i = 0, at = 0; i < count; i++) {  // in their order: all move behind those that were there
      Value* v = top.inputs()[at];
      Value* made = split_input(graph, v->type(), v->name());
      made->facts = v->facts;
      v->replace_all_uses_with(made);
      top.param()->remove_output(at);
    }
  }
  InsertPoint last(graph, &top);
  std::vector<Value*> outputs;
  for (Value* v : top.outputs()) add_items(graph, v, outputs);
  top.ret()->remove_all_inputs();
  for (Value* v : outputs) top.register_output(v);
  peephole(graph);
  eliminate_dead(graph);
  return true;
}

}  // namespace rushlight::graph
