#include "rushlight/graph/passes/groups.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "rushlight/dispatch/pointwise.h"
#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::graph {
namespace {

using Kind = NetworkLayer::Kind;
using Function = NetworkLayer::Function;

const Tensor* tensor_of(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_tensor() ? &c->tensor() : nullptr;
}
bool is_none(const Value* v) {
  const IValue* c = constant_of(v);
  return c && c->is_none();
}
std::optional<double> number_of(const Value* v) {
  const IValue* c = constant_of(v);
  if (!c || !(c->is_int() || c->is_double())) return std::nullopt;
  return c->to_double();
}
std::optional<bool> flag_of(const Value* v) {
  const IValue* c = constant_of(v);
  if (!c || !c->is_bool()) return std::nullopt;
  return c->to_bool();
}
// A constant list with one number for all dimensions, or one for each.
bool numbers_of(const Value* v, int dims, int64_t (&out)[kMaxSpatial], int64_t least,
                const int64_t* otherwise = nullptr) {
  const IValue* c = constant_of(v);
  if (!c || !c->is_int_list()) return false;
  IntArrayRef list = c->int_list();
  if (list.empty() && !otherwise) return false;
  if (!list.empty() && list.size() != 1 && int(list.size()) != dims) return false;
  for (int d = 0; d < dims; d++) {
    out[d] = list.empty() ? otherwise[d] : list[list.size() == 1 ? 0 : size_t(d)];
    if (out[d] < least || out[d] > INT32_MAX / 4) return false;
  }
  return true;
}
bool is_tensor(const Value* v) { return v->type()->is(Type::Kind::Tensor); }
bool is_weight(const Tensor* t) { return t && t->dtype() == DType::Float32 && t->impl()->flags() == 0; }
// Whether a matrix lies in memory column by column.
bool is_turned(const Tensor& t) {
  return t.dim() == 2 && !t.is_contiguous() && t.strides()[0] == 1 && t.strides()[1] == t.sizes()[0];
}

// A parameter of a layer. False where it is neither constant nor an attribute, or is required and not there.
bool parameter(const Node& n, size_t input, NetworkLayer::Parameter& p, bool required) {
  const Value* v = n.input(input);
  if (is_none(v)) return !required;
  if (const Tensor* t = tensor_of(v)) return is_weight(t) && t->is_contiguous() && (p.known = t->data<float>());
  if (!v->node()->is("prim::GetAttr") || !is_tensor(v)) return false;
  p.value = int(input);
  return true;
}

bool convolution(const Node& n, NetworkStep& s) {
  int dims = n.is("aten::conv1d") ? 1 : n.is("aten::conv2d") ? 2 : n.is("aten::conv3d") ? 3 : 0;
  size_t count = n.inputs().size();
  bool general =
      (n.is("aten::_convolution") && (count == 12 || count == 13)) || (n.is("aten::convolution") && count == 9);
  if ((dims == 0 || count != 7) && !general) return false;
  if (general && flag_of(n.input(6)) != false) return false;
  if (general) {
    const IValue* stride = constant_of(n.input(3));
    if (!stride || !stride->is_int_list()) return false;
    const Tensor* known = tensor_of(n.input(1));
    dims = known ? int(known->dim()) - 2 : int(stride->int_list().size());
  }
  if (dims < 1 || dims > kMaxSpatial) return false;
  NetworkLayer& l = s.layer;
  ConvProblem& w = l.window;
  auto groups = number_of(n.input(general ? 8 : 6));
  if (!groups || *groups < 1 || *groups > INT32_MAX) return false;
  l.kind = Kind::Conv;
  s.spatial = w.spatial = dims;
  w.groups = int64_t(*groups);
  if (!parameter(n, 1, l.weight, true) || !parameter(n, 2, l.bias, false)) return false;
  w.has_bias = bool(l.bias);
  if (l.weight.known) {
    const Tensor* bias = tensor_of(n.input(2));
    if (bias && bias->dim() != 1) return false;
    if (!set_weight(s, tensor_of(n.input(1))->sizes(), bias ? std::optional(bias->numel()) : std::nullopt))
      return false;
  } else if (l.bias.known) {
    return false;
  }
  return numbers_of(n.input(3), dims, w.stride, 1) && numbers_of(n.input(4), dims, w.padding, 0) &&
         numbers_of(n.input(5), dims, w.dilation, 1);
}

// With a known weight of such a size that packing it is worth while.
bool linear(const Node& n, NetworkStep& s) {
  if (!n.is("aten::linear") || n.inputs().size() != 3) return false;
  const Tensor *weight = tensor_of(n.input(1)), *bias = tensor_of(n.input(2));
  NetworkLayer& l = s.layer;
  l.kind = Kind::Linear;
  if (!weight || weight->dim() != 2 || weight->numel() < kLeastPacked) return false;
  l.turned = is_weight(weight) && is_turned(*weight);
  if (l.turned) l.weight.known = weight->data<float>();
  else if (!parameter(n, 1, l.weight, true)) return false;
  if (!is_none(n.input(2)) && (!bias || !parameter(n, 2, l.bias, true))) return false;
  s.weight = weight->sizes();
  l.window.in = s.weight[1];
  l.window.out = s.weight[0];
  return !bias || (bias->dim() == 1 && bias->numel() == l.window.out);
}

// By statistics that it is given.
bool batch_norm(const Node& n, NetworkStep& s) {
  if (!n.is("aten::batch_norm") || n.inputs().size() != 9 || flag_of(n.input(5)) != false) return false;
  auto eps = number_of(n.input(7));
  if (!eps || *eps < 0) return false;
  NetworkLayer& l = s.layer;
  l.kind = Kind::BatchNorm;
  l.eps = *eps;
  if (!parameter(n, 1, l.weight, false) || !parameter(n, 2, l.bias, false) || !parameter(n, 3, l.mean, true) ||
      !parameter(n, 4, l.variance, true))
    return false;
  for (size_t i = 1; i < 5; i++) {
    const Tensor* t = tensor_of(n.input(i));
    if (!t) continue;
    if (t->dim() != 1 || (!s.weight.empty() && s.weight[0] != t->numel())) return false;
    s.weight = t->sizes();
  }
  return true;
}

bool pool(const Node& n, NetworkStep& s) {
  static constexpr const char* kinds[] = {"aten::max_pool1d",
                                          "aten::max_pool2d",
                                          "aten::max_pool3d",
                                          "aten::avg_pool1d",
                                          "aten::avg_pool2d",
                                          "aten::avg_pool3d",
                                          "",
                                          "aten::adaptive_avg_pool2d",
                                          "aten::adaptive_avg_pool3d"};
  auto found = std::find_if(std::begin(kinds), std::end(kinds), [&](const char* k) { return n.is(k); });
  if (found == std::end(kinds)) return false;
  int which = int(found - kinds) / 3;
  ConvProblem& w = s.layer.window;
  s.spatial = w.spatial = int(found - kinds) % 3 + 1;
  s.layer.kind = which ? Kind::MeanPool : Kind::MaxPool;
  if (which == 2) {
    s.adaptive = true;
    return n.inputs().size() == 2 && numbers_of(n.input(1), w.spatial, w.output, 1);
  }
  if (n.inputs().size() < 6) return false;
  if (!numbers_of(n.input(1), w.spatial, w.kernel, 1) || !numbers_of(n.input(2), w.spatial, w.stride, 1, w.kernel) ||
      !numbers_of(n.input(3), w.spatial, w.padding, 0))
    return false;
  if (which == 0 && !numbers_of(n.input(4), w.spatial, w.dilation, 1)) return false;
  auto ceil = flag_of(n.input(which ? 4 : 5));
  if (!ceil) return false;
  s.ceil = *ceil;
  if (which == 1) {
    auto all = flag_of(n.input(5));
    if (!all || (n.inputs().size() > 6 && !is_none(n.input(6)))) return false;
    s.layer.count_padding = *all;
    if (*all && *ceil) return false;  // a window that leaves the padding too is divided by what it has there
  }
  for (int d = 0; d < w.spatial; d++)
    if (w.padding[d] > ((w.kernel[d] - 1) * w.dilation[d] + 1) / 2) return false;
  return true;
}

bool function(const Node& n, NetworkStep& s) {
  struct Known {
    const char* kind;
    Function function;
    float alpha = 0, beta = 0;
  };
  static constexpr Known all[] = {{"aten::relu", Function::Relu},
                                  {"aten::relu6", Function::Clip, 0, 6},
                                  {"aten::sigmoid", Function::Logistic},
                                  {"aten::tanh", Function::Tanh},
                                  {"aten::silu", Function::Swish, 1},
                                  {"aten::hardswish", Function::HardSwish, 1.f / 6, .5f},
                                  {"aten::hardsigmoid", Function::HardSigmoid, 1.f / 6, .5f},
                                  {"aten::hardtanh", Function::Clip},
                                  {"aten::leaky_relu", Function::Relu},
                                  {"aten::elu", Function::Elu},
                                  {"aten::gelu", Function::Gelu}};
  auto known = std::find_if(std::begin(all), std::end(all), [&](const Known& k) { return n.is(k.kind); });
  if (known == std::end(all)) return false;
  s.layer.kind = Kind::Function;
  s.layer.function = known->function;
  s.layer.alpha = known->alpha;
  s.layer.beta = known->beta;
  if (n.inputs().size() == 1) return true;
  if (n.is("aten::gelu")) {
    const IValue* how = constant_of(n.input(1));
    if (!how || !how->is_string()) return false;
    if (how->to_string() == "tanh") s.layer.function = Function::GeluTanh;
    return true;
  }
  std::optional<double> p[3];
  for (size_t i = 1; i < n.inputs().size() && i < 4; i++)
    if (!(p[i - 1] = number_of(n.input(i)))) return false;
  s.layer.alpha = float(*p[0]);
  if (n.is("aten::hardtanh")) return s.layer.beta = float(p[1].value_or(1)), true;
  return n.is("aten::leaky_relu") || (p[1] == 1.0 && p[2] == 1.0);  // elu
}

// In place too, where nobody sees it: see may_join_network.
bool arithmetic(const Node& n, NetworkStep& s) {
  bool add = (n.is("aten::add") || n.is("aten::add_")) && n.inputs().size() == 3 && number_of(n.input(2)) == 1.0;
  bool mul = (n.is("aten::mul") || n.is("aten::mul_")) && n.inputs().size() == 2;
  if ((!add && !mul) || !is_tensor(n.input(0)) || !is_tensor(n.input(1))) return false;
  s.layer.kind = add ? Kind::Add : Kind::Mul;
  s.layer.b = 1;
  s.tensors = 2;
  return true;
}

bool is_in_place(const Node& n) { return n.op && n.op->form() == Op::Form::InPlace; }

// A check that only raises may come earlier or later: what it passes on its way changes nothing that anybody sees.
bool only_raises(const Node& n) {
  if (!n.is("prim::If") || !n.outputs().empty()) return false;
  for (const Block* b : n.blocks())
    for (const Node* inner : *b)
      if (!inner->is("prim::RaiseException") && has_side_effects(*inner)) return false;
  return true;
}

// Layers check how many dimensions they are given, before and behind every convolution. A layer gives as many as it takes, so that
// those checks ask one thing: it is asked of what comes in, and once. What says what was wrong is computed where it is said.
class Checks {
 public:
  explicit Checks(Graph& graph) : graph_(graph) {}

  bool settle() {
    ask_of_inputs(*graph_.block());
    if (!changed_) return false;
    eliminate_common(graph_);
    ask_once(*graph_.block());
    return true;
  }

 private:
  // What has as many dimensions as v.
  Value* source(Value* v) {
    if (auto known = sources_.find(v); known != sources_.end()) return known->second;
    Value* from = v;
    if (auto s = network_step(*v->node())) {
      from = source(v->node()->input(0));
      if (s->tensors == 2 && source(v->node()->input(1)) != from) from = v;
    }
    return sources_[v] = from;
  }
  void ask_of_inputs(Block& b) {
    for (Node* n : b) {
      for (Block* inner : n->blocks()) ask_of_inputs(*inner);
      if (!n->is("aten::dim") || source(n->input(0)) == n->input(0)) continue;
      n->replace_input(0, source(n->input(0)));
      changed_ = true;
    }
  }
  void ask_once(Block& b) {
    std::unordered_set<const Value*> passed;
    for (Node* n : b) {
      for (Block* inner : n->blocks()) ask_once(*inner);
      if (!only_raises(*n) || !raises(*n->blocks()[0]) || raises(*n->blocks()[1])) continue;
      if (!passed.insert(n->input()).second) n->destroy();
      else compute_inside(*n->blocks()[0]);
    }
  }
  static bool raises(const Block& b) {
    for (const Node* n : b)
      if (n->is("prim::RaiseException")) return true;
    return false;
  }
  // Results of layers that stand before the block.
  void compute_inside(Block& b) {
    std::unordered_map<const Value*, Value*> copies;
    for (Node* n : b)
      for (size_t i = 0; i < n->inputs().size(); i++) {
        Node* maker = n->input(i)->node();
        if (maker->owner() == &b || !network_step(*maker)) continue;
        Value*& copy = copies[n->input(i)];
        if (!copy) {
          InsertPoint here(graph_, b.first());
          copy = graph_.insert_like(*maker, maker->inputs())->add_output(maker->output()->type());
        }
        n->replace_input(i, copy);
      }
  }

  Graph& graph_;
  std::unordered_map<const Value*, Value*> sources_;
  bool changed_ = false;
};

// Nodes of a block as groups of a kind.
class Former {
 public:
  Former(Graph& graph, const char* kind, bool (*may_join)(const Node&), bool (*starts)(const Node&),
         bool (*worthwhile)(const std::vector<Node*>&), size_t most = SIZE_MAX)
      : graph_(graph), kind_(kind), may_join_(may_join), starts_(starts), worthwhile_(worthwhile), most_(most) {}

  void form(Block& b) {
    for (Node* n : b)
      if (!n->is(kNetwork) && !n->is(kPointwise))
        for (Block* block : n->blocks()) {
          Former inner(graph_, kind_, may_join_, starts_, worthwhile_, most_);
          inner.form(*block);
          changed |= inner.changed;
        }
    // What had to stand behind one group may be a group of its own.
    constexpr int kMostRounds = 64;
    again_ = true;
    for (int round = 0; again_ && round < kMostRounds; round++) {
      again_ = false;
      for (Node* n : b)
        if (!n->is("prim::Constant")) visit(n);
      close();
    }
  }
  bool changed = false;

 private:
  static bool uses(const Node& n, const std::unordered_set<const Value*>& values) {
    for (const Value* v : n.inputs())
      if (values.contains(v)) return true;
    for (const Block* b : n.blocks()) {
      for (const Node* inner : *b)
        if (uses(*inner, values)) return true;
      for (const Value* v : b->outputs())
        if (values.contains(v)) return true;
    }
    return false;
  }

  // What a node writes to in place is read by nodes of the run only: others before it would come to stand behind it.
  bool is_read_inside(const Node& n) const {
    const auto& readers = n.input(0)->uses();
    return std::all_of(readers.begin(), readers.end(), [&](const Use& u) {
      return u.user == &n || std::find(run_.begin(), run_.end(), u.user) != run_.end();
    });
  }

  void visit(Node* n) {
    bool after = uses(*n, late_);
    bool joins =
        may_join_(*n) && !after && (starts_(*n) || uses(*n, made_)) && (!is_in_place(*n) || is_read_inside(*n));
    if (joins && run_.size() >= most_) {
      close();
      again_ = true;
    }
    if (joins) {
      run_.push_back(n);
      made_.insert(n->output());
      return;
    }
    if (run_.empty()) return;
    bool free = (!has_side_effects(*n) && n->blocks().empty()) || only_raises(*n);
    bool needs = after || uses(*n, made_);
    if (!free) close();
    else if (needs) late_.insert(n->outputs().begin(), n->outputs().end());
    else n->move_before(run_[0]);
  }

  void close() {
    std::vector<Node*> run = std::move(run_);
    run_.clear();
    if (!run.empty() && worthwhile_(run)) {
      again_ |= !late_.empty();
      make(run);
    }
    made_.clear();
    late_.clear();
  }

  void make(const std::vector<Node*>& run) {
    changed = true;
    std::unordered_set<const Node*> inside(run.begin(), run.end());
    std::vector<Value*> taken, given;
    for (Node* n : run) {
      for (Value* v : n->inputs())
        if (!inside.contains(v->node()) && is_tensor(v) && !constant_of(v) &&
            std::find(taken.begin(), taken.end(), v) == taken.end())
          taken.push_back(v);
      for (const Use& u : n->output()->uses())
        if (!inside.contains(u.user)) {
          given.push_back(n->output());
          break;
        }
    }
    Node* group = graph_.create(kind_, taken, 0)->insert_before(run[0]);
    group->location = run[0]->location;
    Block* body = group->add_block();
    for (Value* v : given) {
      Value* out = group->add_output(v->type());
      v->replace_all_uses_with(out);
    }
    for (Node* n : run) n->move_before(body->ret());
    // Inside, the nodes go on using one another's results.
    for (size_t i = 0; i < given.size(); i++) {
      std::vector<Use> uses = group->output(i)->uses();
      for (const Use& u : uses)
        if (inside.contains(u.user)) u.user->replace_input(u.index, given[i]);
      body->register_output(given[i]);
    }
  }

  Graph& graph_;
  const char* kind_;
  bool (*may_join_)(const Node&);
  bool (*starts_)(const Node&);
  bool (*worthwhile_)(const std::vector<Node*>&);
  size_t most_;  // nodes of a group
  std::vector<Node*> run_;
  std::unordered_set<const Value*> made_, late_;  // by the run; by what has to stand behind it
  bool again_ = false;                            // a group was made before what had to stand behind it
};

bool always(const Node&) { return true; }
template <NetworkLayer::Kind... kKinds>
bool may_join(const Node& n) {
  auto s = network_step(n);
  return s && ((s->layer.kind == kKinds) || ...) && (!is_in_place(n) || writes_own(n));
}
template <NetworkLayer::Kind kKind>
bool is_layer(const Node& n) {
  auto s = network_step(n);
  return s && s->layer.kind == kKind;
}

}  // namespace

bool settle_checks(Graph& graph) { return Checks(graph).settle(); }

std::optional<NetworkStep> network_step(const Node& n) {
  NetworkStep s;
  if (n.outputs().size() != 1 || n.inputs().empty() || !is_tensor(n.input(0)) || constant_of(n.input(0))) return {};
  for (auto as_layer : {convolution, linear, pool, batch_norm, function, arithmetic}) {
    if (as_layer(n, s)) return s;
    s = {};
  }
  return {};
}

bool set_weight(NetworkStep& s, const Dims& weight, std::optional<int64_t> bias) {
  ConvProblem& w = s.layer.window;
  if (weight.size() != size_t(s.spatial) + 2 || weight[0] % w.groups || (bias && *bias != weight[0])) return false;
  for (int64_t size : weight)
    if (size < 1 || size > INT32_MAX) return false;
  s.weight = weight;
  w.in = weight[1];
  w.out = weight[0] / w.groups;
  for (int d = 0; d < s.spatial; d++) w.kernel[d] = weight[size_t(d) + 2];
  return true;
}

bool is_pointwise(const Node& n) {
  if (!n.op || !n.op->def().kernel.pointwise || n.op->form() != Op::Form::Function || n.outputs().size() != 1)
    return false;
  const PointwiseInfo& info = *n.op->def().kernel.pointwise;
  if (info.promote == Promote::Mask || info.result_is_bool || !is_tensor(n.input(0))) return false;
  for (size_t i = 0; i < n.inputs().size(); i++) {
    const Value* v = n.input(i);
    if (is_tensor(v) ? i >= size_t(info.inputs) || constant_of(v) : !constant_of(v)) return false;
    if (!is_tensor(v) && i < size_t(info.inputs) && !number_of(v)) return false;
  }
  return true;
}

bool form_networks(Graph& graph) {
  using enum NetworkLayer::Kind;
  // One convolution alone gains by nothing but weights that are packed once.
  auto worthwhile = [](const std::vector<Node*>& run) { return run.size() > 1 || constant_of(run[0]->input(1)); };
  Former former(graph, kNetwork, may_join<Conv, MaxPool, MeanPool, BatchNorm, Function, Add, Mul>, is_layer<Conv>,
                worthwhile);
  former.form(*graph.block());
  // Linear layers' values have two dimensions, whatever their tensors have.
  Former of_linear(graph, kNetwork, may_join<Linear, Function>, is_layer<Linear>, worthwhile);
  of_linear.form(*graph.block());
  return former.changed || of_linear.changed;
}

bool fuse_pointwise(Graph& graph) {
  constexpr size_t kMost = 15;  // a loop over them has room for so many tensors
  Former former(
      graph, kPointwise, is_pointwise, always, [](const std::vector<Node*>& run) { return run.size() > 1; }, kMost);
  former.form(*graph.block());
  return former.changed;
}

}  // namespace rushlight::graph
