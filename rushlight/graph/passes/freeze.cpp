// What is known of a module that will not change: its state as constants, and what follows from that.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/t.h"
#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/walk.h"
#include "rushlight/ops/operators.h"

namespace rushlight::graph {
namespace {

using Slot = std::pair<const ObjectValue*, std::string>;

// The object that a value is known to be: self, or what an attribute of it holds.
const ObjectValue* object_of(const Graph& graph, const ObjectValue& self, const Value* v) {
  if (v == graph.inputs()[0]) return &self;
  if (!v->node()->is("prim::GetAttr")) return nullptr;
  const ObjectValue* owner = object_of(graph, self, v->node()->input());
  const ClassType* c = owner ? as_class(owner->type) : nullptr;
  int slot = c ? c->find_slot(std::string(v->node()->attribute("name").to_string())) : -1;
  return slot >= 0 && owner->slots[size_t(slot)].is_object() ? &owner->slots[size_t(slot)].to_object() : nullptr;
}

void collect_assigned(const Graph& graph, const ObjectValue& self, std::set<Slot>& out) {
  each_node(*graph.block(), [&](Node* n) {
    if (!n->is("prim::SetAttr")) return;
    if (const ObjectValue* o = object_of(graph, self, n->input()))
      out.emplace(o, std::string(n->attribute("name").to_string()));
  });
}

void replace_state(Graph& graph, const ObjectValue& self, const std::set<Slot>& kept, bool tensors) {
  AliasSets aliases(graph);
  each_node(*graph.block(), [&](Node* n) {
    const ObjectValue* o = n->is("prim::GetAttr") ? object_of(graph, self, n->input()) : nullptr;
    std::string name = o ? std::string(n->attribute("name").to_string()) : "";
    if (!o || kept.contains({o, name})) return;
    const IValue& held = o->slots[size_t(as_class(o->type)->find_slot(name))];
    bool plain = held.is_scalar() || held.is_string() || held.is_none() || held.is_device();
    if (!plain && !(tensors && held.is_tensor() && !aliases.is_written(n->output()))) return;
    InsertPoint here(graph, n);
    IValue value = held.is_tensor() ? IValue(detach(held.tensor())) : held;
    n->output()->replace_all_uses_with(graph.insert_constant(std::move(value), n->output()->type()));
  });
}

const Tensor* tensor_constant(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_tensor() ? &c->tensor() : nullptr;
}
bool is_false(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_bool() && !c->to_bool();
}

// batch_norm(conv(x)) with known weights and statistics is a convolution with other weights.
bool fold_batch_norm(Graph& graph, Node* norm) {
  if (!norm->is("aten::batch_norm") || !is_false(norm->input(5))) return false;
  Node* conv = norm->input(0)->node();
  bool plain = conv->is("aten::conv1d") || conv->is("aten::conv2d") || conv->is("aten::conv3d");
  bool general =
      (conv->is("aten::_convolution") || conv->is("aten::convolution")) && is_false(conv->input(6));  // not transposed
  auto harmless = [&](const Use& u) {                                                                 // the sizes stay
    return u.user == norm || u.user->is("aten::dim") || u.user->is("aten::size");
  };
  const std::vector<Use>& uses = norm->input(0)->uses();
  if ((!plain && !general) || !std::all_of(uses.begin(), uses.end(), harmless) || conv->owner() != norm->owner())
    return false;
  const Tensor *weight = tensor_constant(conv->input(1)), *bias = tensor_constant(conv->input(2));
  const Tensor *mean = tensor_constant(norm->input(3)), *variance = tensor_constant(norm->input(4));
  const Tensor *gain = tensor_constant(norm->input(1)), *shift = tensor_constant(norm->input(2));
  const IValue* eps = constant_of(norm->input(7));
  auto known = [](const Tensor* t, const Value* v) { return t || (constant_of(v) && constant_of(v)->is_none()); };
  if (!weight || !mean || !variance || !eps || !known(bias, conv->input(2)) || !known(gain, norm->input(1)) ||
      !known(shift, norm->input(2)) || weight->dtype() != mean->dtype() || !is_floating(weight->dtype()))
    return false;
  Tensor scale = rsqrt(*variance + Scalar(eps->to_double()));
  if (gain) scale = scale * *gain;
  Dims column(size_t(weight->dim()), 1);
  column[0] = weight->size(0);
  Tensor offset = bias ? *bias - *mean : -*mean;
  offset = offset * scale;
  if (shift) offset = offset + *shift;
  InsertPoint here(graph, conv);
  conv->replace_input(1, graph.insert_constant(IValue(*weight * reshape(scale, column)), Type::tensor()));
  conv->replace_input(2, graph.insert_constant(IValue(offset), Type::tensor()));
  norm->output()->replace_all_uses_with(conv->output());
  norm->destroy();
  return true;
}

// Whether a node turns a matrix's rows into its columns.
bool turns(const Node& n) {
  auto number = [&](size_t i) -> int64_t {
    const IValue* c = constant_of(n.input(i));
    return c && c->is_int() && c->to_int() >= -2 && c->to_int() < 2 ? (c->to_int() + 2) % 2 : -1;
  };
  if (n.is("aten::t")) return true;
  if (n.is("aten::transpose")) return number(1) >= 0 && number(2) >= 0 && number(1) != number(2);
  const IValue* order = n.is("aten::permute") ? constant_of(n.input(1)) : nullptr;
  return order && order->is_int_list() && order->int_list().vec() == std::vector<int64_t>{1, 0};
}

// A product with a known matrix, and what is added to each row of it, is a linear layer: its weight lies as products like it best.
class Products {
 public:
  explicit Products(Graph& graph) : graph_(graph) {}

  bool fold(Node* n) {
    constexpr int64_t kLeast = 1024;  // elements of a weight
    bool gemm = n->is("aten::addmm") && is_one(n->input(3)) && is_one(n->input(4));
    if (!gemm && !(n->is("aten::matmul") || n->is("aten::mm"))) return false;
    Value* by = n->input(gemm ? 2 : 1);
    bool turned = turns(*by->node());
    if (turned) by = by->node()->input(0);
    const Tensor* w = tensor_constant(by);
    if (!w || w->dim() != 2 || w->numel() < kLeast || !is_floating(w->dtype()) || w->impl()->flags() != 0 ||
        tensor_constant(n->input(gemm ? 1 : 0)))
      return false;
    int64_t columns = w->size(turned ? 0 : 1);
    Value* added = gemm ? n->input(0) : nullptr;
    if (gemm && !is_row(added, columns, w->dtype())) return false;
    Node* last = n;
    if (!gemm && n->output()->uses().size() == 1) {
      Node* add = n->output()->uses()[0].user;
      if (add->is("aten::add") && add->inputs().size() == 3 && is_one(add->input(2)) && add->owner() == n->owner()) {
        added = add->input(add->input(0) == n->output() ? 1 : 0);
        if (is_row(added, columns, w->dtype())) last = add;
        else added = nullptr;
      }
    }
    Value*& weight = weights_[{by, turned}];
    if (!weight) {
      InsertPoint top(graph_, graph_.block()->first());
      weight = turned ? by : graph_.insert_constant(IValue(contiguous(t(*w))), Type::tensor());
    }
    InsertPoint here(graph_, n);
    if (!added) added = graph_.insert_constant(IValue(), Type::none());
    Node* linear = graph_.insert_new("aten::linear", {n->input(gemm ? 1 : 0), weight, added});
    linear->output()->set_type(Type::tensor());
    linear->location = n->location;
    last->output()->replace_all_uses_with(linear->output());  // both are dead now
    return true;
  }

 private:
  static bool is_one(const Value* v) {
    const IValue* c = constant_of(v);
    return c && c->is_scalar() && c->to_scalar().equals(1);
  }
  static bool is_row(const Value* v, int64_t columns, DType d) {
    const Tensor* row = tensor_constant(v);
    return row && row->dim() == 1 && row->size(0) == columns && row->dtype() == d;
  }

  Graph& graph_;
  std::map<std::pair<const Value*, bool>, Value*> weights_;
};

// A number, or a tensor without dimensions, as traces have them.
bool is_about(const Value* v, double wanted) {
  const IValue* c = constant_of(v);
  if (!c) return false;
  if (c->is_tensor() && c->tensor().dim() == 0 && !is_complex(c->tensor().dtype()) && c->tensor().impl()->flags() == 0)
    return std::abs(read_number(c->tensor().dtype(), c->tensor().raw()).to<double>() - wanted) < 1e-6;
  return (c->is_double() || c->is_int()) && std::abs(c->to_double() - wanted) < 1e-6;
}
// What a product multiplies beside one of its factors; null where the node is none, or the factor not in it.
Value* other_factor(const Node* n, const Value* factor) {
  if (!n->is("aten::mul") || n->inputs().size() != 2) return nullptr;
  return n->input(0) == factor ? n->input(1) : n->input(1) == factor ? n->input(0) : nullptr;
}

// x * (1 + erf(x / sqrt(2))) / 2, its products in any order, is gelu(x), whose kernel takes a fifth of erf's time.
bool fold_gelu(Graph& graph, Node* erf) {
  if (!erf->is("aten::erf")) return false;
  Node* scaled = erf->input()->node();
  bool fits = (scaled->is("aten::div") && scaled->inputs().size() == 2 && is_about(scaled->input(1), M_SQRT2)) ||
              (scaled->is("aten::mul") && scaled->inputs().size() == 2 && is_about(scaled->input(1), M_SQRT1_2));
  auto only_user = [](const Value* v) { return v->uses().size() == 1 ? v->uses()[0].user : nullptr; };
  Node* add = fits ? only_user(erf->output()) : nullptr;
  if (!add || !add->is("aten::add") || add->inputs().size() != 3 || !is_about(add->input(2), 1) ||
      !is_about(add->input(add->input(0) == erf->output() ? 1 : 0), 1))
    return false;
  Value* x = scaled->input(0);
  // The factors still to come: x, and a half.
  bool by_x = false, by_half = false;
  Node* last = add;
  for (int k = 0; k < 2; k++) {
    Node* next = only_user(last->output());
    Value* by = next ? other_factor(next, last->output()) : nullptr;
    if (!by || next->owner() != erf->owner()) return false;
    Node* inner = by->node();
    if (by == x && !by_x) by_x = true;
    else if (is_about(by, 0.5) && !by_half) by_half = true;
    else if (Value* half = other_factor(inner, x); half && is_about(half, 0.5) && !by_x && !by_half)
      by_x = by_half = true;
    else return false;
    last = next;
    if (by_x && by_half) break;
  }
  if (!by_x || !by_half) return false;
  InsertPoint here(graph, last);
  Node* gelu = graph.insert_new("aten::gelu", {x, graph.insert_constant(IValue(std::string("none")))});
  gelu->output()->set_type(Type::tensor());
  gelu->location = erf->location;
  last->output()->replace_all_uses_with(gelu->output());  // the others are dead now
  return true;
}

// Dropout of an evaluated module gives what it takes.
bool drop_dropout(Node* n) {
  if (n->inputs().size() != 3 || n->kind().find("dropout") == std::string::npos || !is_false(n->input(2))) return false;
  if (n->kind().ends_with("_")) return false;
  n->output()->replace_all_uses_with(n->input(0));
  n->destroy();
  return true;
}

}  // namespace

void freeze(const std::vector<Graph*>& graphs, const ObjectValue& self, const std::set<std::string>& preserved) {
  std::set<Slot> kept;
  for (Graph* g : graphs) inline_calls(*g);
  for (const std::string& name : preserved) {
    const ObjectValue* o = &self;
    size_t begin = 0;
    for (size_t dot; (dot = name.find('.', begin)) != std::string::npos && o; begin = dot + 1) {
      int slot = as_class(o->type)->find_slot(name.substr(begin, dot - begin));
      o = slot >= 0 && o->slots[size_t(slot)].is_object() ? &o->slots[size_t(slot)].to_object() : nullptr;
    }
    if (o) kept.emplace(o, name.substr(begin));
  }
  for (Graph* g : graphs) collect_assigned(*g, self, kept);
  for (Graph* g : graphs) {
    // Numbers first: whether a batch norm writes to its statistics hangs on `training`.
    for (bool tensors : {false, true}) {
      replace_state(*g, self, kept, tensors);
      optimize(*g);
    }
  }
}

bool fold_frozen(Graph& graph) {
  bool changed = false;
  Products products(graph);
  std::function<void(Block&)> visit = [&](Block& b) {
    for (Node* n : b) {
      for (Block* inner : n->blocks()) visit(*inner);
      changed |= drop_dropout(n) || fold_batch_norm(graph, n) || products.fold(n) || fold_gelu(graph, n);
    }
  };
  visit(*graph.block());
  if (changed) optimize(graph);
  return changed;
}

}  // namespace rushlight::graph
