#include "rushlight/autograd/engine.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <thread>
#include <unordered_set>

#include "rushlight/autograd/finite_check.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/view.h"

namespace rushlight {

namespace {

std::atomic<int> active_runs{0};
std::atomic<uint32_t> run_count{0};
thread_local constinit Node* running = nullptr;
thread_local constinit Backward* current_run = nullptr;

bool runs_later(const Node* a, const Node* b) { return a->sequence() < b->sequence(); }

// dims of g that were broadcast from `sizes`; false if they were not.
bool broadcast_dims(IntArrayRef from, IntArrayRef to, Dims& dims) {
  if (to.size() > from.size()) return false;
  size_t lead = from.size() - to.size();
  for (size_t i = 0; i < from.size(); i++) {
    if (i < lead || (to[i - lead] == 1 && from[i] != 1)) dims.push_back(int64_t(i));
    else if (to[i - lead] != from[i]) return false;
  }
  return true;
}

// Nobody else sees this memory, so it may be added into.
bool may_write(const Tensor& t) {
  return !(t.impl()->flags() & (kWrapped | kPythonDispatch | kInParts)) && !thread_state.grad_enabled &&
         t.impl()->refs() == 1 && t.impl()->storage()->refs() == 1 && !t.is_view() && t.is_contiguous() &&
         !t.storage().read_only();
}

bool any_defined(const Tensor* grads, uint32_t count) {
  return std::any_of(grads, grads + count, [](const Tensor& g) { return g.defined(); });
}

bool has_hooks(const Node& n) {
  const NodeExtras* x = n.extras();
  return x && (!x->before.empty() || !x->after.empty());
}

}  // namespace

Backward::Backward(const BackwardOptions& options)
    : options_(options), run_(++run_count), exclusive_(active_runs.fetch_add(1) == 0) {}
Backward::~Backward() { active_runs.fetch_sub(1); }

Backward* Backward::current() { return current_run; }
bool Backward::will_execute(Node* n) {
  if (!exclusive_) {
    auto found = states_.find(n);
    return found != states_.end() && (!restricted_ || found->second.needed);
  }
  return n->state_.run == run_ && (!restricted_ || n->state_.needed);
}

Ref<Node> Backward::running_node() { return Ref<Node>(running); }

bool Backward::touch(Node* n) {
  if (!exclusive_) return states_.try_emplace(n).second;
  Node::RunState& s = n->state_;
  if (s.run == run_) return false;
  s.run = run_;
  s.waiting_for = 0;
  s.needed = 0;
  s.first = Tensor();
  s.all.reset();
  return true;
}

bool Backward::needed(const Edge& e) const {
  if (!e.node) return false;
  if (!restricted_) return true;
  if (exclusive_) return e.node->state_.run == run_ && e.node->state_.needed;
  auto found = states_.find(e.node.get());
  return found != states_.end() && found->second.needed;
}

void Backward::push_ready(Node* n) {
  ready_.push_back(n);
  std::push_heap(ready_.begin(), ready_.end(), runs_later);
}

Tensor Backward::fitted(Tensor g, const Edge& e, const Node& node, size_t index) {
  if (!g.defined()) return g;
  if (!(g.sizes() == e.sizes)) {
    Dims dims;
    RL_CHECK(AutogradError, broadcast_dims(g.sizes(), e.sizes, dims), "Function ", node.name(),
             " returned an invalid gradient at index ", index, " - got ", g.sizes(),
             " but expected shape compatible with ", e.sizes);
    g = sum(g, IntArrayRef(dims), true);
    if (!(g.sizes() == e.sizes)) g = view(g, e.sizes);
  }
  if (g.dtype() != e.dtype) {
    if (is_complex(g.dtype()) && !is_complex(e.dtype)) g = real(g);
    if (g.dtype() != e.dtype) g = to(g, e.dtype);
  }
  return g;
}

GraphPlace::GraphPlace(Ref<Node> node, uint32_t input_nr) {
  RL_CHECK(AutogradError, input_nr < node->num_inputs(), "GradientEdge: ", node->name(), " has ", node->num_inputs(),
           " inputs, got output_nr ", input_nr);
  const Edge* known = node->known_input(input_nr);
  has_sizes = known;
  if (known) edge = *known;
  edge.node = std::move(node);
  edge.input_nr = input_nr;
}

void Backward::add_root(GraphPlace root, const Tensor& grad, size_t index) {
  if (root.tensor.defined()) {
    RL_CHECK(
        AutogradError, root.tensor.requires_grad(), "element ", index,
        " of tensors does not require grad and does not have a grad_fn. Hint: it was computed from tensors without "
        "requires_grad=True, under torch.no_grad(), or through detach(), item() or numpy()");
    root.edge = gradient_edge(root.tensor);
  }
  Edge& e = root.edge;
  Tensor g = grad;
  if (!g.defined()) {
    RL_CHECK(AutogradError, root.has_sizes,
             "grad can be implicitly created only for scalar outputs. Hint: nothing is known of the tensor that this "
             "GradientEdge belongs to; take it from get_gradient_edge(tensor), or give a gradient");
    RL_CHECK(AutogradError, product(e.sizes) == 1,
             "grad can be implicitly created only for scalar outputs. Hint: the tensor has shape ", e.sizes,
             "; call backward() on its .sum() or .mean(), or give a gradient: backward(torch.ones_like(y))");
    RL_CHECK(AutogradError, !is_complex(e.dtype),
             "grad can be implicitly created only for real scalar outputs but got ", e.dtype);
    g = root.tensor.defined() ? ones_like(root.tensor) : ones(e.sizes, e.dtype, std::nullopt, e.device);
  } else if (root.has_sizes) {
    RL_CHECK(AutogradError, g.sizes() == e.sizes, "Mismatch in shape: grad_output[", index,
             "] has a shape of torch.Size(", g.sizes(), ") and output[", index, "] has a shape of torch.Size(", e.sizes,
             ").");
    RL_CHECK(AutogradError, g.device() == e.device, "Mismatch in device: grad_output[", index, "] is on ", g.device(),
             " and output[", index, "] on ", e.device, ".");
    RL_CHECK(AutogradError, is_complex(g.dtype()) == is_complex(e.dtype),
             "For complex Tensors, both grad_output and output are required to "
             "have the same dtype. Mismatch in dtype: grad_output[",
             index, "] has a dtype of ", g.dtype(), " and output[", index, "] has a dtype of ", e.dtype, ".");
  } else {
    e.sizes.assign(g.sizes());
    e.dtype = g.dtype();
    e.device = g.device();
  }
  roots_.push_back(std::move(e));
  root_grads_.push_back(std::move(g));
}

void Backward::add_input(const GraphPlace& input) {
  restricted_ = true;
  Edge e = input.edge;
  if (input.tensor.defined()) {
    RL_CHECK(AutogradError, input.tensor.requires_grad(), "One of the differentiated Tensors does not require grad");
    if (options_.accumulate) retain_grad(input.tensor);
    e = gradient_edge(input.tensor);
  }
  captures_.push_back({e.node.get(), e.input_nr, captures_.size()});
  kept_.push_back(std::move(e.node));
}

void Backward::count_dependencies() {
  std::vector<Node*> stack;
  for (const Edge& root : roots_)
    if (touch(root.node.get())) stack.push_back(root.node.get());
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    for (uint32_t i = 0; i < n->num_edges(); i++) {
      Node* next = n->edges()[i].node.get();
      if (!next) continue;
      if (touch(next)) stack.push_back(next);
      state(next).waiting_for++;
    }
  }
}

// A node is needed if it is asked for or leads to one that is.
void Backward::mark_needed() {
  std::unordered_set<const Node*> apart;  // of another graph than the roots'
  for (const Capture& c : captures_) {
    Node* n = const_cast<Node*>(c.node);
    if (touch(n)) apart.insert(n);
    if (!apart.contains(n)) state(n).needed = options_.accumulate ? kRun : kCapture;
  }
  struct Visit {
    Node* node;
    uint32_t next_edge;
  };
  std::vector<Visit> stack;
  std::unordered_set<const Node*> seen;
  // One root after the other: a node is judged when all that it leads to has been, among which other roots may be.
  for (const Edge& root : roots_) {
    if (seen.insert(root.node.get()).second) stack.push_back({root.node.get(), 0});
    while (!stack.empty()) {
      Visit& v = stack.back();
      if (v.next_edge < v.node->num_edges()) {
        Node* next = v.node->edges()[v.next_edge++].node.get();
        if (next && seen.insert(next).second) stack.push_back({next, 0});
        continue;
      }
      for (uint32_t i = 0; i < v.node->num_edges(); i++) {
        Node* next = v.node->edges()[i].node.get();
        if (next && state(next).needed) state(v.node).needed |= kRun;
      }
      stack.pop_back();
    }
  }
  std::sort(captures_.begin(), captures_.end(),
            [](const Capture& a, const Capture& b) { return std::less<>()(a.node, b.node); });
}

void Backward::give(const Edge& e, Tensor g) {
  Node* n = e.node.get();
  Node::RunState& s = state(n);
  if (g.defined()) {
    if (n->num_inputs() > 1 && !s.all) s.all = std::make_unique<Tensor[]>(n->num_inputs());
    Tensor& slot = s.all ? s.all[e.input_nr] : s.first;
    if (!slot.defined()) slot = std::move(g);
    else if (may_write(slot) && slot.dtype() == g.dtype()) add_(slot, g);
    // Of sparse gradients that aren't coalesced the order shows: the last to come stands first, as in PyTorch.
    else slot = slot.impl()->parts() ? add(g, slot) : add(slot, g);
  }
}

void Backward::rethrow_with_trace(const Node& n, const Error& e) const {
  std::string text = str("Error detected in ", n.name(), ".");
  const NodeExtras* x = n.extras();
  if (!x || x->trace.empty())
    text += " No forward pass information available. Enable detect anomaly during forward pass for more information.";
  else text += " Traceback of forward call that caused the error:\n" + x->trace;
  auto warn = [](const std::string& said) {
    if (!anomaly.warn) return;
    try {
      anomaly.warn(said);
    } catch (...) {
      std::fprintf(stderr, "%s\n", said.c_str());
    }  // warnings are errors here; but the one to tell is `e`
  };
  warn(text);
  for (const Node* by = x ? x->made_by.get() : nullptr; by; by = by->extras() ? by->extras()->made_by.get() : nullptr)
    if (by->extras() && !by->extras()->trace.empty())
      warn(str("\n\nPrevious calculation was induced by ", by->name(),
               ". Traceback of forward call that induced the previous calculation:\n", by->extras()->trace));
  // What is no error of ours (a Python exception, an error that has its trace already) goes on as it is.
  if (!dynamic_cast<const ErrorOf<ErrorKind::Runtime>*>(&e)) throw;
  throw Error(e.kind(), e.text() + "\n" + text);
}

Grads Backward::apply(Node* n, Tensor* grads, uint32_t count) {
  Scoped<Node*> here(running, n);
  NodeExtras* x = n->extras();
  Tensors inputs;
  bool runs = true;
  if (has_hooks(*n)) [[unlikely]] {
    inputs.assign(grads, grads + count);
    auto hooks = x->before;
    for (auto& [id, hook] : hooks) {
      Tensors changed;
      hook->call(changed, inputs);
    }
    std::copy(inputs.begin(), inputs.end(), grads);
    runs = any_defined(grads, count) || n->runs_without_gradients();
  }
  Grads out;
  if (!runs) {
  } else if (!anomaly.enabled) [[likely]] {
    out = n->apply(*this, grads);
  } else {
    try {
      out = n->apply(*this, grads);
      for (uint32_t i = 0; anomaly.check_nan && i < n->num_edges() && i < out.size(); i++) {
        if (!out[i].defined()) continue;
        NotFinite bad = count_not_finite(out[i]);
        RL_CHECK(AutogradError, !bad.nan, "Function '", n->name(), "' returned nan values in its ", i, "th output.");
        RL_CHECK(AutogradError, !bad.inf || !anomaly.check_inf, "Function '", n->name(),
                 "' returned infinite values in its ", i, "th output.");
      }
    } catch (const Error& e) { rethrow_with_trace(*n, e); }
  }
  x = n->extras();
  if (x && !x->after.empty()) [[unlikely]] {
    Tensors outputs;
    for (uint32_t i = 0; i < n->num_edges(); i++)
      outputs.push_back(i < out.size() ? fitted(std::move(out[i]), n->edges()[i], *n, i) : Tensor());
    auto hooks = x->after;
    for (auto& [id, hook] : hooks) hook->call(outputs, inputs);
    out = Grads(std::move(outputs));
  }
  return out;
}

Tensors Backward::call_alone(Node& n, Tensors grads) {
  Backward run({.retain_graph = true, .create_graph = thread_state.grad_enabled});
  Grads out = n.apply(run, grads.data());
  Tensors fit;
  for (uint32_t i = 0; i < n.num_edges(); i++)
    fit.push_back(i < out.size() ? fitted(std::move(out[i]), n.edges()[i], n, i) : Tensor());
  return fit;
}

// Of a node with one gradient for one edge, which has got others: see Note [Gradients of parts].
bool Backward::add_in_place(Node* n, const Tensor& grad) {
  if (n->num_inputs() != 1 || n->num_edges() != 1 || !grad.defined() || has_hooks(*n) || anomaly.enabled ||
      thread_state.interceptor)
    return false;
  const Edge& e = n->edges()[0];
  if (!needed(e)) return false;
  Node::RunState& s = state(e.node.get());
  Tensor& sum = s.all ? s.all[e.input_nr] : s.first;
  return sum.defined() && may_write(sum) && n->add_into(sum, grad);
}

void Backward::execute(Node* n) {
  Node::RunState& s = state(n);
  uint32_t count = n->num_inputs();
  if (count > 1 && !s.all) s.all = std::make_unique<Tensor[]>(count);
  std::unique_ptr<Tensor[]> all = std::move(s.all);
  Tensor first = std::move(s.first);
  Tensor* grads = all ? all.get() : &first;
  if (NodeExtras* x = n->extras()) [[unlikely]] {
    auto hooks = x->tensor_hooks;  // a hook may take itself off
    for (auto& h : hooks) {
      Tensor& g = grads[h.input_nr];  // undefined where no gradient came: hooks are told that too
      if (Tensor changed = h.hook->call(g); changed.defined()) g = std::move(changed);
    }
    for (auto& r : x->retained)
      if (grads[r.input_nr].defined()) {
        Tensor g = grads[r.input_nr];
        // A tensor of its own: what is added into the gradient later must not change what the user holds.
        r.meta->grad = !r.meta->grad.defined() ? g : add(r.meta->grad, g);
      }
  }
  if (restricted_) {
    if (s.needed & kCapture) {
      auto less = [](const auto& a, const auto& b) { return std::less<>()(a.node, b.node); };
      auto [from, to] = std::equal_range(captures_.begin(), captures_.end(), Capture{n, 0, 0}, less);
      for (; from != to; ++from) captured_[from->index] = grads[from->input_nr];
    }
    if (!(s.needed & kRun)) return;
  }
  Grads out;
  if ((any_defined(grads, count) || n->runs_without_gradients() || has_hooks(*n)) && !add_in_place(n, grads[0]))
    out = apply(n, grads, count);
  if (!options_.retain_graph) n->release_saved();
  first = Tensor();
  all.reset();
  for (uint32_t i = 0; i < n->num_edges(); i++) {
    const Edge& e = n->edges()[i];
    if (!e.node) continue;
    if (i < out.size() && out[i].defined() && needed(e)) give(e, fitted(std::move(out[i]), e, *n, i));
    if (--state(e.node.get()).waiting_for == 0 && (!restricted_ || state(e.node.get()).needed))
      push_ready(e.node.get());
  }
}

Tensors Backward::run() {
  Scoped<bool> mode(thread_state.grad_enabled, options_.create_graph);
  Scoped<Backward*> innermost(current_run, this);
  captured_.resize(captures_.size());
  count_dependencies();
  if (restricted_) mark_needed();
  for (size_t i = 0; i < roots_.size(); i++) {
    Edge& e = roots_[i];
    if (restricted_ && !needed(e)) continue;
    give(e, fitted(std::move(root_grads_[i]), e, *e.node, i));
  }
  for (const Edge& e : roots_) {
    Node::RunState& s = state(e.node.get());
    if (s.waiting_for != 0 || (restricted_ && !s.needed)) continue;
    s.waiting_for = -1;  // roots may share a node
    push_ready(e.node.get());
  }
  while (!ready_.empty()) {
    std::pop_heap(ready_.begin(), ready_.end(), runs_later);
    Node* n = ready_.back();
    ready_.pop_back();
    execute(n);
  }
  for (size_t i = 0; i < callbacks_.size(); i++) Ref<RunCallback>(callbacks_[i])->call();  // which may add further ones
  return std::move(captured_);
}

namespace {

// Note [Backward within backward]: a custom function's backward may call backward, whose functions may again. Each takes some of the stack,
// so those below the sixtieth go on in a thread of their own, with the caller's modes, while the caller waits.
constexpr int kDeepest = 60;
thread_local constinit int depth = 0;

template <class F>
Tensors on_another_thread(const F& run) {
  Tensors out;
  std::exception_ptr failed;
  std::thread thread([&, state = thread_state, hooks = saved_hooks] {
    thread_state = state;
    saved_hooks = hooks;
    try {
      out = run();
    } catch (...) { failed = std::current_exception(); }
  });
  thread.join();
  if (failed) std::rethrow_exception(failed);
  return out;
}

}  // namespace

Tensors run_backward_from(const GraphPlaces& roots, const Tensors& grads, const BackwardOptions& options,
                          const GraphPlaces& inputs) {
  if (depth >= kDeepest) return on_another_thread([&] { return run_backward_from(roots, grads, options, inputs); });
  Scoped<int> deeper(depth, depth + 1);
  RL_CHECK(AutogradError, grads.empty() || roots.size() == grads.size(), "backward: expected as many gradients as ",
           "tensors, or none, got ", roots.size(), " tensors and ", grads.size(), " gradients");
  Backward run(options);
  for (size_t i = 0; i < roots.size(); i++) run.add_root(roots[i], grads.empty() ? Tensor() : grads[i], i);
  for (const GraphPlace& t : inputs) run.add_input(t);
  Tensors out = run.run();
  if (options.accumulate) return {};
  for (size_t i = 0; i < out.size(); i++)
    RL_CHECK(AutogradError, out[i].defined() || options.allow_unused, "The differentiated Tensor at index ", i,
             " appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.");
  return out;
}

}  // namespace rushlight
