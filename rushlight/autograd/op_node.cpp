#include "rushlight/autograd/op_node.h"

#include <algorithm>
#include <new>

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/view_nodes.h"
#include "rushlight/dispatch/boxing.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/clone.h"

namespace rushlight {

// ---- plans -----------------------------------------------------------------------------------------------------------------

std::string gradient_name(const Schema& schema) {
  std::string out;
  bool up = true;
  for (char c : schema.name) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c != '_') out += up && letter ? char(c & ~0x20) : c;
    up = !letter;
  }
  return out + "Backward0";
}

GradPlan::GradPlan(const Op& o)
    : op(o),
      rule(o.def().grad),
      schema(Schema::parse(o.def().schema)),
      name(o.def().node ? o.def().node : gradient_name(schema)),
      args(schema.args.size()),
      in_place(o.mutates()) {
  int edges = 0;
  for (size_t i = 0; i < schema.args.size(); i++) {
    const Type& t = schema.args[i].base_type();
    args[i].is_list =
        t.is(Type::Kind::List) && (t.element()->is(Type::Kind::Tensor) || t.element()->is(Type::Kind::Optional));
    if (!args[i].is_list && !t.is(Type::Kind::Tensor)) continue;
    if (args[i].is_list) {
      RL_INVARIANT(list_arg < 0, schema.name, ": a gradient rule for two lists of tensors");
      list_arg = int(i);
    }
    args[i].edge = edges++;
    tensor_args.push_back(uint8_t(i));
  }
  for (std::string_view what : rule.saves) {
    // "self:other" saves self only if other needs a gradient.
    size_t colon = what.find(':');
    std::string_view saved = what.substr(0, colon);
    if (int i = schema.find_arg(saved); i >= 0) {
      args[size_t(i)].saved = true;
      if (colon != what.npos) {
        args[size_t(i)].only_if_needed = schema.find_arg(what.substr(colon + 1));
        RL_INVARIANT(args[size_t(i)].only_if_needed >= 0, schema.name, " saves ", what);
      }
    } else {
      int r = find_result(saved);
      RL_INVARIANT(r >= 0, schema.name, " saves ", what, ", which is neither an argument nor a result");
      if (std::find(saved_results.begin(), saved_results.end(), r) == saved_results.end())
        saved_results.push_back(uint8_t(r));
    }
  }
  is_part = o.def().kernel.kind == Kernel::Kind::View && rule.one && rule.saves.empty() && !in_place && edges == 1 &&
            args[0].edge == 0;
}

int GradPlan::find_result(std::string_view what) const {
  if (what == "result") return 0;
  for (size_t i = 0; i < schema.returns.size(); i++)
    if (schema.returns[i].name == what || what == str("result", i)) return int(i);
  return -1;
}

const GradPlan& GradPlan::make(const Op& op) {
  auto* plan = new GradPlan(op);
  const void* expected = nullptr;
  if (op.gradient_plan.compare_exchange_strong(expected, plan)) return *plan;
  delete plan;  // another thread was first
  return *static_cast<const GradPlan*>(expected);
}

// ---- versions ----------------------------------------------------------------------------------------------------------------

namespace {

uint32_t version_of(const IValue& v) {
  if (v.is_tensor()) return v.tensor().impl()->version();
  uint32_t sum = 0;  // versions only grow, so their sum tells of any change
  if (v.is_tensor_list())
    for (const Tensor& t : v.tensor_list())
      if (t.defined()) sum += t.impl()->version();
  return sum;
}

void check_may_save(const Tensor& t) {
  RL_CHECK(AutogradError, !t.impl()->inference,
           "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
           "computation tracked by "
           "autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
           "`torch.no_grad()` "
           "instead of `torch.inference_mode()`.");
}

}  // namespace

void check_version(const Tensor& t, uint32_t saved_at, const std::string& result_of, uint32_t nr,
                   const std::string& by) {
  uint32_t now = t.impl()->version();
  if (now == saved_at) return;
  std::string origin = result_of.empty() ? "" : str(", which is output ", nr, " of ", result_of, ",");
  throw AutogradError(
      str("one of the variables needed for gradient computation has been modified by an inplace operation: [torch.",
          scalar_type_name(t.dtype()), "Tensor ", t.sizes(), "]", origin, " is at version ", now, "; expected version ",
          saved_at, " instead. It was saved by ", by, ". Hint: ",
          anomaly.enabled
              ? "the backtrace further above shows the operation that failed to compute its gradient. The variable "
                "in question was changed in there or anywhere later. Good luck!"
              : "enable anomaly detection to find the operation that failed to compute its gradient, with "
                "torch.autograd.set_detect_anomaly(True, check_nan=False)."));
}

// ---- memory --------------------------------------------------------------------------------------------------------------------
// A node and all that it holds is one block; blocks of a few sizes wait in lists for their next use.

namespace {

constexpr size_t kStep = 64, kClasses = 16;
#ifdef __SANITIZE_ADDRESS__
constexpr int kKept = 0;
#else
constexpr int kKept = 512;
#endif
struct Block { Block* next; };
struct Blocks {
  Block* head[kClasses] = {};
  int count[kClasses] = {};
};
thread_local constinit Blocks blocks;

void* take_block(size_t bytes) {
  size_t c = (bytes - 1) / kStep;
  if (c < kClasses && blocks.head[c]) {
    blocks.count[c]--;
    return std::exchange(blocks.head[c], blocks.head[c]->next);
  }
  return ::operator new((c + 1) * kStep);
}
void give_block(void* p, size_t bytes) {
  size_t c = (bytes - 1) / kStep;
  if (c >= kClasses || blocks.count[c] >= kKept) return ::operator delete(p);
  blocks.head[c] = new (p) Block{blocks.head[c]};
  blocks.count[c]++;
}

}  // namespace

OpNode::OpNode(const GradPlan& plan, uint32_t list_size, size_t bytes)
    : plan_(plan), list_size_(list_size), bytes_(uint32_t(bytes)) {}

Ref<OpNode> OpNode::make(const GradPlan& plan, const IValue* args) {
  size_t n = plan.args.size(), values = n + plan.saved_results.size(), ints = 0, edges = plan.tensor_args.size(),
         list = 0;
  for (size_t i = 0; i < n; i++)
    if (args[i].is_int_list()) ints += args[i].int_list().size();
  if (plan.list_arg >= 0) {
    const IValue& v = args[plan.list_arg];
    list = v.is_tensor_list() ? v.tensor_list().size() : 0;
    edges += list - 1;
  }
  size_t bytes =
      sizeof(OpNode) + edges * sizeof(Edge) + values * (sizeof(IValue) + sizeof(uint32_t)) + ints * sizeof(int64_t) + 8;
  auto* raw = static_cast<char*>(take_block(bytes));
  auto* node = new (raw) OpNode(plan, uint32_t(list), bytes);
  char* p = raw + sizeof(OpNode);
  auto* e = reinterpret_cast<Edge*>(p);
  for (size_t i = 0; i < edges; i++) new (e + i) Edge;
  node->set_edges(e, uint32_t(edges));
  p += edges * sizeof(Edge);
  node->values_ = reinterpret_cast<IValue*>(p);
  for (size_t i = 0; i < values; i++) new (node->values_ + i) IValue;
  p += values * sizeof(IValue);
  node->ints_ = reinterpret_cast<int64_t*>(p);
  p += ints * sizeof(int64_t);
  node->versions_ = reinterpret_cast<uint32_t*>(p);
  Ref<OpNode> ref(node);

  for (uint8_t a : plan.tensor_args) {
    const IValue& v = args[a];
    Edge* to = e + node->edge_of(a);
    if (v.is_tensor()) set_gradient_edge(*to, v.tensor());
    else if (v.is_tensor_list())
      for (const Tensor& t : v.tensor_list()) {
        if (t.defined()) set_gradient_edge(*to, t);
        to++;
      }
  }
  int64_t* next_int = node->ints_;
  for (size_t i = 0; i < n; i++) {
    const IValue& v = args[i];
    const GradPlan::Arg& a = plan.args[i];
    IValue& to = node->values_[i];
    if (v.is_int_list()) {
      IntArrayRef from = v.int_list();
      std::copy(from.begin(), from.end(), next_int);
      to = IValue::borrow(IntArrayRef(next_int, from.size()));
      next_int += from.size();
    } else if (!v.is_tensor() && !v.is_tensor_list()) {
      to = v;
    } else if (a.saved && (a.only_if_needed < 0 || e[node->edge_of(a.only_if_needed)].node)) {
      if (v.is_tensor()) {
        check_may_save(v.tensor());
        to = plan.in_place && i == 0 ? IValue(clone(v.tensor())) : v;
      } else {
        for (const Tensor& t : v.tensor_list())
          if (t.defined()) check_may_save(t);
        to = v;
      }
      node->versions_[i] = version_of(to);
      if (saved_hooks) [[unlikely]]
        node->pack(int(i));
    }
  }
  return ref;
}

void OpNode::save_results(const IValue* rets, uint32_t inputs) {
  set_num_inputs(inputs);
  size_t at = plan_.args.size();
  for (uint8_t r : plan_.saved_results) {
    // An alias without a grad_fn: the result itself owns this node.
    if (rets[r].is_tensor()) values_[at] = IValue(detached_alias(rets[r].tensor()));
    versions_[at] = version_of(values_[at]);
    if (saved_hooks) [[unlikely]]
      pack(int(at));
    at++;
  }
}

// The hooks' value takes the place of the node's own.
void OpNode::pack(int i) {
  auto& packed = make_extras().packed;
  auto one = [&](const Tensor& t) { packed.emplace_back(i, t.defined() ? pack_saved(*saved_hooks, t) : nullptr); };
  if (values_[i].is_tensor()) one(values_[i].tensor());
  else if (values_[i].is_tensor_list())
    for (const Tensor& t : values_[i].tensor_list()) one(t);
  values_[i] = IValue();
}

void OpNode::hook_saved(int i, size_t item, SavedHooks& hooks) {
  RL_CHECK(AutogradError, !released_, kHookOnFreed);
  auto& packed = make_extras().packed;
  IValue& v = values_[i];
  if (v.is_tensor()) {
    RL_CHECK(AutogradError, v.tensor().defined(), kHookOnNone);
    packed.emplace_back(i, pack_saved(hooks, saved_tensor(i)));
    v = IValue();
    return;
  }
  if (v.is_tensor_list()) {
    Tensors list = saved_list(i);
    for (size_t k = 0; k < list.size(); k++) RL_CHECK(AutogradError, k != item || list[k].defined(), kHookOnNone);
    for (Tensor& t : list) packed.emplace_back(i, t.defined() ? make_ref<NotPacked>(std::move(t)) : nullptr);
    v = IValue();
  }
  for (auto& [at, value] : packed)
    if (at == i && item-- == 0) {
      value = hooked_again(value, hooks);
      return;
    }
  throw AutogradError(kHookOnNone);
}

// So that the rule's own computation is differentiated. `edge`: of an argument; null for a result.
void OpNode::put_on_graph(const Tensor& saved, int i, const Edge* edge) const {
  if (slices_ && (!edge || i == 0)) return set_history(saved, slices_->part(edge), 0);
  if (edge) return set_history(saved, edge->node, edge->input_nr);
  set_history(saved, Ref<Node>(const_cast<OpNode*>(this)), plan_.saved_results[size_t(i) - plan_.args.size()]);
}

// Empty if nothing was packed. As saved values do, the tensors stand where the packed ones stood in the graph.
Tensors OpNode::unpack(int i) const {
  Tensors out;
  if (!extras()) return out;
  bool is_arg = i < int(plan_.args.size());
  const Edge* edge = is_arg ? edges() + edge_of(i) : nullptr;
  for (auto& [at, packed] : extras()->packed) {
    if (at != i) continue;
    Tensor t = packed ? packed->unpack() : Tensor();
    uint32_t nr = is_arg ? 0 : plan_.saved_results[size_t(i) - plan_.args.size()];
    if (t.defined() && thread_state.grad_enabled && is_differentiable(t.dtype()) && (!edge || edge->node) &&
        !(plan_.rule.one && nr > 0)) {
      t = detached_alias(t);
      put_on_graph(t, i, edge);
    }
    if (edge) edge++;
    out.push_back(std::move(t));
  }
  return out;
}

OpNode::~OpNode() {
  size_t values = plan_.args.size() + plan_.saved_results.size();
  for (size_t i = 0; i < values; i++) values_[i].~IValue();
  for (uint32_t i = 0; i < num_edges(); i++) edges()[i].~Edge();
}

void OpNode::dispose() {
  size_t bytes = bytes_;
  this->~OpNode();
  give_block(this, bytes);
}

void OpNode::release_saved() {
  released_ = true;
  for (size_t i = 0; i < plan_.args.size(); i++)
    if (plan_.args[i].edge >= 0) values_[i] = IValue();
  for (size_t i = 0; i < plan_.saved_results.size(); i++) values_[plan_.args.size() + i] = IValue();
  if (extras()) extras()->packed.clear();
}

void OpNode::visit_owned(OwnedVisitor& visitor) const {
  Node::visit_owned(visitor);
  for (size_t i = 0; i < plan_.args.size() + plan_.saved_results.size(); i++) {
    const IValue& v = values_[i];
    if (v.is_tensor() && v.tensor().defined()) visitor.tensor(*v.tensor().impl());
    if (!v.is_tensor_list() || v.is_borrowed() || v.object()->refs() != 1) continue;  // a list may have other owners
    for (const Tensor& t : v.tensor_list())
      if (t.defined()) visitor.tensor(*t.impl());
  }
}

void OpNode::carry_tangent(uint32_t nr, const Tensor& tangent) {
  for (size_t i = 0; i < plan_.saved_results.size(); i++) {
    const IValue& saved = values_[plan_.args.size() + i];
    if (plan_.saved_results[i] == nr && saved.is_tensor()) set_tangent(saved.tensor(), tangent);
  }
}

int OpNode::edge_of(int arg) const {
  int e = plan_.args[size_t(arg)].edge;
  return plan_.list_arg >= 0 && arg > plan_.list_arg ? e + int(list_size_) - 1 : e;
}

void OpNode::check_alive(int i) const {
  bool saved = i >= int(plan_.args.size()) || plan_.args[size_t(i)].saved;
  RL_INVARIANT(saved, "the gradient rule of ", plan_.schema.name, " reads '", plan_.schema.args[size_t(i)].name,
               "' without naming it as saved");
  RL_CHECK(AutogradError, !released_, kBackwardTwice);
}

Tensor OpNode::saved_tensor(int i) const {
  check_alive(i);
  const IValue& v = values_[i];
  if (v.is_scalar()) return wrapped_number(v.to_scalar());
  if (!v.is_tensor()) {
    Tensors unpacked = unpack(i);
    return unpacked.empty() ? Tensor() : std::move(unpacked[0]);
  }
  const Tensor& t = v.tensor();
  int result = i - int(plan_.args.size());
  if (result >= 0) {
    uint32_t nr = plan_.saved_results[size_t(result)];
    check_version(t, versions_[i], name(), nr, plan_.schema.name);
    if (!thread_state.grad_enabled || !is_differentiable(t.dtype()) || (plan_.rule.one && nr > 0)) return t;
    Tensor again = detached_alias(t);
    if (const Tensor& tangent = tangent_of(t); tangent.defined()) [[unlikely]]
      set_tangent(again, tangent);
    put_on_graph(again, i, nullptr);
    return again;
  }
  if (t.impl()->version() != versions_[i]) {
    Ref<Node> made_by = grad_fn(t);
    check_version(t, versions_[i], made_by ? made_by->name() : "", output_nr(t), plan_.schema.name);
  }
  if (!t.requires_grad() && !(plan_.in_place && i == 0)) [[unlikely]] {
    const Node* from = edges()[edge_of(i)].node.get();
    RL_CHECK(AutogradError, !from || from->is_leaf(), plan_.schema.name,
             ": Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This is not "
             "supported, please use out-of-place `.detach()` instead");
  }
  return t;
}

Tensors OpNode::saved_list(int i) const {
  check_alive(i);
  if (!values_[i].is_tensor_list()) return unpack(i);
  TensorList list = values_[i].tensor_list();
  if (version_of(values_[i]) != versions_[i])
    for (const Tensor& t : list)
      if (t.defined() && t.impl()->version() > 0) check_version(t, t.impl()->version() - 1, "", 0, plan_.schema.name);
  return list.vec();
}

// ---- the rule's view of a node ---------------------------------------------------------------------------------------------------

namespace {

class SavedOf final : public Saved {
 public:
  SavedOf(const OpNode& node, const Backward& run) : node_(node), run_(run) {}

  const Op& op() const override { return node_.plan().op; }
  Tensor operator[](std::string_view name) const override {
    int i = find(name);
    if (i >= 0) return node_.saved_tensor(i);
    const auto& saved = node_.plan().saved_results;
    auto at = std::find(saved.begin(), saved.end(), node_.plan().find_result(name));
    RL_INVARIANT(at != saved.end(), "the gradient rule of ", node_.plan().schema.name, " reads '", name,
                 "' without naming it as saved");
    return node_.saved_tensor(int(node_.plan().args.size()) + int(at - saved.begin()));
  }
  Tensors list(std::string_view name) const override { return node_.saved_list(arg_index(name)); }
  const IValue& arg(std::string_view name) const override { return node_.value(arg_index(name)); }
  bool needs(std::string_view name) const override {
    int i = arg_index(name), first = node_.edge_of(i),
        count = node_.plan().args[size_t(i)].is_list ? int(node_.list_size()) : 1;
    for (int k = first; k < first + count; k++)
      if (run_.needed(node_.edges()[k])) return true;
    return false;
  }
  const Dims& sizes(std::string_view name) const override { return edge(name).sizes; }
  DType dtype(std::string_view name) const override { return edge(name).dtype; }
  Device device(std::string_view name) const override { return edge(name).device; }
  size_t list_size(std::string_view) const override { return node_.list_size(); }
  const Dims& list_item_sizes(std::string_view name, size_t i) const override {
    return node_.edges()[size_t(node_.edge_of(arg_index(name))) + i].sizes;
  }

 private:
  int find(std::string_view name) const {
    const auto& args = node_.plan().schema.args;
    for (size_t i = 0; i < args.size(); i++)
      if (args[i].name == name) return int(i);
    return -1;
  }
  int arg_index(std::string_view name) const {
    int i = find(name);
    RL_INVARIANT(i >= 0, node_.plan().schema.name, " has no argument ", name);
    return i;
  }
  const Edge& edge(std::string_view name) const {
    int e = node_.edge_of(arg_index(name));
    RL_INVARIANT(e >= 0, node_.plan().schema.name, ": ", name, " is no tensor");
    return node_.edges()[e];
  }

  const OpNode& node_;
  const Backward& run_;
};

bool shows_each_once(const Tensor& t) {
  std::vector<std::pair<int64_t, int64_t>> dims;
  for (size_t d = 0; d < t.sizes().size(); d++)
    if (t.sizes()[d] > 1) dims.emplace_back(t.strides()[d], t.sizes()[d]);
  std::sort(dims.begin(), dims.end());
  int64_t reach = 0;
  for (auto [stride, size] : dims) {
    if (stride <= reach) return false;
    reach += stride * (size - 1);
  }
  return true;
}

}  // namespace

bool OpNode::add_into(const Tensor& sum, const Tensor& grad) {
  constexpr size_t kMostArgs = 8;
  const size_t n = plan_.args.size();
  if (!plan_.is_part || slices_ || n > kMostArgs || grad.numel() >= sum.numel() || grad.dtype() != sum.dtype() ||
      grad.impl()->flags() & (kWrapped | kPythonDispatch | kInParts) || edges()[0].sizes != sum.sizes())
    return false;
  IValue args[kMostArgs], part;
  args[0] = IValue::borrow(sum);
  for (size_t i = 1; i < n; i++) args[i] = IValue::borrow(values_[i]);
  call(plan_.op, args, &part);
  const Tensor& to = part.tensor();
  if (to.sizes() != grad.sizes() || !shows_each_once(to)) return false;
  add_(to, grad);
  return true;
}

Grads OpNode::apply(Backward& run, Tensor* grads) {
  SavedOf saved(*this, run);
  if (plan_.rule.one) {
    for (uint32_t i = 0; i < num_inputs(); i++)
      if (grads[i].defined()) return plan_.rule.one(saved, grads[i]);
    return {};
  }
  Tensors all(std::max(size_t(num_inputs()), size_t(plan_.op.num_returns())));
  std::move(grads, grads + num_inputs(), all.begin());
  return plan_.rule.many(saved, all);
}

}  // namespace rushlight
