// The chain of interceptors: who sees a call, in which order, and what they hear besides calls.
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/op.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/dispatch/values.h"

namespace rushlight {

void push_interceptor(Interceptor& i) {
  Interceptor** at = &thread_state.interceptor;
  if (i.place == Interceptor::Place::BelowAutograd)
    while (*at && (*at)->place == Interceptor::Place::AboveAutograd) at = &(*at)->outer;
  i.outer = *at;
  *at = &i;
}

void pop_interceptor(Interceptor& i) {
  for (Interceptor** at = &thread_state.interceptor; *at; at = &(*at)->outer)
    if (*at == &i) {
      *at = i.outer;
      return;
    }
}

bool is_composite(const Op& op) {
  return op.def().kernel.kind == Kernel::Kind::Composite ||
         (op.registered() && find_kernel(op, DispatchKey::CompositeImplicitAutograd));
}

bool has_autograd_kernel(const Op& op) {
  if (!op.registered() || thread_state.below_autograd) return false;
  for (DispatchKey key : {DispatchKey::Autograd, DispatchKey::AutogradCPU})
    if (Ref<BoxedKernel> kernel = find_kernel(op, key)) return !kernel->falls_through();
  return false;
}

void call_intercepted(const Op& op, IValue* args, IValue* rets) {
  Interceptor* innermost = thread_state.interceptor;
  if (!innermost->takes_whole(op)) return op.run(args, rets);
  if (innermost->place == Interceptor::Place::BelowAutograd)
    return call_flagged(op, args, rets, argument_flags(op, args));
  Scoped<Interceptor*> outside(thread_state.interceptor, innermost->outer);
  innermost->call(op, args, rets);
}

// Tensors that no level took, for it is not entered: a gradient's are what they stand for, those of a batch are of no use.
static void call_with_leaked(const Op& op, IValue* args, IValue* rets) {
  auto inner = [&](const Tensor& t) -> Tensor {
    if (!t.defined() || !t.impl()->wrapper()) return t;
    if (t.impl()->wrapper()->batched) check_has_memory(t, op.name().c_str());
    return Tensor(t.impl()->wrapper()->inner);
  };
  std::vector<IValue> without(size_t(op.num_args()));
  for (size_t i = 0; i < without.size(); i++) {
    if (args[i].is_tensor()) {
      without[i] = inner(args[i].tensor());
    } else if (args[i].is_tensor_list()) {
      Tensors items;
      for (const Tensor& t : args[i].tensor_list()) items.push_back(inner(t));
      without[i] = std::move(items);
    } else {
      without[i] = IValue::borrow(args[i]);
    }
  }
  call(op, without.data(), rets);
}

void call_below_slowly(const Op& op, IValue* args, IValue* rets, uint8_t flags) {
  Interceptor* below = thread_state.interceptor;
  while (below && below->place == Interceptor::Place::AboveAutograd) below = below->outer;
  if (below) {
    Scoped<Interceptor*> outside(thread_state.interceptor, below->outer);
    return below->call(op, args, rets);
  }
  if (flags & (kPythonDispatch | kWrapped)) [[unlikely]] {
    if (flags & kPythonDispatch) return call_python_dispatch(op, args, rets);
    return call_with_leaked(op, args, rets);
  }
  op.run(args, rets);
}

bool has_values(const Tensor& t) {
  const TensorImpl* at = t.impl();
  for (; at->wrapper(); at = at->wrapper()->inner.get())
    if (at->wrapper()->batched) return false;
  return !at->device().is_meta() && !(at->flags() & kPythonDispatch);
}

void take_over(const Tensor& to, const Tensor& from) {
  RL_CHECK(RuntimeError, from.layout() == to.layout(), "Attempted to call `variable.set_data(tensor)`, but `variable` ",
           "and `tensor` have incompatible tensor type: their layouts are ", to.layout(), " and ", from.layout());
  to.impl()->replace_storage(from.impl()->storage(), from.dtype());
  if (from.impl()->parts()) to.impl()->set_parts(Ref<SparseParts>(from.impl()->parts()));
  to.impl()->set_geometry(from.sizes(), from.strides(), from.storage_offset());
}

Layout layout_seen(const Tensor& t) {
  const TensorImpl* at = t.impl();
  while (at->wrapper()) at = at->wrapper()->inner.get();
  return at->parts() ? at->parts()->layout : Layout::Strided;
}

void check_has_memory(const Tensor& t, const char* who) {
  RL_CHECK(RuntimeError, !(t.impl()->flags() & kWrapped), who,
           ": a tensor of a transform (func.grad, func.vmap) is used where that transform does not see it, most likely "
           "after its function returned; return the tensor from the function instead of keeping it elsewhere");
  RL_CHECK(RuntimeError, !(t.impl()->flags() & kInParts) || has_quantizer(t), who,
           ": Cannot access data pointer of Tensor that doesn't ", "have storage; it is sparse (layout ", t.layout(),
           "), use .to_dense() first");
  RL_CHECK(RuntimeError, !(t.impl()->flags() & kPythonDispatch) || t.numel() == 0 || t.raw() || t.device().is_meta(),
           who,
           ": Cannot access data pointer of Tensor that doesn't have storage; it is of a Python class that keeps its "
           "values elsewhere, of which __torch_dispatch__ has to take care");
}

// ---- events ----------------------------------------------------------------------------------------------------------

Tensor size_event(const Tensor& t, int64_t dim) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer)
    if (Tensor size = i->size(t, dim); size.defined()) return size;
  return {};
}

Tensor numel_event(const Tensor& t) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer)
    if (Tensor n = i->numel(t); n.defined()) return n;
  return {};
}

void read_event(const Tensor& t, Read how) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer) i->reads(t, how);
}

void number_event(const Argument& a, size_t element, const Tensor& t) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer) i->number(a, element, t);
}

Interceptor* enter_event(const void* object, const Tensors& tensors) {
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer)
    if (i->enters(object, tensors)) return i;
  return nullptr;
}

}  // namespace rushlight
