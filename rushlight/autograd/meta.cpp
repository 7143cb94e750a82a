#include "rushlight/autograd/meta.h"

#include <unordered_set>

#include "rushlight/autograd/view_nodes.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/copy_.h"

namespace rushlight {

namespace {

void stop_retaining(AutogradMeta& m) {
  if (m.retains_grad && m.grad_fn && m.grad_fn->extras())
    std::erase_if(m.grad_fn->extras()->retained, [&](auto& r) { return r.meta == &m; });
}

// Two threads may use one parameter for the first time at once.
AccumulateGrad& make_accumulator(const Tensor& t) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  AutogradMeta& m = make_meta(t);
  AccumulateGrad* known = m.accumulator.load(std::memory_order_acquire);
  if (!known) {
    known = make_ref<AccumulateGrad>(t.impl()).leak();
    m.accumulator.store(known, std::memory_order_release);
  }
  return *known;
}

void add_accumulator(Edge& e, const Tensor& t) {
  AutogradMeta* m = meta_of(t);
  AccumulateGrad* known = m ? m->accumulator.load(std::memory_order_acquire) : nullptr;
  e.node = Ref<Node>(known ? known : &make_accumulator(t));
  e.input_nr = 0;
}

// Those that have a tangent. Tensors may die on any thread.
struct Carrying {
  std::mutex mutex;
  std::unordered_set<AutogradMeta*> metas;
};
Carrying& carrying() {
  static auto& c = *new Carrying;
  return c;
}

}  // namespace

AutogradMeta::~AutogradMeta() {
  stop_retaining(*this);
  if (tangent.defined()) [[unlikely]] {
    std::lock_guard lock(carrying().mutex);
    carrying().metas.erase(this);
  }
  if (AccumulateGrad* a = accumulator.load(std::memory_order_acquire)) {
    a->forget();
    a->release();
  }
}

AutogradMeta& make_meta(const Tensor& t) {
  if (AutogradMeta* known = meta_of(t)) return *known;
  auto* made = std::make_unique<AutogradMeta>().release();
  __atomic_store_n(reinterpret_cast<AutogradMetaBase**>(&t.impl()->autograd), made, __ATOMIC_RELEASE);
  return *made;
}

void visit_owned(const TensorImpl& t, OwnedVisitor& visitor) {
  if (t.base()) visitor.tensor(*t.base());
  auto* m = static_cast<const AutogradMeta*>(t.autograd.get());
  if (!m) return;
  if (m->grad_fn) visitor.node(*m->grad_fn);
  if (m->accumulator) visitor.node(*m->accumulator);
  if (m->grad.defined()) visitor.tensor(*m->grad.impl());
  if (m->tangent.defined()) visitor.tensor(*m->tangent.impl());
}

Ref<Node> grad_fn(const Tensor& t) {
  if (t.is_view()) refresh_view(t);
  AutogradMeta* m = meta_of(t);
  return m ? m->grad_fn : nullptr;
}

uint32_t output_nr(const Tensor& t) { return meta_of(t) ? meta_of(t)->output_nr : 0; }
bool is_leaf(const Tensor& t) { return !grad_fn(t); }

void set_gradient_edge(Edge& e, const Tensor& t) {
  e.dtype = t.dtype();
  e.sizes.assign(t.sizes());
  e.device = t.impl()->flags() & kNotCpu ? t.device() : Device();
  if (!t.requires_grad()) return;
  if (t.is_view()) refresh_view(t);
  AutogradMeta* m = meta_of(t);
  if (m && m->grad_fn) {
    e.node = m->grad_fn;
    e.input_nr = m->output_nr;
    return;
  }
  if (t.impl()->requires_grad()) add_accumulator(e, t);
}

Edge gradient_edge(const Tensor& t) {
  Edge e;
  set_gradient_edge(e, t);
  if (!e.node && t.requires_grad()) add_accumulator(e, t);
  return e;
}

void set_history(const Tensor& t, Ref<Node> node, uint32_t nr) {
  AutogradMeta& m = make_meta(t);
  if (m.retains_grad) [[unlikely]] {
    stop_retaining(m);
    node->make_extras().retained.push_back({nr, &m});
  }
  m.grad_fn = std::move(node);
  m.output_nr = nr;
  t.impl()->set_requires_grad(true);
  if (t.is_view()) t.impl()->set_view_version(t.impl()->version());
}

void refuse_write(const Tensor& view, bool through_base) {
  ViewKind kind = view.impl()->view_kind();
  const AutogradMeta* m = meta_of(view);
  const char* written = through_base ? "its base or another view of its base has been" : "is being";
  bool mode = kind == ViewKind::NoGrad || kind == ViewKind::Inference || !m || !m->grad_fn;
  const char* name = kind == ViewKind::Inference ? "inference" : "no_grad";
  std::string text = "A view";
  if (m && m->grad_fn) {  // named by what was called: of UnbindBackward0 Unbind
    std::string called = m->grad_fn->name();
    text = str("Output ", m->output_nr, " of ", called.substr(0, called.rfind("Backward")), " is a view");
  }
  if (mode)
    text += str(m && m->grad_fn ? " of a view which was created in " : " was created in ", name, " mode and ", written,
                " modified inplace ", kind == ViewKind::Inference ? "in normal mode." : "with grad mode enabled.");
  else text += str(" and ", written, " modified inplace.");
  if (kind == ViewKind::OneOfMany)
    text +=
        " This view is the output of a function that returns multiple views. Such functions do not allow the output "
        "views to be modified inplace. You should replace the inplace operation by an out-of-place one.";
  else if (kind == ViewKind::OfFunction)
    text +=
        " This view was created inside a custom Function (or because an input was returned as-is) and the autograd "
        "logic to handle view+inplace would override the custom backward associated with the custom Function, "
        "leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the "
        "custom Function.";
  else
    text +=
        str(" Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by "
            "moving both the view and the inplace either both inside the ",
            name, kind == ViewKind::Inference ? "_mode" : "",
            " block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be "
            "tracked).");
  throw AutogradError(std::move(text));
}

void check_in_place(const Tensor& t) {
  if (!t.requires_grad()) {
    if (!t.is_view() || t.impl()->view_kind() == ViewKind::Tracked) return;
  }
  if (t.is_view()) {
    if (t.impl()->view_kind() != ViewKind::Tracked) refuse_write(t, false);
    RL_CHECK(
        AutogradError, !(t.requires_grad() && is_leaf(Tensor(t.impl()->base()))),
        "a view of a leaf Variable that requires grad is being used in an in-place operation. Hint: change it under "
        "torch.no_grad(), or change a clone()");
  }
  RL_CHECK(AutogradError, !(t.requires_grad() && is_leaf(t)),
           "a leaf Variable that requires grad is being used in an in-place operation. Hint: change it under "
           "torch.no_grad(), "
           "or compute a new tensor (x = x + 1)");
}

// ---- what users do to a tensor -------------------------------------------------------------------------------------------

void set_requires_grad(const Tensor& t, bool on) {
  RL_CHECK(AutogradError, !on || is_differentiable(t.dtype()),
           "only Tensors of floating point dtype can require gradients. Hint: got ", t.dtype(),
           "; convert it with x.float(); indices and labels need none");
  RL_CHECK(AutogradError, !on || !t.impl()->inference || thread_state.inference_mode,
           "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.");
  if (on == t.requires_grad()) return;
  RL_CHECK(AutogradError, is_leaf(t), "you can only change requires_grad flags of leaf variables.",
           on ? ""
              : " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach().");
  t.impl()->set_requires_grad(on);
}

const Tensor& grad_of(const Tensor& t) {
  static const Tensor none;
  return meta_of(t) ? meta_of(t)->grad : none;
}

void set_grad(const Tensor& t, Tensor grad) {
  if (grad.defined()) {
    RL_CHECK(AutogradError, !grad.is_same(t), "can't assign Variable as its own grad");
    RL_CHECK(RuntimeError, grad.dtype() == t.dtype(), "attempting to assign a gradient with dtype '", grad.dtype(),
             "' to a tensor of dtype '", t.dtype(), "'; convert it with .to(", t.dtype(), ")");
    RL_CHECK(AutogradError, grad.device().type == t.device().type,
             "assigned grad has data located on a different device");
    RL_CHECK(AutogradError, grad.sizes() == t.sizes(), "attempting to assign a gradient of size '", grad.sizes(),
             "' to a tensor of size '", t.sizes(),
             "'. Please ensure that the gradient and the tensor are the same size");
    make_meta(t).grad = std::move(grad);
  } else if (AutogradMeta* m = meta_of(t)) {
    m->grad = Tensor();
  }
}

void retain_grad(const Tensor& t) {
  RL_CHECK(AutogradError, t.requires_grad(), "can't retain_grad on Tensor that has requires_grad=False");
  Ref<Node> node = grad_fn(t);
  if (!node) return;  // leaves keep theirs anyway
  AutogradMeta& m = *meta_of(t);
  if (m.retains_grad) return;
  m.retains_grad = true;
  node->make_extras().retained.push_back({m.output_nr, &m});
}

void detach_in_place(const Tensor& t) {
  RL_CHECK(AutogradError, !t.is_view(), "Can't detach views in-place. Use detach() instead.");
  if (AutogradMeta* m = meta_of(t)) {
    stop_retaining(*m);
    m->retains_grad = false;
    m->grad_fn = nullptr;
    m->output_nr = 0;
    if (m->tangent.defined()) set_tangent(t, Tensor());
  }
  t.impl()->set_requires_grad(false);
}

// ---- forward mode ----------------------------------------------------------------------------------------------------------

thread_local constinit bool carries_tangents = true;

const Tensor& tangent_of(const Tensor& t) {
  static const Tensor none;
  return meta_of(t) ? meta_of(t)->tangent : none;
}

void set_tangent(const Tensor& t, const Tensor& tangent) {
  AutogradMeta& m = make_meta(t);
  Tensor before = m.tangent;  // dies outside of the lock
  {
    std::lock_guard lock(carrying().mutex);
    m.tangent = tangent;
    if (tangent.defined()) carrying().metas.insert(&m);
    else carrying().metas.erase(&m);
  }
  if (m.grad_fn && tangent.defined()) m.grad_fn->carry_tangent(m.output_nr, tangent);
}

void drop_tangents() {
  Tensors dropped;
  std::lock_guard lock(carrying().mutex);
  for (AutogradMeta* m : carrying().metas) dropped.push_back(std::move(m->tangent));
  carrying().metas.clear();
}

int64_t register_hook(const Tensor& t, Ref<TensorHook> hook) {
  RL_CHECK(AutogradError, t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
  Edge e = gradient_edge(t);
  return e.node->add_tensor_hook(e.input_nr, std::move(hook));
}

int64_t register_post_accumulate_hook(const Tensor& t, Ref<LeafHook> hook) {
  RL_CHECK(AutogradError, t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
  RL_CHECK(AutogradError, is_leaf(t), "post accumulate grad hooks cannot be registered on non-leaf tensors");
  return gradient_edge(t).node->add_leaf_hook(std::move(hook));
}

bool remove_hook(const Tensor& t, int64_t id) { return t.requires_grad() && gradient_edge(t).node->remove_hook(id); }

// ---- leaves -----------------------------------------------------------------------------------------------------------------

AccumulateGrad::AccumulateGrad(TensorImpl* leaf) : leaf_(leaf) { set_sequence(UINT64_MAX); }

namespace {

// Nobody but `holders` known ones can see this tensor's memory.
bool is_ours_alone(const Tensor& t, uint32_t holders) {
  if (const SparseParts* p = t.impl()->parts()) {
    return t.impl()->refs() == holders && p->refs() == 1 && p->values->storage()->refs() == 1 &&
           p->values->contiguous() && !t.impl()->requires_grad();
  }
  return !(t.impl()->flags() & (kWrapped | kPythonDispatch)) && t.impl()->refs() == holders &&
         t.impl()->storage()->refs() == 1 && !t.is_view() && !t.impl()->requires_grad();
}

}  // namespace

Grads AccumulateGrad::apply(Backward&, Tensor* grads) {
  Tensor leaf = variable();
  if (!leaf.defined()) return {};
  accumulate(leaf, std::move(grads[0]));
  if (extras() && !extras()->accumulated.empty()) {
    auto hooks = extras()->accumulated;
    for (auto& [id, hook] : hooks) hook->call(leaf);
  }
  return {};
}

void AccumulateGrad::accumulate(const Tensor& leaf, Tensor fresh) {
  std::lock_guard lock(mutex_);  // graphs of several threads may end at one parameter
  Tensor& grad = make_meta(leaf).grad;
  bool recording = thread_state.grad_enabled;
  // Then the engine holds it for the hooks, which PyTorch shows what becomes .grad itself.
  bool hooked = extras() && !(extras()->before.empty() && extras()->after.empty());
  if (!grad.defined()) {
    // Laid out as the leaf: optimizers walk both together.
    Dims strides =
        is_dense_non_overlapping(leaf.sizes(), leaf.strides()) ? leaf.strides() : contiguous_strides(leaf.sizes());
    bool fits = fresh.strides() == strides || fresh.impl()->parts();
    if (!recording && fits && is_ours_alone(fresh, hooked ? 2 : 1)) {
      grad = std::move(fresh);
    } else if (recording || fresh.impl()->flags() & (kWrapped | kPythonDispatch | kInParts)) {
      grad = clone(fresh);
    } else {
      grad = empty_strided_tensor(leaf.sizes(), strides, leaf.dtype(), leaf.device());
      copy_(grad, fresh);
    }
  } else if (recording || (fresh.impl()->flags() | grad.impl()->flags()) & (kWrapped | kPythonDispatch) ||
             (grad.impl()->parts() && grad.layout() != fresh.layout())) {
    grad = add(grad, fresh);  // what is behind them may be shared
  } else {
    add_(grad, fresh);
  }
}

}  // namespace rushlight
