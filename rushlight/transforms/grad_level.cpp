#include <atomic>

#include "rushlight/transforms/level.h"

namespace rushlight {

// ---- what all levels have in common ------------------------------------------------------------------------------------

namespace {
std::atomic<uint64_t> levels{0};
}

TransformLevel::TransformLevel() : number_(levels.fetch_add(1) + 1) {}

bool TransformLevel::owns_any(const Op& op, const IValue* args) const {
  bool any = false;
  each_tensor(op, args, [&](const Tensor& t) { any |= owns(t); });
  return any;
}

Tensor TransformLevel::unwrapped(const Tensor& t) const {
  return t.defined() && owns(t) ? Tensor(t.impl()->wrapper()->inner) : t;
}

Tensor TransformLevel::wrap_as(const Tensor& inner, IntArrayRef sizes, IntArrayRef strides, bool batched) const {
  Tensor t(make_ref<TensorImpl>(inner.impl()->storage(), inner.dtype(), sizes, strides, inner.storage_offset()));
  t.impl()->share_version(*inner.impl());
  t.impl()->wrapped_number = inner.impl()->wrapped_number;
  t.impl()->set_wrapper(make_ref<TensorWrapper>(number_, inner.ref(), batched));
  return t;
}

// ---- autograd at a level -------------------------------------------------------------------------------------------------

GradLevel::GradLevel(bool forward) : below_(*this), forward_(forward) {}

Tensor GradLevel::wrap(const Tensor& given, bool requires_grad) const {
  Tensor inner = unwrapped(given);
  Tensor t = wrap_as(inner, inner.sizes(), inner.strides(), false);
  t.impl()->set_requires_grad(requires_grad && is_differentiable(inner.dtype()));
  return t;
}

void GradLevel::call(const Op& op, IValue* args, IValue* rets) {
  if (!owns_any(op, args)) {
    {
      Outside outside(*this);
      rushlight::call(op, args, rets);
    }
    // What is made here is a constant of this level, so that the program may write to it; views stay what they are views of.
    for (int i = 0; i < op.num_returns(); i++)
      if (rets[i].is_tensor() || rets[i].is_tensor_list())
        rets[i] = mapped(rets[i], [&](const Tensor& t) {
          bool given = false;
          each_tensor(op, args, [&](const Tensor& a) {
            given |= a.is_same(t) || (t.is_view() && a.impl()->storage() == t.impl()->storage());
          });
          return given ? t : wrap(t, false);
        });
    return;
  }
  // Tensors from outside are constants here, whatever they require there.
  std::vector<IValue> here(size_t(op.num_args()));
  for (size_t i = 0; i < here.size(); i++) {
    const Argument& a = op.schema().args[i];
    here[i] = mapped(args[i], [&](const Tensor& t) {
      if (owns(t)) return t;
      RL_CHECK(RuntimeError, !a.is_mutated || !owns_any(op, args),
               "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place "
               "operation (",
               op.qualified_name(),
               ") that would mutate a captured Tensor. This is not supported; please rewrite the function being "
               "transformed to explicitly accept the mutated Tensor(s) as inputs.");
      return t.requires_grad() || t.impl()->wrapper() ? wrap(t, false) : t;
    });
  }
  below_.outer = thread_state.interceptor;
  below_.grad_here = thread_state.grad_enabled;
  Scoped<bool> records(thread_state.grad_enabled, forward_ ? carries_tangents : thread_state.grad_enabled);
  Scoped<Interceptor*> below(thread_state.interceptor, &below_);
  call_flagged(op, here.data(), rets, argument_flags(op, here.data()));
}

// A result as this level shows it: an argument is itself, a view knows of what.
Tensor GradLevel::shown(const Op& op, const IValue* args, const Tensor& result) const {
  Tensor same, base;
  each_tensor(op, args, [&](const Tensor& t) {
    if (!owns(t)) return;
    Tensor inner = unwrapped(t);
    if (inner.is_same(result)) same = t;
    else if (!base.defined() && result.is_view() && inner.impl()->storage() == result.impl()->storage()) base = t;
  });
  if (same.defined()) {
    TensorImpl* t = same.impl();
    if (t->storage() != result.impl()->storage() || t->dtype() != result.dtype())
      t->set_storage(result.impl()->storage(), result.dtype());
    if (!(t->sizes() == result.sizes()) || !(t->strides() == result.strides()) ||
        t->offset() != result.storage_offset())
      t->set_geometry(result.sizes(), result.strides(), result.storage_offset());
    return same;
  }
  Tensor t = wrap_as(result, result.sizes(), result.strides(), false);
  if (base.defined()) {
    TensorImpl* of = base.impl();
    t.impl()->set_base(of->base() ? of->base() : base.ref());
  }
  return t;
}

void GradLevel::Below::call(const Op& op, IValue* args, IValue* rets) {
  std::vector<IValue> inner(size_t(op.num_args()));
  for (size_t i = 0; i < inner.size(); i++)
    inner[i] = mapped(args[i], [&](const Tensor& t) { return level.unwrapped(t); });
  {
    Outside outside(level, grad_here);
    Scoped<bool> above(thread_state.below_autograd, false);  // that was this level's autograd only
    rushlight::call(op, inner.data(), rets);
  }
  for (int i = 0; i < op.num_returns(); i++)
    if (rets[i].is_tensor() || rets[i].is_tensor_list())
      rets[i] = mapped(rets[i], [&](const Tensor& t) { return level.shown(op, args, t); });
}

}  // namespace rushlight
