// Lists of tensors that grow in a loop or a branch that depends on the inputs: sequences of ONNX, which Loop and If carry on.
#include <algorithm>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/onnx/export_run.h"
#include "rushlight/onnx/tensors.h"

namespace rushlight::onnx {

using graph::Block;
using graph::Node;
using graph::Value;

namespace {

DType element_dtype(const Known& list) {
  RL_CHECK(NotImplementedError, list.value.is_tensor_list() && !list.value.tensor_list().empty(),
           "onnx.export: a list that grows, of no tensors");
  return list.value.tensor_list()[0].dtype();
}

void add_example(Known& list, const IValue& item) {
  std::vector<Tensor> all(list.value.tensor_list().begin(), list.value.tensor_list().end());
  all.push_back(item.tensor());
  list.value = IValue(std::move(all));
}

}  // namespace

std::vector<Run::Grown> Run::growing(const std::vector<const Block*>& blocks) {
  std::vector<Grown> out;
  std::function<void(const Block&, const Block&)> look = [&](const Block& b, const Block& whole) {
    for (Node* n : b) {
      Value* list = n->is("aten::append") ? n->input(0) : nullptr;
      bool there = std::any_of(out.begin(), out.end(), [&](const Grown& g) { return g.list == list; });
      if (list && !there && !is_in(list, &whole)) {
        Known before = own_copy(get(list));
        RL_CHECK(NotImplementedError,
                 before.value.is_tensor_list() && e.opset >= 13 &&
                     (before.sequence ? sequences_.contains(list) : is_local(list)),
                 "onnx.export: a list that grows in a branch or a loop which depends on the inputs; of tensors it is a "
                 "sequence, from opset 13 on");
        out.push_back({list, before, before.sequence ? before.name : str("list_", e.count++)});
      }
      for (const Block* inner : n->blocks()) look(*inner, whole);
    }
  };
  for (const Block* b : blocks) look(*b, *b);
  return out;
}

void Run::set_sequence(const Grown& g, const IValue& example, const Name& name) {
  Known& k = known_[g.list];
  k = Known();
  k.value = example;
  k.name = name;
  k.sequence = true;
  k.constant = false;
  sequences_.insert(g.list);
}

// What the lists were before, as sequences by the names that the inner graphs already use.
void Run::write_sequence(const Grown& g, const Known& after) {
  if (g.before.sequence) return;
  Known before = g.before;
  DType d = element_dtype(after);
  Names_ items;
  for (Known& k : items_of(before)) items.push_back(e.name_of(k, &d));
  AttributeList empty;
  if (items.empty()) empty.push_back(at("dtype", int64_t(elem_of_dtype(d))));
  e.ops(items.empty() ? "SequenceEmpty" : "SequenceConstruct", items, 1, empty, "", g.name);
}

void Run::on_sequence(Node* n, const std::vector<Known*>& in) {
  Known& list = *in[0];
  bool first = list.sequence && std::none_of(in.begin() + 1, in.end(), [](Known* k) { return k->sequence; });
  RL_CHECK(NotImplementedError, first, "onnx.export: ", n->kind(), " of a list whose length depends on the inputs");
  if (n->is("aten::append")) {
    RL_CHECK(NotImplementedError, sequences_.contains(n->input(0)) && in[1]->value.is_tensor(),
             "onnx.export: a list that grows under two names");
    bool known = !list.value.tensor_list().empty();
    DType d = known ? element_dtype(list) : in[1]->value.tensor().dtype();
    list.name = e.op("SequenceInsert", {list.name, e.name_of(*in[1], &d)});
    add_example(list, in[1]->value);
    return;
  }
  Known out;
  out.constant = false;
  if (n->is("aten::len")) {
    out.value = int64_t(list.value.tensor_list().size());
    out.name = e.op("SequenceLength", {list.name});
  } else if (n->is("aten::__getitem__")) {
    element_dtype(list);
    DType wide = DType::Int64;
    out.value = list.value.tensor_list()[list.value.tensor_list().size() - 1];
    out.name = e.op("SequenceAt", {list.name, e.name_of(*in[1], &wide)});
  } else if (n->is("aten::stack") || n->is("aten::cat")) {
    element_dtype(list);
    bool fresh = n->is("aten::stack");
    RL_CHECK(NotImplementedError, in[1]->constant, "onnx.export: ", n->kind(),
             " along a dimension that depends on the inputs");
    std::vector<Known> made;
    compute(n, in, made);
    out.value = made[0].value;
    int64_t axis = in[1]->value.to_int(), rank = out.value.tensor().dim();
    out.name = e.op("ConcatFromSequence", {list.name},
                    {at("axis", axis < 0 ? axis + rank : axis), at("new_axis", int64_t(fresh))});
  } else {
    throw NotImplementedError(str("onnx.export: ", n->kind(),
                                  " of a list whose length depends on the inputs; append, len, [i], stack and cat are "
                                  "written"));
  }
  known_[n->output()] = std::move(out);
}

}  // namespace rushlight::onnx
