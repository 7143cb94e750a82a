#include "rushlight/transforms/forward_level.h"

#include "rushlight/autograd/engine.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/as_strided_scatter.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/ones_like.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/transforms/level.h"

namespace rushlight {

namespace {

bool has_tangent(const Tensor& t) {
  return tangent_of(t).defined() || (t.is_view() && tangent_of(Tensor(t.impl()->base())).defined());
}

int64_t elements_of_storage(const Tensor& t) { return int64_t(t.storage().bytes()) / t.item_size(); }

bool is_elsewhere(const Tensor& t) { return t.impl()->flags() & (kWrapped | kPythonDispatch | kInParts); }

// So that each view of one is a view of the other.
bool laid_out_alike(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0 || is_elsewhere(a) || is_elsewhere(b)) return true;
  for (int64_t i = 0; i < a.dim(); i++)
    if (a.size(i) > 1 && a.strides()[size_t(i)] != b.strides()[size_t(i)]) return false;
  return a.storage_offset() == b.storage_offset() && elements_of_storage(a) == elements_of_storage(b);
}

// Zeros in memory that is laid out as that of t.
Tensor zeros_laid_out_as(const Tensor& t) {
  if (is_elsewhere(t)) return zeros_like(t);
  Tensor all = zeros(Dims{elements_of_storage(t)}, t.dtype(), std::nullopt, t.device());
  return as_strided(all, t.sizes(), t.strides(), t.storage_offset());
}

// t was written to, and has no tangent yet. That of a view is a part of its base's.
void carry_written(const Tensor& t, const Tensor& tangent) {
  if (!t.is_view() || is_elsewhere(t)) return carry(t, tangent);
  Tensor base(t.impl()->base());
  if (!tangent_of(base).defined()) set_tangent(base, zeros_laid_out_as(base));
  if (!is_elsewhere(tangent)) {
    copy_(tangent_seen(t), tangent);
    return;
  }
  Tensor all = add(tangent_of(base), sum(zeros_like(tangent)));  // of a batch, from here on
  set_tangent(base, as_strided_scatter(all, tangent, t.sizes(), t.strides(),
                                       t.storage_offset() - base.storage_offset() + all.storage_offset()));
}

// Lets a program write to what stands for a leaf.
class Same final : public Node {
 public:
  explicit Same(const Tensor& leaf) {
    allocate_edges(1);
    set_gradient_edge(edges()[0], leaf);
  }
  std::string name() const override { return "Same"; }
  Grads apply(Backward&, Tensor* grads) override {
    Grads out;
    out.push_back(std::move(grads[0]));
    return out;
  }
};

template <class F>
void each_result(const Op& op, const IValue* rets, F&& f) {
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) f(rets[i].tensor());
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) f(t);
  }
}

// One call of an operator whose arguments have tangents.
class Differentiated {
 public:
  Differentiated(const Op& op, const IValue* args) : op_(op) {
    each_tensor(op, args, [&](const Tensor& t, const Argument& a) {
      if (a.is_mutated) written_.push_back({t, {}});
      if (!find(t)) given_.push_back({t, tangent_seen(t), {}});
    });
  }

  void run(IValue* args, IValue* rets) {
    level_.enter();
    std::vector<std::pair<Tensor, Tensor>> found;
    Dims strides = written_.empty() ? Dims() : Dims(written_[0].argument.strides());
    {
      InterceptorGuard inside(level_);
      EnableGradGuard recording;
      std::vector<IValue> here(size_t(op_.num_args()));
      for (size_t i = 0; i < here.size(); i++)
        here[i] = mapped(args[i],
                         [&](const Tensor& t) { return t.defined() ? shown(t, op_.schema().args[i].is_mutated) : t; });
      call(op_, here.data(), rets);
      Tensors results;
      each_result(op_, rets, [&](const Tensor& t) { results.push_back(t); });
      for (const Written& w : written_) results.push_back(w.shown);
      try {
        found = tangents(results);
      } catch (const NotImplementedError& e) {
        throw NotImplementedError(str("Trying to use forward AD with ", op_.name(),
                                      " that does not support it because it has not been implemented yet: ", e.text()));
      }
    }
    for (int i = 0; i < op_.num_returns(); i++)
      if (rets[i].is_tensor() || rets[i].is_tensor_list())
        rets[i] = mapped(rets[i], [&](const Tensor& t) { return level_.unwrapped(t); });
    for (auto& [result, tangent] : found) {
      // The rule may have passed on what it was given; writes to the one are not to reach the other.
      for (const Given& g : given_)
        if (g.tangent.defined() && g.tangent.impl()->storage() == tangent.impl()->storage()) {
          tangent = clone(tangent);
          break;
        }
      set(args, strides, result, tangent);
    }
  }

 private:
  struct Given { Tensor argument, tangent, leaf; };
  struct Written { Tensor argument, shown; };

  Given* find(const Tensor& t) {
    for (Given& g : given_)
      if (g.argument.is_same(t)) return &g;
    return nullptr;
  }
  Written* find_written(const Tensor& t) {
    for (Written& w : written_)
      if (w.argument.is_same(t)) return &w;
    return nullptr;
  }

  // An argument as the level sees it. What the call overwrites is read by its gradient: that has a copy.
  Tensor shown(const Tensor& t, bool is_written) {
    Given& g = *find(t);
    Tensor as_read = t;
    if (is_written) {
      Written& w = *find_written(t);
      w.shown = level_.wrap(t, false);
      if (!g.tangent.defined()) return w.shown;
      g.leaf = level_.wrap(t, true);
      set_history(w.shown, make_ref<Same>(g.leaf), 0);
      return w.shown;
    }
    for (const Written& w : written_)
      if (w.argument.impl()->storage() == t.impl()->storage()) {
        as_read = level_.unwrapped(clone(t));
        break;
      }
    if (!g.tangent.defined()) return as_read;
    if (g.leaf.defined()) {  // the same tensor is given twice, or written to as well
      if (as_read.is_same(t)) return g.leaf;
      Tensor copy = level_.wrap(as_read, false);
      set_history(copy, make_ref<Same>(g.leaf), 0);
      return copy;
    }
    return g.leaf = level_.wrap(as_read, true);
  }

  // Of the results that depend on the arguments, unwrapped.
  std::vector<std::pair<Tensor, Tensor>> tangents(const Tensors& results) {
    Tensors roots, weights, leaves, directions;
    for (const Tensor& y : results) {
      bool again = std::any_of(roots.begin(), roots.end(), [&](const Tensor& r) { return r.is_same(y); });
      if (again || !y.defined() || !level_.owns(y) || !y.requires_grad()) continue;
      roots.push_back(y);
      // Any weights do; but at 0 a rule may go another way.
      weights.push_back(level_.wrap(level_.unwrapped(ones_like(y)), true));
    }
    if (roots.empty()) return {};
    for (const Given& g : given_)
      if (g.leaf.defined()) leaves.push_back(g.leaf), directions.push_back(g.tangent);
    Tensors pulled =
        run_backward(roots, weights,
                     {.retain_graph = true, .create_graph = true, .allow_unused = true, .accumulate = false}, leaves);
    Tensors linear, along;
    for (size_t i = 0; i < pulled.size(); i++)
      if (pulled[i].defined() && pulled[i].requires_grad()) linear.push_back(pulled[i]), along.push_back(directions[i]);
    Tensors made(roots.size());
    if (!linear.empty()) made = run_backward(linear, along, {.allow_unused = true, .accumulate = false}, weights);
    std::vector<std::pair<Tensor, Tensor>> out;
    for (size_t i = 0; i < roots.size(); i++) {
      Tensor y = level_.unwrapped(roots[i]);
      out.emplace_back(y, made[i].defined() ? level_.unwrapped(made[i]) : level_.unwrapped(zeros_like(y)));
    }
    return out;
  }

  void set(IValue* args, const Dims& strides, const Tensor& result, const Tensor& tangent) {
    if (!find_written(result)) return carry(result, tangent);
    const Tensor& before = find(result)->tangent;
    if (!before.defined()) return carry_written(result, tangent);
    if (before.sizes() != result.sizes() || strides != result.strides()) {  // t_(), unsqueeze_(): the tangent is too
      std::vector<IValue> same(size_t(op_.num_args()));
      for (size_t i = 0; i < same.size(); i++) same[i] = IValue::borrow(args[i]);
      same[0] = before;
      IValue ignored[kMaxResults];
      call(op_, same.data(), ignored);
      return;
    }
    if (is_elsewhere(tangent) && !is_elsewhere(before)) return set_tangent(result, tangent);  // of a batch now
    copy_(before, tangent);
    set_tangent(result, before);  // with what its new node saved
  }

  const Op& op_;
  GradLevel level_;
  std::vector<Given> given_;
  std::vector<Written> written_;
};

void call_view(const Op& op, IValue* args, IValue* rets, const Tensor& tangent) {
  call(op, args, rets);
  if (!op.differentiable()) return;
  std::vector<IValue> same(size_t(op.num_args()));
  for (size_t i = 0; i < same.size(); i++) same[i] = IValue::borrow(args[i]);
  same[0] = tangent;
  IValue made[kMaxResults];
  call(op, same.data(), made);
  Tensors views, tangents;
  each_result(op, rets, [&](const Tensor& t) { views.push_back(t); });
  each_result(op, made, [&](const Tensor& t) { tangents.push_back(t); });
  for (size_t i = 0; i < views.size(); i++)
    if (!views[i].is_same(args[0].tensor())) set_tangent(views[i], tangents[i]);
}

}  // namespace

Tensor tangent_seen(const Tensor& t) {
  const Tensor& own = tangent_of(t);
  if (own.defined() || !t.is_view()) return own;
  Tensor base(t.impl()->base());
  const Tensor& of = tangent_of(base);
  if (!of.defined() || is_elsewhere(t) || base.dtype() != t.dtype()) return {};
  set_tangent(t,
              as_strided(of, t.sizes(), t.strides(), t.storage_offset() - base.storage_offset() + of.storage_offset()));
  return tangent_of(t);
}

void carry(const Tensor& t, const Tensor& tangent) {
  if (laid_out_alike(t, tangent)) return set_tangent(t, tangent);
  Tensor made = zeros_laid_out_as(t);
  copy_(made, tangent);
  set_tangent(t, made);
}

bool ForwardLevel::takes_whole(const Op& op) const { return !is_composite(op) && !has_autograd_kernel(op); }

void ForwardLevel::call(const Op& op, IValue* args, IValue* rets) {
  bool any = false;
  if (carries_tangents && !thread_state.inference_mode)
    each_tensor(op, args, [&](const Tensor& t) { any = any || has_tangent(t); });
  if (!any) return rushlight::call(op, args, rets);
  RL_CHECK(RuntimeError, op.form() != Op::Form::Out, "Trying to use forward AD with ", op.name(),
           " that does not support it because it is an out= function; use the returned tensor");
  if (op.def().kernel.kind == Kernel::Kind::View && args[0].is_tensor() && !op.mutates())
    return call_view(op, args, rets, tangent_seen(args[0].tensor()));
  Differentiated(op, args).run(args, rets);
}

}  // namespace rushlight
