// What is known of a module that will not change: its state as constants, and what follows from that.
#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_set>

#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/reciprocal.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/rsqrt.h"
#include "rushlight/fn/t.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/groups.h"
#include "rushlight/graph/passes/passes.h"
#include "rushlight/graph/walk.h"
#include "rushlight/ops/operators.h"

namespace rushlight::graph {
namespace {

// What may be shared behind two values: storages, lists, dicts and objects.
void add_parts(const IValue& v, std::unordered_set<const void*>& out) {
  if (v.is_tensor()) {
    out.insert(v.tensor().impl()->storage().get());
  } else if (v.is_any_list()) {
    if (out.insert(v.object()).second && (v.is_tensor_list() || v.is_generic_list()))
      for (size_t i = 0, n = list_size(v); i < n; i++) add_parts(list_get(v, i), out);
  } else if (v.is_tuple()) {
    for (const IValue& item : v.to_tuple().items) add_parts(item, out);
  } else if (v.is_dict()) {
    if (out.insert(v.object()).second)
      for (const auto& [key, value] : v.dict().items) add_parts(value, out);
  } else if (v.is_object() && out.insert(v.object()).second) {
    for (const IValue& slot : v.to_object().slots) add_parts(slot, out);
  }
}

// Attributes become what they hold, but for those that anything assigns or writes to, or that share memory with such.
class Freezer {
 public:
  Freezer(const std::vector<FrozenMethod>& methods, Slots kept, bool parameters)
      : methods_(methods), kept_(std::move(kept)), parameters_(parameters) {}

  void run() {
    for (const FrozenMethod& m : methods_) {
      // Methods that call themselves, by an interface too, stay calls from some depth on.
      inline_calls(*m.graph);
      for (int round = 0; round < kMostRounds && resolve_interfaces(m); round++) inline_calls(*m.graph);
      for (const Value* v : m.graph->outputs())
        RL_CHECK(RuntimeError, object_of(m, v) != m.self,
                 "attempted to freeze a module that return itself: what would be returned is the module of before");
    }
    for (const FrozenMethod& m : methods_) find_assigned(m);
    // Numbers first: whether a batch norm writes to its statistics hangs on `training`.
    for (bool tensors : {false, true}) {
      if (tensors) find_written();
      for (const FrozenMethod& m : methods_) {
        if (!unknown_) replace(m, tensors);
        optimize(*m.graph);
      }
    }
  }

 private:
  static constexpr int kMostRounds = 16;  // interfaces inside of interfaces
  static bool is_object(const Value* v) { return as_class(v->type()) != nullptr; }

  // What an attribute of an interface's type holds is known, as nothing assigns it.
  bool resolve_interfaces(const FrozenMethod& m) {
    bool changed = false;
    each_node(*m.graph->block(), [&](Node* n) {
      const ClassType* c = n->is("prim::GetAttr") ? as_class(n->output()->type()) : nullptr;
      const ObjectValue* held = c && c->is_interface ? object_of(m, n->output()) : nullptr;
      if (!held) return;
      n->output()->set_type(as_class(held->type)->unowned());
      changed = true;
    });
    return changed;
  }

  void find_assigned(const FrozenMethod& m) {
    each_node(*m.graph->block(), [&](Node* n) {
      if (n->is("prim::CallMethod") && is_object(n->input())) unknown_ = true;
      if (!n->is("prim::SetAttr")) return;
      const ObjectValue* o = object_of(m, n->input());
      const ClassType* c = as_class(n->input()->type());
      if (!o && c && c->is_module) unknown_ = true;
      if (!o) return;
      std::string name(n->attribute("name").to_string());
      const ClassType* type = as_class(o->type);
      const ClassType* declared = as_class(type->slots[size_t(type->find_slot(name))].type);
      RL_CHECK(RuntimeError, !declared || !declared->is_interface,
               "Freezing does not support SetAttr on an interface type: '", name, "' of ", type->name(),
               " is assigned, so that what its methods do is not known");
      kept_.emplace(o, name);
    });
  }

  void find_written() {
    Slots written;
    for (const FrozenMethod& m : methods_) {
      AliasSets aliases(*m.graph, true);
      each_node(*m.graph->block(), [&](Node* n) {
        if (!n->is("prim::GetAttr") || !aliases.is_written(n->output())) return;
        if (const ObjectValue* o = object_of(m, n->input())) written.emplace(o, n->attribute("name").to_string());
        else unknown_ = true;
      });
    }
    for (const auto& [o, name] : written) add_parts(held(*o, name), written_);
    kept_.merge(written);
  }

  static const IValue& held(const ObjectValue& o, const std::string& name) {
    return o.slots[size_t(as_class(o.type)->find_slot(name))];
  }

  void replace(const FrozenMethod& m, bool tensors) {
    std::map<std::pair<const ObjectValue*, std::string>, Value*> made;
    each_node(*m.graph->block(), [&](Node* n) {
      const ObjectValue* o = n->is("prim::GetAttr") ? object_of(m, n->input()) : nullptr;
      std::string name = o ? std::string(n->attribute("name").to_string()) : "";
      if (!o || kept_.contains({o, name}) || !n->output()->has_uses()) return;
      const IValue& value = held(*o, name);
      if (value.is_object() || (parameters_ && name == "training" && value.is_same(IValue(true)))) return;
      bool plain = value.is_scalar() || value.is_string() || value.is_none() || value.is_device();
      if (!plain && !(tensors && is_apart(value))) return;
      Value*& known = made[{o, name}];
      int parts = 0;
      if (!known) {
        InsertPoint top(*m.graph, m.graph->block()->first());
        known = constant(*m.graph, value, n->output()->type(), parts);
      }
      if (known) n->output()->replace_all_uses_with(known);
    });
  }

  bool is_apart(const IValue& value) const {
    if (written_.empty()) return true;
    std::unordered_set<const void*> parts;
    add_parts(value, parts);
    return std::none_of(parts.begin(), parts.end(), [&](const void* p) { return written_.contains(p); });
  }

  // The value, of constants; lists and dicts are made anew at each call, for a caller may change what it is given. Null for what can't be,
  // or not of few `parts`.
  Value* constant(Graph& graph, const IValue& v, const TypePtr& type, int& parts) {
    constexpr int kMost = 1000;
    if (++parts > kMost) return nullptr;
    const Type& t = type->is(Type::Kind::Optional) ? *type->element() : *type;
    if (v.is_tensor()) {
      if (parameters_ && v.tensor().requires_grad()) return nullptr;
      return graph.insert_constant(IValue(detach(v.tensor())), type);
    }
    if (v.is_scalar() || v.is_string() || v.is_none() || v.is_device()) return graph.insert_constant(v, type);
    const char* kind = nullptr;
    std::vector<Value*> items;
    auto add = [&](const IValue& item, const TypePtr& of) {
      items.push_back(constant(graph, item, of, parts));
      return items.back() != nullptr;
    };
    if (v.is_any_list() && t.is(Type::Kind::List)) {
      kind = "prim::ListConstruct";
      for (size_t i = 0, n = list_size(v); i < n; i++)
        if (!add(list_get(v, i), t.element())) return nullptr;
    } else if (v.is_tuple() && t.is(Type::Kind::Tuple)) {
      kind = "prim::TupleConstruct";
      for (size_t i = 0; i < v.to_tuple().items.size(); i++)
        if (!add(v.to_tuple().items[i], t.contained()[i])) return nullptr;
    } else if (v.is_dict() && t.is(Type::Kind::Dict)) {
      kind = "prim::DictConstruct";
      for (const auto& [key, value] : v.dict().items)
        if (!add(key, t.contained()[0]) || !add(value, t.contained()[1])) return nullptr;
    }
    if (!kind) return nullptr;
    return graph.insert_new(kind, items)->output()->set_type(type->is(Type::Kind::Optional) ? type->element() : type);
  }

  const std::vector<FrozenMethod>& methods_;
  Slots kept_;
  std::unordered_set<const void*> written_;
  bool parameters_, unknown_ = false;
};

const Tensor* tensor_constant(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_tensor() ? &c->tensor() : nullptr;
}
bool is_none(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_none();
}
bool is_false(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_bool() && !c->to_bool();
}

// The convolution that makes v, if v is used by `by` alone, but for its sizes, and the weight is known; else null.
Node* convolution_for(const Value* v, const Node* by) {
  Node* conv = v->node();
  bool plain = conv->is("aten::conv1d") || conv->is("aten::conv2d") || conv->is("aten::conv3d");
  bool general =
      (conv->is("aten::_convolution") || conv->is("aten::convolution")) && is_false(conv->input(6));  // not transposed
  auto harmless = [&](const Use& u) { return u.user == by || u.user->is("aten::dim") || u.user->is("aten::size"); };
  bool known = (plain || general) && tensor_constant(conv->input(1)) &&
               (tensor_constant(conv->input(2)) || is_none(conv->input(2)));
  return known && std::all_of(v->uses().begin(), v->uses().end(), harmless) && conv->owner() == by->owner() ? conv
                                                                                                            : nullptr;
}
void replace_weights(Graph& graph, Node* conv, Tensor weight, Tensor bias, Node* dropped) {
  InsertPoint here(graph, conv);
  conv->replace_input(1, graph.insert_constant(IValue(std::move(weight)), Type::tensor()));
  conv->replace_input(2,
                      graph.insert_constant(IValue(std::move(bias)), bias.defined() ? Type::tensor() : Type::none()));
  dropped->output()->replace_all_uses_with(conv->output());
  dropped->destroy();
}
// A tensor of one number for each channel, beside a weight.
Tensor by_channel(const Tensor& t, const Tensor& weight) {
  Dims column(size_t(weight.dim()), 1);
  column[0] = weight.size(0);
  return reshape(t, column);
}

// batch_norm(conv(x)) with known weights and statistics is a convolution with other weights.
bool fold_batch_norm(Graph& graph, Node* norm) {
  if (!norm->is("aten::batch_norm") || !is_false(norm->input(5))) return false;
  Node* conv = convolution_for(norm->input(0), norm);
  if (!conv) return false;
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
  Tensor offset = bias ? *bias - *mean : -*mean;
  offset = offset * scale;
  if (shift) offset = offset + *shift;
  replace_weights(graph, conv, *weight * by_channel(scale, *weight), offset, norm);
  return true;
}

// conv(x) + c, - c, * c or / c, where c is a number, or one for each channel, is a convolution with other weights.
bool fold_arithmetic(Graph& graph, Node* n, bool sums) {
  const bool minus = n->is("aten::sub"), product = n->is("aten::mul"), quotient = n->is("aten::div");
  if (sums ? !(n->is("aten::add") || minus) : !product && !quotient) return false;
  if (n->inputs().size() != (sums ? 3 : 2)) return false;
  size_t at = 0;
  Node* conv = convolution_for(n->input(0), n);
  if (!conv && !minus && !quotient) conv = convolution_for(n->input(at = 1), n);
  if (!conv) return false;
  const Tensor &weight = *tensor_constant(conv->input(1)), *bias = tensor_constant(conv->input(2));
  if (!is_floating(weight.dtype()) || (bias && bias->dtype() != weight.dtype())) return false;
  const IValue* by = constant_of(n->input(1 - at));
  const IValue* times = sums ? constant_of(n->input(2)) : nullptr;
  auto real = [](const IValue* v) { return v && (v->is_int() || v->is_double()); };
  if (!by || (sums && !real(times))) return false;
  Tensor c;
  if (real(by)) {
    c = full({weight.size(0)}, by->to_scalar(), weight.dtype());
  } else if (by->is_tensor()) {  // it must not make the result larger, nor of another dtype
    const Tensor& t = by->tensor();
    const int64_t channel = t.dim() - (weight.dim() - 1);  // which of t's dimensions is the channels'
    for (int64_t d = 0; d < t.dim(); d++)
      if (t.size(d) != 1 && (d != channel || t.size(d) != weight.size(0))) return false;
    const bool number =
        t.dim() == 0 && !is_complex(t.dtype());  // decides no dtype among floating ones, as whole numbers don't
    if (t.impl()->flags() != 0 || t.dim() > weight.dim() ||
        (t.dtype() != weight.dtype() && !number && !is_integral(t.dtype(), true)))
      return false;
    c = number ? full({weight.size(0)}, read_number(t.dtype(), t.raw()), weight.dtype())
               : contiguous(expand(reshape(t, {t.numel()}), {weight.size(0)}));
    if (c.dtype() != weight.dtype()) c = full({weight.size(0)}, 0, weight.dtype()) + c;
  } else {
    return false;
  }
  if (sums) {
    c = c * times->to_scalar();
    Tensor offset = minus ? -c : c;
    replace_weights(graph, conv, weight, bias ? *bias + offset : offset, n);
    return true;
  }
  if (quotient) c = reciprocal(c);
  replace_weights(graph, conv, weight * by_channel(c, weight), bias ? *bias * c : Tensor(), n);
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

// A product with a known matrix, and what is added to each row of it, is a linear layer. A small weight comes to lie as products like it best;
// a large one, which a group will pack (groups.cpp) from wherever it lies, is not copied for it.
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
      weight = turned ? by : graph_.insert_constant(IValue(transposed(*w)), Type::tensor());
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
  static Tensor transposed(const Tensor& w) {
    if (w.numel() < kLeastPacked || w.dtype() != DType::Float32 || !w.is_contiguous()) return contiguous(t(w));
    return alias_tensor(w, {w.size(1), w.size(0)}, {1, w.size(1)}, w.storage_offset());
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

const ObjectValue* object_of(const FrozenMethod& method, const Value* v) {
  if (v == method.graph->inputs()[0]) return method.self;
  if (v->node()->is("prim::unchecked_cast")) return object_of(method, v->node()->input());
  if (!v->node()->is("prim::GetAttr")) return nullptr;
  const ObjectValue* owner = object_of(method, v->node()->input());
  const ClassType* c = owner ? as_class(owner->type) : nullptr;
  int slot = c ? c->find_slot(std::string(v->node()->attribute("name").to_string())) : -1;
  return slot >= 0 && owner->slots[size_t(slot)].is_object() ? &owner->slots[size_t(slot)].to_object() : nullptr;
}

void freeze(const std::vector<FrozenMethod>& methods, Slots kept, bool parameters) {
  Freezer(methods, std::move(kept), parameters).run();
}

bool fold_frozen(Graph& graph, unsigned folds) {
  bool changed = false;
  Products products(graph);
  auto wanted = [&](Fold f) { return (folds & unsigned(f)) != 0; };
  std::function<void(Block&)> visit = [&](Block& b) {
    for (Node* n : b) {
      for (Block* inner : n->blocks()) visit(*inner);
      changed |= (wanted(Fold::Dropout) && drop_dropout(n)) || (wanted(Fold::Norms) && fold_batch_norm(graph, n)) ||
                 (wanted(Fold::Sums) && fold_arithmetic(graph, n, true)) ||
                 (wanted(Fold::Products) && fold_arithmetic(graph, n, false)) ||
                 (wanted(Fold::Rest) && (products.fold(n) || fold_gelu(graph, n)));
    }
  };
  visit(*graph.block());
  if (changed) optimize(graph);
  return changed;
}

}  // namespace rushlight::graph
