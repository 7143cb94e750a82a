// func.vmap: a program for one example, run for a batch.
//
// A pointwise operator runs once, its arguments aligned behind the batch. A view is taken of all examples at once: its geometry is that
// of the first example's, plus a stride for the batch. Everything else that is no composite runs for each example, and the results are
// stacked: any operator works, those that are worth it may get a rule.
#include <algorithm>

#include "rushlight/core/generator.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/as_strided_.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/new_zeros.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/transforms/level.h"

namespace rushlight {

namespace {

// What draws only where an argument says so is a composite, whose parts come here one by one.
bool is_random(const Op& op) {
  return std::any_of(op.draws().begin(), op.draws().end(), [](const Op::Effect& e) { return e.when < 0; });
}

[[noreturn]] void fail_captured(const Op& op) {
  throw RuntimeError(str("vmap: ", op.qualified_name(),
                         "(self, *extra_args) is not possible because there exists a Tensor in extra_args that has "
                         "more elements than `self`: it is batched, and `self` is not. Use out-of-place operators, "
                         "or make `self` a batched tensor (self + torch.zeros_like(other), or "
                         "self.new_empty(...) inside of the function)"));
}

}  // namespace

Tensor BatchLevel::wrap(const Tensor& inner) const {
  size_t n = size_t(inner.dim()) - 1;
  RL_CHECK(NotImplementedError, layout_seen(inner) == Layout::Strided, "vmap: not implemented for tensors of layout ",
           layout_seen(inner), "; use .to_dense() first");
  return wrap_as(inner, IntArrayRef(inner.sizes().data() + 1, n), IntArrayRef(inner.strides().data() + 1, n), true);
}

void BatchLevel::reads(const Tensor& t, Read how) {
  if (how == Read::Length || how == Read::Rows) return;  // sizes are the same for all examples
  if (!owns(t)) return;
  RL_CHECK(
      RuntimeError, how != Read::Bool,
      "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support "
      "that yet: its examples may differ. Use torch.where, or call the function for each example");
  throw RuntimeError(
      "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor: "
      "it holds a number for each example. Please try to rewrite what you're doing with other operations");
}

void BatchLevel::call(const Op& op, IValue* args, IValue* rets) {
  bool batched = owns_any(op, args);
  if (is_random(op)) {
    RL_CHECK(RuntimeError, randomness_ != Randomness::Error,
             "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
             "'different' randomness flags on vmap or perform the randomness operation out of vmap");
    if (batched || randomness_ == Randomness::Different) return run_slices(op, args, rets);
  }
  if (!batched) return rushlight::call(op, args, rets);
  for (uint8_t i : op.tensor_args())
    if (op.schema().args[i].is_mutated && args[i].is_tensor() && !owns(args[i].tensor())) fail_captured(op);
  if (run_view(op, args, rets) || run_pointwise(op, args, rets) || run_view_in_place(op, args, rets)) return;
  run_slices(op, args, rets);
}

// The geometry of the view of one example is that of all.
bool BatchLevel::run_view(const Op& op, IValue* args, IValue* rets) {
  if (op.def().kernel.kind != Kernel::Kind::View || !args[0].is_tensor() || !owns(args[0].tensor())) return false;
  Tensor shown = args[0].tensor(), inner = unwrapped(shown);
  if (size_ == 0) return false;
  std::vector<IValue> first(size_t(op.num_args()));
  for (size_t i = 0; i < first.size(); i++) first[i] = IValue::borrow(args[i]);
  // No kernel of a view reads an element, so the wrapper's own geometry will do.
  Tensor example(make_ref<TensorImpl>(shown.impl()->storage(), shown.dtype(), shown.sizes(), shown.strides(),
                                      shown.storage_offset()));
  first[0] = example;
  for (size_t i = 1; i < first.size(); i++)
    if (first[i].is_tensor() && owns(first[i].tensor())) return false;
  {
    NoGradGuard no_grad;
    Scoped<Interceptor*> none(thread_state.interceptor, nullptr);
    op.run(first.data(), rets);
  }
  auto of_all = [&](const Tensor& v) -> Tensor {
    if (v.is_same(example)) return shown;
    if (v.dtype() != inner.dtype() || v.impl()->storage() != inner.impl()->storage()) return {};
    Dims sizes = {inner.sizes()[0]}, strides = {inner.strides()[0]};
    for (int64_t n : v.sizes()) sizes.push_back(n);
    for (int64_t n : v.strides()) strides.push_back(n);
    Tensor all = wrap(as_strided(inner, sizes, strides, v.storage_offset()));
    // A level inside of this one has to know that writing to the view writes to its base.
    all.impl()->set_base(shown.impl()->base() ? shown.impl()->base() : shown.ref());
    return all;
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) {
      Tensor all = of_all(rets[i].tensor());
      if (!all.defined()) return false;  // of another dtype
      rets[i] = std::move(all);
    } else if (rets[i].is_tensor_list()) {
      Tensors items = rets[i].tensor_list().vec();
      for (Tensor& t : items) {
        t = of_all(t);
        if (!t.defined()) return false;
      }
      rets[i] = std::move(items);
    }
  }
  return true;
}

// squeeze_() and its like: the tensors become what the view would be.
bool BatchLevel::run_view_in_place(const Op& op, IValue* args, IValue* rets) {
  if (!op.def().reshapes || !args[0].is_tensor() || !owns(args[0].tensor())) return false;
  const Op* view = nullptr;
  for (const Op* o : OpTable::get().overloads(op.name().substr(0, op.name().size() - 1)))
    if (o->num_args() == op.num_args() && (!view || o->schema().overload == op.schema().overload)) view = o;
  if (!view || !run_view(*view, args, rets)) return false;
  Tensor shown = args[0].tensor(), seen = rets[0].take_tensor(), all = unwrapped(seen);
  as_strided_(unwrapped(shown), all.sizes(), all.strides(), all.storage_offset());
  shown.impl()->set_geometry(seen.sizes(), seen.strides(), seen.storage_offset());
  rets[0] = std::move(shown);
  return true;
}

bool BatchLevel::run_pointwise(const Op& op, IValue* args, IValue* rets) {
  if (!op.def().kernel.pointwise) return false;
  int64_t rank = 0;
  bool zero_dim = false, many_dims = false, mixed = false;
  DType dtype = DType::Bool;
  bool first = true;
  for (uint8_t i : op.tensor_args()) {
    if (args[i].is_none() || args[i].is_scalar()) continue;
    if (!args[i].is_tensor()) return false;
    const Tensor& t = args[i].tensor();
    rank = std::max(rank, t.dim());
    (t.dim() ? many_dims : zero_dim) = true;
    mixed |= !first && dtype != t.dtype();
    dtype = t.dtype();
    first = false;
  }
  // An example without dimensions yields to others in promotion, which it would not as a batch. Numbers do so always.
  if (mixed && zero_dim && many_dims) return false;
  std::vector<IValue> all(size_t(op.num_args()));
  for (size_t i = 0; i < all.size(); i++) {
    all[i] = IValue::borrow(args[i]);
    if (!args[i].is_tensor()) continue;
    Tensor t = unwrapped(args[i].tensor());
    if (owns(args[i].tensor()))
      for (int64_t missing = rank - args[i].tensor().dim(); missing > 0; missing--) t = unsqueeze(t, 1);
    else if (mixed && t.dim() == 0 && !t.impl()->wrapped_number) return false;
    all[i] = std::move(t);
  }
  if (op.form() == Op::Form::Out) return false;
  rushlight::call(op, all.data(), rets);
  if (op.form() == Op::Form::InPlace) rets[0] = args[0].tensor();
  else rets[0] = wrap(rets[0].tensor());
  return true;
}

void BatchLevel::run_slices(const Op& op, IValue* args, IValue* rets) {
  std::vector<std::vector<IValue>> results;
  std::vector<IValue> one(size_t(op.num_args()));
  std::vector<uint8_t> state;
  if (is_random(op) && randomness_ == Randomness::Same) {
    state.resize(Generator::kStateBytes);
    std::lock_guard lock(default_generator().mutex());
    default_generator().get_state(state.data());
  }
  // Of no examples, what one of zeros gives says the shapes.
  for (int64_t b = 0; b < std::max<int64_t>(size_, 1); b++) {
    if (b && !state.empty()) {
      std::lock_guard lock(default_generator().mutex());
      default_generator().set_state(state.data(), state.size());
    }
    for (size_t i = 0; i < one.size(); i++)
      one[i] = mapped(args[i], [&](const Tensor& t) {
        if (!owns(t)) return t;
        Tensor inner = unwrapped(t);
        return size_ ? select(inner, 0, b) : new_zeros(inner, t.sizes());
      });
    std::vector<IValue> out(size_t(op.num_returns()));
    rushlight::call(op, one.data(), out.data());
    // What wrote to its argument's geometry (unsqueeze_) did so to a view of the batch only.
    if (b == 0 && op.mutates() && args[0].is_tensor() && owns(args[0].tensor())) {
      const Tensor &shown = args[0].tensor(), &slice = one[0].tensor();
      RL_CHECK(NotImplementedError, slice.sizes() == shown.sizes() && (slice.strides() == shown.strides() || !size_),
               "vmap: ", op.qualified_name(),
               " changes the shape of a batched tensor in place; use the operator that "
               "returns a view");
    }
    results.push_back(std::move(out));
  }
  auto stacked = [&](auto&& of) {
    Tensors all;
    for (auto& r : results) all.push_back(of(r));
    for (const Tensor& t : all)
      RL_CHECK(RuntimeError, !t.defined() || t.sizes() == all[0].sizes(), "vmap: ", op.qualified_name(),
               " gives tensors of other shapes for other examples, ", all[0].sizes(), " and ", t.sizes(),
               "; functions whose shapes depend on data can't run under vmap");
    if (!all[0].defined()) return Tensor();
    Tensor stacked = stack(all, 0);
    return wrap(size_ ? stacked : narrow(stacked, 0, 0, 0));
  };
  // An operator that returns what it wrote to.
  auto written = [&](const Tensor& result) -> Tensor {
    for (uint8_t i : op.tensor_args())
      if (op.schema().args[i].is_mutated && one[i].is_tensor() && one[i].tensor().is_same(result))
        return args[i].tensor();
    return {};
  };
  for (size_t r = 0; r < size_t(op.num_returns()); r++) {
    IValue& last = results.back()[r];
    if (last.is_tensor()) {
      Tensor same = written(last.tensor());
      rets[r] = same.defined() ? same : stacked([&](std::vector<IValue>& v) { return v[r].tensor(); });
    } else if (last.is_tensor_list()) {
      Tensors items;
      for (size_t k = 0; k < last.tensor_list().size(); k++)
        items.push_back(stacked([&](std::vector<IValue>& v) {
          RL_CHECK(RuntimeError, v[r].tensor_list().size() == last.tensor_list().size(), "vmap: ", op.qualified_name(),
                   " gives lists of different lengths for different examples");
          return v[r].tensor_list()[k];
        }));
      rets[r] = std::move(items);
    } else {
      RL_CHECK(RuntimeError, last.is_none(), "vmap: ", op.qualified_name(),
               " gives the program a number for each example, as .item() on a Tensor would; please try to rewrite what "
               "you're doing with other operations, such as torch.where");
      rets[r] = std::move(last);
    }
  }
}

}  // namespace rushlight
