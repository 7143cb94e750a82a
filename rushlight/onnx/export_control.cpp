// Branches and loops: those that the examples decide are written out, the others are If and Loop of ONNX.
#include "rushlight/onnx/export_run.h"

namespace rushlight::onnx {

using graph::Block;
using graph::Node;
using graph::Value;
using io::wire::Writer;

void Run::if_node(Node* n) {
  Known& c = get(n->input());
  auto raises = [](const Block* b) {
    for (Node* inner : *b)
      if (inner->is("prim::RaiseException")) return true;
    return false;
  };
  // Checks of what comes in are left out, and of what is known only one side is there.
  int side = c.constant ? (c.value.to_bool() ? 0 : 1) : raises(n->blocks()[1]) ? 0 : raises(n->blocks()[0]) ? 1 : -1;
  if (side >= 0) {
    const Block* b = n->blocks()[size_t(side)];
    block(*b);
    for (size_t i = 0; i < n->outputs().size(); i++) known_[n->output(i)] = get(b->outputs()[i]);
    return;
  }
  DType boolean = DType::Bool;
  Name condition = e.name_of(c, &boolean);
  AttributeList attributes;
  size_t taken = c.value.to_bool() ? 0 : 1;
  Knowns results;
  size_t counts[2];
  std::vector<Grown> lists = growing({n->blocks()[0], n->blocks()[1]});
  RL_CHECK(NotImplementedError, lists.empty() || e.opset >= 14,
           "onnx.export: a list that grows in a branch, before opset 14");
  Knowns grown(lists.size());
  Writer graphs[2];
  Names_ last[2];  // of the lists
  for (size_t k = 0; k < 2; k++) {
    const Block* b = n->blocks()[k];
    Inner inner(*this, b);
    for (const Grown& g : lists) set_sequence(g, g.before.value, g.name);
    block(*b);
    std::vector<Known*> all;
    for (Value* v : b->outputs()) leaves(get(v), all);
    Names_ names;
    for (Known* one : all) names.push_back(e.op("Identity", {e.name_of(*one)}));
    for (size_t i = 0; i < lists.size(); i++) {
      const Known& now = get(lists[i].list);
      last[k].push_back(e.op("Identity", {now.name}));
      // Of the other branch, where it doesn't grow in this one.
      if (grown[i].value.is_none() || !now.value.tensor_list().empty()) grown[i] = now;
    }
    inner.write(graphs[k], k ? "else" : "then");
    for (size_t i = 0; i < names.size(); i++)
      graphs[k].message(12, [&](Writer& w) { write_info(w, names[i], all[i]->value, nullptr, true); });
    if (k == taken)
      for (Value* v : b->outputs()) results.push_back(own_copy(get(v)));
    counts[k] = all.size();
  }
  RL_CHECK(NotImplementedError, counts[0] == counts[1],
           "onnx.export: the branches of an if give different values: ", counts[0], " and ", counts[1], " tensors");
  for (size_t k = 0; k < 2; k++) {
    for (size_t i = 0; i < lists.size(); i++)
      graphs[k].message(12, [&](Writer& w) { write_info(w, last[k][i], grown[i].value, nullptr, true); });
    AttributeValue a{k ? "else_branch" : "then_branch", AttributeValue::G};
    a.s = std::move(graphs[k].out);
    attributes.push_back(std::move(a));
  }
  for (size_t i = 0; i < lists.size(); i++) write_sequence(lists[i], grown[i]);
  std::vector<Known*> all;
  for (Known& k : results) leaves(k, all);
  if (all.size() + lists.size() > 0) {
    Names_ out = e.ops("If", {condition}, all.size() + lists.size(), attributes);
    for (size_t i = 0; i < all.size(); i++) {
      all[i]->name = out[i];
      all[i]->constant = all[i]->of_sizes = false;
      all[i]->other = {};
    }
    for (size_t i = 0; i < lists.size(); i++) set_sequence(lists[i], grown[i].value, out[all.size() + i]);
  }
  for (size_t i = 0; i < results.size(); i++) {
    regather(results[i], n->output(i)->type());
    known_[n->output(i)] = std::move(results[i]);
  }
}

void Run::loop(Node* n) {
  Known &trips = get(n->input(0)), &condition = get(n->input(1));
  const Block* b = n->blocks()[0];
  // Written out round by round where the example's rounds are everybody's.
  Value* end = b->outputs()[0];
  bool endless = trips.constant && trips.value.to_int() == INT64_MAX;
  if (!trips.constant || !condition.constant) return written_loop(n);
  std::vector<Known> carried;
  for (size_t i = 2; i < n->inputs().size(); i++) carried.push_back(get(n->input(i)));
  std::vector<std::pair<Value*, Known>> lists;  // as they were before the first round
  for (Node* inner : *b)
    if (inner->is("aten::append") && !is_in(inner->input(0), b))
      lists.emplace_back(inner->input(0), own_copy(get(inner->input(0))));
  bool go = condition.value.to_bool();
  constexpr int64_t kMostRounds = 5000;
  for (int64_t i = 0; go && i < trips.value.to_int(); i++) {
    RL_CHECK(NotImplementedError, i < kMostRounds, "onnx.export: a loop of more than ", kMostRounds, " rounds");
    Known number;
    number.value = i;
    known_[b->inputs()[0]] = number;
    for (size_t k = 0; k < carried.size(); k++) known_[b->inputs()[k + 1]] = carried[k];
    size_t nodes = e.nodes.size();
    block(*b);
    Known& on = get(end);
    if (i == 0 && !on.constant) {
      RL_CHECK(NotImplementedError, !writes_outside(*b), "onnx.export: a ", endless ? "while" : "for",
               " loop whose end depends on the inputs writes to what is outside of it");
      e.nodes.resize(nodes);
      for (auto& [list, before] : lists) known_[list] = before;
      return written_loop(n);
    }
    RL_CHECK(NotImplementedError, on.constant, "onnx.export: a loop whose end depends on the inputs from round ", i,
             " on");
    go = on.value.to_bool();
    for (size_t k = 0; k < carried.size(); k++) carried[k] = get(b->outputs()[k + 1]);
  }
  for (size_t k = 0; k < carried.size(); k++) known_[n->output(k)] = carried[k];
}

// Whether a block changes tensors that were there before it, or lists otherwise than by adding to them.
bool Run::writes_outside(const Block& b) {
  for (Node* n : b) {
    bool writes = (n->op && n->op->mutates()) || n->is("aten::_set_item");
    if (writes && !is_in(n->input(0), &b)) return true;
    for (const Block* inner : n->blocks())
      if (writes_outside(*inner)) return true;
  }
  return false;
}

// As ONNX's Loop. Numbers that are carried are tensors without dimensions; what a round leaves as it is isn't carried.
void Run::written_loop(Node* n) {
  const Block* b = n->blocks()[0];
  DType wide = DType::Int64, boolean = DType::Bool;
  Known trips = get(n->input(0)), condition = get(n->input(1));
  size_t count = b->inputs().size() - 1;
  Names_ inputs = {trips.constant && trips.value.to_int() == INT64_MAX ? Name() : e.name_of(trips, &wide),
                   e.name_of(condition, &boolean)};
  std::vector<size_t> moved;
  Knowns first;
  for (size_t i = 0; i < count; i++)
    if (b->outputs()[i + 1] != b->inputs()[i + 1]) {
      moved.push_back(i);
      Known k = get(n->input(i + 2));
      RL_CHECK(NotImplementedError, k.value.is_tensor() || (k.value.is_scalar() && !k.value.is_complex()),
               "onnx.export: a loop whose rounds or end depend on the inputs carries a ", k.value.kind_name(),
               " from round to round");
      inputs.push_back(e.name_of(k));
      first.push_back(k);
    }
  Names_ names;
  AttributeValue body{"body", AttributeValue::G};
  Knowns last;
  std::vector<Grown> lists = growing({b});
  Knowns grown;
  {
    Inner inner(*this, b);
    bool sizes = std::exchange(sizes_known_, false);  // of what is carried they may change
    auto fresh = [&](const char* what, IValue v) {
      Known k;
      k.value = std::move(v);
      k.name = str(what, "_", e.count++);
      k.constant = false;
      return k;
    };
    Known round = fresh("round", int64_t(0)), go = fresh("go", true);
    Writer g;
    known_[b->inputs()[0]] = round;
    for (size_t i = 0; i < count; i++) known_[b->inputs()[i + 1]] = get(n->input(i + 2));
    Knowns in;
    for (size_t k = 0; k < moved.size(); k++) {
      in.push_back(fresh("carried", first[k].value));
      known_[b->inputs()[moved[k] + 1]] = in.back();
    }
    Names_ begin;
    for (const Grown& g : lists) {
      begin.push_back(str("grown_", e.count++));
      set_sequence(g, g.before.value, begin.back());
    }
    block(*b);
    Names_ out = {e.op("Identity", {e.name_of(get(b->outputs()[0]), &boolean)})};
    for (size_t k = 0; k < moved.size(); k++) {
      Known now = get(b->outputs()[moved[k] + 1]);
      auto same = [](const IValue& x, const IValue& y) {
        if (!x.is_tensor() || !y.is_tensor()) return x.is_tensor() == y.is_tensor() && x.is_double() == y.is_double();
        return x.tensor().dtype() == y.tensor().dtype() && x.tensor().dim() == y.tensor().dim();
      };
      RL_CHECK(NotImplementedError, same(now.value, first[k].value),
               "onnx.export: a loop that makes another kind of tensor of what it carries");
      out.push_back(e.op("Identity", {e.name_of(now)}));
      last.push_back(now);
    }
    inner.write(g, "body");
    auto info = [&](int field, const Name& name, const IValue& v) {
      g.message(field, [&](Writer& w) { write_info(w, name, v, nullptr, true); });
    };
    info(11, round.name, round.value);
    info(11, go.name, go.value);
    for (const Known& k : in) info(11, k.name, k.value);
    for (const Grown& g : lists) grown.push_back(get(g.list));
    for (size_t k = 0; k < lists.size(); k++) info(11, begin[k], grown[k].value);
    info(12, out[0], true);
    for (size_t k = 0; k < moved.size(); k++) info(12, out[k + 1], last[k].value);
    for (const Known& k : grown) info(12, k.name, k.value);
    body.s = std::move(g.out);
    sizes_known_ = sizes;
  }
  for (size_t k = 0; k < lists.size(); k++) {
    write_sequence(lists[k], grown[k]);
    inputs.push_back(lists[k].name);
  }
  names = e.ops("Loop", inputs, moved.size() + lists.size(), {body});
  for (size_t k = 0; k < lists.size(); k++) set_sequence(lists[k], grown[k].value, names[moved.size() + k]);
  for (size_t i = 0; i < count; i++) known_[n->output(i)] = get(n->input(i + 2));
  for (size_t k = 0; k < moved.size(); k++) {
    Known y = last[k];
    y.other = {};
    y.name = names[k];
    y.constant = y.of_sizes = false;
    known_[n->output(moved[k])] = y;
  }
}

}  // namespace rushlight::onnx
