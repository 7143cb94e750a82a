#include "rushlight/graph/passes/groups.h"

#include <algorithm>
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
bool is_weight(const Tensor* t) {
  return t && t->dtype() == DType::Float32 && t->impl()->flags() == 0 && t->is_contiguous();
}

bool convolution(const Node& n, NetworkStep& s) {
  int dims = n.is("aten::conv1d") ? 1 : n.is("aten::conv2d") ? 2 : n.is("aten::conv3d") ? 3 : 0;
  size_t count = n.inputs().size();
  bool general =
      (n.is("aten::_convolution") && (count == 12 || count == 13)) || (n.is("aten::convolution") && count == 9);
  if ((dims == 0 || count != 7) && !general) return false;
  if (general && flag_of(n.input(6)) != false) return false;
  const Tensor *weight = tensor_of(n.input(1)), *bias = tensor_of(n.input(2));
  if (!is_weight(weight) || !(is_none(n.input(2)) || is_weight(bias))) return false;
  if (general) dims = int(weight->dim()) - 2;
  if (dims < 1 || dims > kMaxSpatial || weight->dim() != dims + 2) return false;
  ConvProblem& w = s.layer.window;
  auto groups = number_of(n.input(general ? 8 : 6));
  if (!groups || *groups < 1 || weight->size(0) % int64_t(*groups) || weight->numel() == 0) return false;
  if (bias && (bias->dim() != 1 || bias->size(0) != weight->size(0))) return false;
  s.layer.kind = Kind::Conv;
  s.layer.weight = weight->data<float>();
  s.layer.bias = bias ? bias->data<float>() : nullptr;
  s.weight = weight->sizes();
  s.spatial = w.spatial = dims;
  w.groups = int64_t(*groups);
  w.in = weight->size(1);
  w.out = weight->size(0) / w.groups;
  w.has_bias = bias;
  for (int d = 0; d < dims; d++) w.kernel[d] = weight->size(d + 2);
  return numbers_of(n.input(3), dims, w.stride, 1) && numbers_of(n.input(4), dims, w.padding, 0) &&
         numbers_of(n.input(5), dims, w.dilation, 1);
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

bool is_tensor(const Value* v) { return v->type()->is(Type::Kind::Tensor); }

bool arithmetic(const Node& n, NetworkStep& s) {
  bool add = n.is("aten::add") && n.inputs().size() == 3 && number_of(n.input(2)) == 1.0;
  if ((!add && !(n.is("aten::mul") && n.inputs().size() == 2)) || !is_tensor(n.input(0)) || !is_tensor(n.input(1)))
    return false;
  s.layer.kind = add ? Kind::Add : Kind::Mul;
  s.layer.b = 1;
  s.tensors = 2;
  return true;
}

// Nodes of a block as groups of a kind.
class Former {
 public:
  Former(Graph& graph, const char* kind, bool (*may_join)(const Node&), bool (*starts)(const Node&),
         bool (*worthwhile)(const std::vector<Node*>&))
      : graph_(graph), kind_(kind), may_join_(may_join), starts_(starts), worthwhile_(worthwhile) {}

  void form(Block& b) {
    for (Node* n : b) {
      if (n->is("prim::Constant")) continue;
      if (!n->is(kNetwork) && !n->is(kPointwise))
        for (Block* block : n->blocks()) {
          Former inner(graph_, kind_, may_join_, starts_, worthwhile_);
          inner.form(*block);
          changed |= inner.changed;
        }
      visit(n);
    }
    close();
  }
  bool changed = false;

 private:
  // A check that only raises may come earlier: what it passes on its way changes nothing.
  static bool only_raises(const Node& n) {
    if (!n.is("prim::If") || !n.outputs().empty()) return false;
    for (const Block* b : n.blocks())
      for (const Node* inner : *b)
        if (!inner->is("prim::RaiseException") && has_side_effects(*inner)) return false;
    return true;
  }
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

  void visit(Node* n) {
    bool after = uses(*n, late_);
    bool joins = may_join_(*n) && !after && (starts_(*n) || uses(*n, made_));
    if (joins) {
      run_.push_back(n);
      made_.insert(n->output());
      return;
    }
    if (run_.empty()) return;
    bool free = !has_side_effects(*n) && n->blocks().empty();
    bool needs = after || uses(*n, made_);
    if (free && needs) late_.insert(n->outputs().begin(), n->outputs().end());
    else if ((free || only_raises(*n)) && !needs) n->move_before(run_[0]);
    else close();
  }

  void close() {
    std::vector<Node*> run = std::move(run_);
    run_.clear();
    if (!run.empty() && worthwhile_(run)) make(run);
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
  std::vector<Node*> run_;
  std::unordered_set<const Value*> made_, late_;  // by the run; by what has to stand behind it
};

bool always(const Node&) { return true; }

}  // namespace

std::optional<NetworkStep> network_step(const Node& n) {
  NetworkStep s;
  if (n.outputs().size() != 1 || n.inputs().empty() || !is_tensor(n.input(0)) || constant_of(n.input(0))) return {};
  if (convolution(n, s) || pool(n, s) || function(n, s) || arithmetic(n, s)) return s;
  return {};
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
  auto is_convolution = [](const Node& n) {
    auto s = network_step(n);
    return s && s->layer.kind == NetworkLayer::Kind::Conv;
  };
  Former former(
      graph, kNetwork, [](const Node& n) { return network_step(n).has_value(); }, is_convolution,
      [](const std::vector<Node*>&) { return true; });
  former.form(*graph.block());
  return former.changed;
}

bool fuse_pointwise(Graph& graph) {
  Former former(graph, kPointwise, is_pointwise, always, [](const std::vector<Node*>& run) { return run.size() > 1; });
  former.form(*graph.block());
  return former.changed;
}

}  // namespace rushlight::graph
