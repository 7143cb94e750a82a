// Nodes that hold graphs: If, Loop, Scan, SequenceMap, and attention whose scores a graph changes.
#include <algorithm>

#include "rushlight/onnx/import.h"

namespace rushlight::onnx {

using graph::Node;
using script::constant_of;
using script::graph_value;
using TK = Type::Kind;

Importer::Values Importer::if_node(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s) {
  RL_CHECK(FileError, inputs.size() == 1 && inputs[0], "it takes a condition");
  Node* node = lowering_.emit(here_, "prim::If", {lowering_.truth(here_, inputs[0])}, 0);
  Values outs[2];
  const char* names[2] = {"then_branch", "else_branch"};
  for (int k = 0; k < 2; k++) {
    graph::InsertPoint at(*graph_, node->add_block());
    outs[k] = body(graph_of(attributes, names[k]), s, {});
  }
  RL_CHECK(FileError, outs[0].size() == outs[1].size() && outs[0].size() >= n.outputs.size(), "its branches have ",
           outs[0].size(), " and ", outs[1].size(), " outputs");
  Values out;
  for (size_t i = 0; i < outs[0].size(); i++) {
    TypePtr type = script::unify(outs[0][i]->type(), outs[1][i]->type());
    RL_CHECK(FileError, type, "its branches give a ", outs[0][i]->type(), " and a ", outs[1][i]->type());
    for (size_t k = 0; k < 2; k++) node->blocks()[k]->register_output(outs[k][i]);
    out.push_back(node->add_output(type));
    if (names_->elem(outs[0][i]) == names_->elem(outs[1][i])) names_->elems[out.back()] = names_->elem(outs[0][i]);
  }
  return out;
}

Importer::Values Importer::emit_loop(Value* trips, Value* condition, const Values& carried,
                                     const std::vector<TypePtr>& types,
                                     const std::function<Value*(Value* i, const Values& in, Values& out)>& round) {
  if (!condition) condition = constant(true);
  Values inputs = {trips, condition};
  for (size_t i = 0; i < carried.size(); i++) inputs.push_back(optional(carried[i], types[i]));
  Node* node = lowering_.emit(here_, "prim::Loop", inputs, 0);
  graph::Block* block = node->add_block();
  Value* i = block->add_input(Type::integer());
  Values in;
  for (size_t k = 0; k < carried.size(); k++) {
    in.push_back(block->add_input(types[k]));
    if (carried[k]) names_->elems[in.back()] = names_->elem(carried[k]);
  }
  {
    graph::InsertPoint at(*graph_, block);
    Values out;
    Value* go = round(i, in, out);
    block->register_output(go ? go : constant(true));
    for (size_t k = 0; k < carried.size(); k++) {
      RL_CHECK(FileError, out[k]->type()->is_subtype_of(*types[k]), "what it carries on is first a ", types[k],
               " and then a ", out[k]->type());
      block->register_output(optional(out[k], types[k]));
    }
  }
  Values results;
  for (size_t k = 0; k < carried.size(); k++) {
    results.push_back(node->add_output(types[k]));
    names_->elems[results.back()] = names_->elem(in[k]);
  }
  return results;
}

namespace {
// The types that are carried: what the graph says where it says more than what comes in.
TypePtr carried_type(const Value* given, const TypePtr& declared) {
  if (!given || declared->is(TK::Optional) || given->type()->is(TK::None)) return declared;
  return given->type();
}
}  // namespace

Importer::Values Importer::loop(const Values& inputs, const Attributes& attributes, Scope& s) {
  const GraphProto& g = graph_of(attributes, "body");
  RL_CHECK(FileError,
           g.inputs.size() >= 2 && inputs.size() <= g.inputs.size() && g.outputs.size() >= g.inputs.size() - 1,
           "its body has ", g.inputs.size(), " inputs and ", g.outputs.size(), " outputs for ", inputs.size(),
           " inputs of the node");
  Value* trips = !inputs.empty() && inputs[0] ? helper("_int", {graph_value(inputs[0])}) : constant(INT64_MAX);
  Value* condition = inputs.size() > 1 && inputs[1] ? lowering_.truth(here_, inputs[1]) : nullptr;
  size_t count = g.inputs.size() - 2;
  Values carried(count, nullptr);
  std::vector<TypePtr> types;
  for (size_t k = 0; k < count; k++) {
    if (k + 2 < inputs.size()) carried[k] = inputs[k + 2];
    const auto& declared = g.inputs[k + 2].type;
    types.push_back(carried_type(carried[k], declared ? type_of(*declared) : Type::tensor()));
  }
  size_t scans = g.outputs.size() - 1 - count;
  Values lists;
  for (size_t k = 0; k < scans; k++) {
    const auto& declared = g.outputs[1 + count + k].type;
    lists.push_back(lowering_.emit_typed(here_, "prim::ListConstruct", {},
                                         Type::list(declared ? type_of(*declared) : Type::tensor())));
  }
  Values out = emit_loop(trips, condition, carried, types, [&](Value* i, const Values& in, Values& next) {
    Values all = {helper("_number", {graph_value(i)}), helper("_truth", {constant_of(true)})};
    names_->elems[all[0]] = kInt64;
    names_->elems[all[1]] = kBool;
    all.insert(all.end(), in.begin(), in.end());
    Values results = body(g, s, all);
    next.assign(results.begin() + 1, results.begin() + 1 + int64_t(count));
    for (size_t k = 0; k < scans; k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[1 + count + k])});
    return lowering_.truth(here_, results[0]);
  });
  for (size_t k = 0; k < scans; k++) {
    std::vector<int64_t> dims;
    int elem = kFloat;
    const auto& declared = g.outputs[1 + count + k].type;
    if (declared && declared->tensor) {
      elem = declared->tensor->elem;
      if (declared->tensor->shape)
        for (const Dimension& d : declared->tensor->shape->dims) dims.push_back(d.value.value_or(0));
    }
    Value* stacked = helper(
        "_stacked", {graph_value(lists[k]), constant_of(dims), constant_of(int64_t(dtype_of_elem(elem, "Loop")))});
    names_->elems[stacked] = elem;
    out.push_back(stacked);
  }
  return out;
}

Importer::Values Importer::scan(const Values& inputs, const Attributes& attributes, Scope& s, int batch) {
  const GraphProto& g = graph_of(attributes, "body");
  const Attribute* count = find_attribute(attributes, "num_scan_inputs");
  RL_CHECK(FileError, count && count->i >= 1 && count->i <= int64_t(inputs.size()) && g.inputs.size() == inputs.size(),
           "num_scan_inputs doesn't fit ", inputs.size(), " inputs and a body with ", g.inputs.size());
  size_t scanned = size_t(count->i), states = inputs.size() - scanned;
  RL_CHECK(FileError, g.outputs.size() >= states, "its body has ", g.outputs.size(), " outputs for ", states,
           " states");
  for (Value* v : inputs) RL_CHECK(FileError, v && v->type()->is(TK::Tensor), "its inputs are tensors, and all there");
  auto axes = ints_of(attributes, "scan_input_axes"),
       directions = ints_of(attributes, batch ? "directions" : "scan_input_directions");
  auto out_axes = ints_of(attributes, "scan_output_axes"),
       out_directions = ints_of(attributes, "scan_output_directions");
  auto at = [](const std::vector<int64_t>& l, size_t i) { return i < l.size() ? l[i] : 0; };
  Values carried(inputs.begin(), inputs.begin() + int64_t(states));
  std::vector<TypePtr> types(states, Type::tensor());
  Value* trips = helper("_size", {graph_value(inputs[states]), constant_of(at(axes, 0))});
  size_t outputs = g.outputs.size() - states;
  Values lists;
  for (size_t k = 0; k < outputs; k++)
    lists.push_back(lowering_.emit_typed(here_, "prim::ListConstruct", {}, Type::list(Type::tensor())));
  Values out = emit_loop(trips, nullptr, carried, types, [&](Value* i, const Values& in, Values& next) -> Value* {
    Values all = in;
    for (size_t k = 0; k < scanned; k++) {
      all.push_back(helper("_item", {graph_value(inputs[states + k]), graph_value(i), constant_of(at(axes, k)),
                                     constant_of(at(directions, k) == 1)}));
      names_->elems[all.back()] = names_->elem(inputs[states + k]);
    }
    Values results = body(g, s, all);
    next.assign(results.begin(), results.begin() + int64_t(states));
    for (size_t k = 0; k < outputs; k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[states + k])});
    return nullptr;
  });
  for (size_t k = 0; k < outputs; k++)
    out.push_back(helper(
        "_gathered", {graph_value(lists[k]), constant_of(at(out_axes, k)), constant_of(at(out_directions, k) == 1)}));
  return out;
}

// Version 8: each row of a batch is a scan of its own.
Importer::Values Importer::scan_by_batch(const Values& inputs, const Attributes& attributes, Scope& s) {
  RL_CHECK(RuntimeError, !inputs.empty() && !inputs[0], "sequence_lens of Scan's version 8 is not supported");
  const GraphProto& g = graph_of(attributes, "body");
  Values all(inputs.begin() + 1, inputs.end()), lists;
  RL_CHECK(FileError, !all.empty(), "it has no inputs");
  for (Value* v : all) RL_CHECK(FileError, v && v->type()->is(TK::Tensor), "its inputs are tensors, and all there");
  for (size_t k = 0; k < g.outputs.size(); k++)
    lists.push_back(lowering_.emit_typed(here_, "prim::ListConstruct", {}, Type::list(Type::tensor())));
  Value* trips = helper("_size", {graph_value(all[0]), constant_of(int64_t(0))});
  emit_loop(trips, nullptr, {}, {}, [&](Value* i, const Values&, Values&) -> Value* {
    Values row;
    for (Value* v : all)
      row.push_back(helper("_item", {graph_value(v), graph_value(i), constant_of(int64_t(0)), constant_of(false)}));
    Values results = scan(row, attributes, s, 1);
    for (size_t k = 0; k < results.size(); k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[k])});
    return nullptr;
  });
  Values out;
  for (Value* l : lists)
    out.push_back(helper("_gathered", {graph_value(l), constant_of(int64_t(0)), constant_of(false)}));
  return out;
}

Importer::Values Importer::sequence_map(const Values& inputs, const Attributes& attributes, Scope& s) {
  const GraphProto& g = graph_of(attributes, "body");
  for (Value* v : inputs) RL_CHECK(FileError, v, "an input is missing");
  RL_CHECK(FileError, !inputs.empty() && inputs[0]->type()->is(TK::List), "its first input is no sequence");
  Values lists;
  for (const ValueInfo& o : g.outputs)
    lists.push_back(
        lowering_.emit_typed(here_, "prim::ListConstruct", {}, Type::list(o.type ? type_of(*o.type) : Type::tensor())));
  Value* trips = helper("_length", {graph_value(inputs[0])});
  emit_loop(trips, nullptr, {}, {}, [&](Value* i, const Values&, Values&) -> Value* {
    Values all;
    for (Value* v : inputs) {
      all.push_back(v->type()->is(TK::List) ? helper("_at", {graph_value(v), graph_value(i)}) : v);
      names_->elems[all.back()] = names_->elem(v);
    }
    Values results = body(g, s, all);
    for (size_t k = 0; k < results.size(); k++)
      call_helper("_append", {graph_value(lists[k]), graph_value(results[k])});
    return nullptr;
  });
  return lists;
}

// Attention whose scores and probabilities graphs of the node change.
Importer::Values Importer::flex_attention(const Values& inputs, const Attributes& attributes, Scope& s) {
  RL_CHECK(FileError, inputs.size() == 3 && inputs[0] && inputs[1] && inputs[2], "it takes a query, keys and values");
  const Attribute *scale = find_attribute(attributes, "scale"),
                  *precision = find_attribute(attributes, "softmax_precision");
  Value* scores = helper("_flex_scores", {graph_value(inputs[0]), graph_value(inputs[1]),
                                          scale ? constant_of(double(scale->f)) : constant_of(IValue()),
                                          constant_of(precision ? precision->i : int64_t(0))});
  auto changed = [&](Value* v, const char* by) {
    if (!find_attribute(attributes, by)) return v;
    Values out = body(graph_of(attributes, by), s, {v});
    RL_CHECK(FileError, out.size() == 1, "its graph '", by, "' has ", out.size(), " outputs");
    return out[0];
  };
  Value* p = changed(helper("_softmax_last", {graph_value(changed(scores, "score_mod"))}), "prob_mod");
  return {helper("_flex_result", {graph_value(p), graph_value(inputs[0]), graph_value(inputs[2])})};
}

// What lies between `xs` and `y` once more, of inputs that gradients are wanted for.
Importer::Values Importer::gradient(const NodeProto& n, const Values& inputs, const Attributes& attributes, Scope& s) {
  std::vector<Text> given;
  for (const char* name : {"xs", "zs"})
    if (const Attribute* a = find_attribute(attributes, name))
      given.insert(given.end(), a->strings.begin(), a->strings.end());
  const Attribute *xs = find_attribute(attributes, "xs"), *y = find_attribute(attributes, "y");
  RL_CHECK(FileError, xs && !xs->strings.empty() && y && inputs.size() == given.size(),
           "it takes an input for each name in xs and zs, and y");
  std::set<Text> known(given.begin(), given.end()), needed{y->s};
  std::vector<const NodeProto*> between;
  auto any = [](const std::vector<Text>& names, const std::set<Text>& of) {
    return std::any_of(names.begin(), names.end(), [&](Text name) { return of.contains(name); });
  };
  constexpr int64_t kMostLooks = 1000000;
  for (const NodeProto& other : *around_) {
    RL_CHECK(FileError, ++looks_ < kMostLooks, "the model has too many gradients of too many nodes");
    if (&other == &n) break;
    if (!any(other.inputs, known)) continue;
    known.insert(other.outputs.begin(), other.outputs.end());
    between.push_back(&other);
  }
  Scope inner;
  inner.outer = &s;
  Value* before = lowering_.emit_typed(here_, "aten::is_grad_enabled", {}, Type::boolean());
  auto enable = [&](Value* on) { lowering_.emit(here_, "aten::set_grad_enabled", {on}, 0); };
  enable(constant(true));
  Values leaves;
  for (size_t i = 0; i < given.size(); i++) {
    Value* v = i < xs->strings.size() ? helper("_leaf", {graph_value(inputs[i])}) : inputs[i];
    if (i < xs->strings.size()) leaves.push_back(v);
    names_->elems[v] = names_->elem(inputs[i]);
    define(inner, given[i], v, "a name in xs or zs");
  }
  std::vector<const NodeProto*> path;
  for (size_t i = between.size(); i-- > 0;) {
    if (!any(between[i]->outputs, needed)) continue;
    needed.insert(between[i]->inputs.begin(), between[i]->inputs.end());
    path.insert(path.begin(), between[i]);
  }
  for (const NodeProto* step : path)
    if (!any(step->outputs, {given.begin(), given.end()})) node(*step, inner);
  Value* list = lowering_.emit_typed(here_, "prim::ListConstruct", leaves, Type::list(Type::tensor()));
  Value* grads = helper("_gradients", {graph_value(find(inner, y->s)), graph_value(list)});
  enable(before);
  Node* unpack = lowering_.emit(here_, "prim::ListUnpack", {grads}, 0);
  Values out;
  for (Value* x : leaves) {
    out.push_back(unpack->add_output(Type::tensor()));
    names_->elems[out.back()] = names_->elem(x);
  }
  return out;
}

}  // namespace rushlight::onnx
