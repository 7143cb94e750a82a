#include "rushlight/transforms/autocast.h"

#include "rushlight/autograd/meta.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/fn/to.h"
#include "rushlight/transforms/level.h"

namespace rushlight {

namespace {

// What a library registered for this region, if it did.
Ref<BoxedKernel> own_kernel(const Op& op) {
  Ref<BoxedKernel> kernel = op.registered() ? find_kernel(op, DispatchKey::AutocastCPU) : nullptr;
  return kernel && !kernel->falls_through() ? kernel : nullptr;
}

bool may_cast(const Tensor& t) { return t.device().is_cpu() && is_floating(t.dtype()) && t.dtype() != DType::Float64; }

}  // namespace

AutocastRegion& AutocastRegion::of_thread() {
  static thread_local AutocastRegion region;
  return region;
}

void AutocastRegion::set_enabled(bool on) {
  if (on == enabled_) return;
  enabled_ = on;
  if (on) push_interceptor(*this);
  else pop_interceptor(*this);
}

Tensor AutocastRegion::cast(const Tensor& t, DType to_dtype) {
  if (!may_cast(t) || t.dtype() == to_dtype) return t;
  bool weight =
      caches_ && to_dtype == dtype_ && t.dtype() == DType::Float32 && t.requires_grad() && !t.is_view() && is_leaf(t);
  if (!weight) return to(t, to_dtype);
  Kept& kept = cache_[t.impl()];
  // A weight that was written to since is cast anew.
  if (!kept.cast.defined() || kept.version != t.impl()->version() || kept.cast.dtype() != to_dtype)
    kept = {t, to(t, to_dtype), t.impl()->version()};
  return kept.cast;
}

// float32 if any argument is, else the region's dtype; arguments of float64 are left alone.
DType AutocastRegion::widest(const Op& op, const IValue* args) const {
  DType widest = dtype_;
  each_tensor(op, args, [&](const Tensor& t) {
    if (!may_cast(t)) return;
    if (t.dtype() == DType::Float32) widest = DType::Float32;
    RL_CHECK(RuntimeError, widest == DType::Float32 || t.dtype() == dtype_, op.name(),
             ": Unexpected floating ScalarType in autocast: expected float32 or ", dtype_, ", got ", t.dtype());
  });
  return widest;
}

bool AutocastRegion::takes_whole(const Op& op) const {
  return op.def().autocast != Autocast::None || !is_composite(op) || own_kernel(op);
}

void AutocastRegion::call(const Op& op, IValue* args, IValue* rets) {
  if (Ref<BoxedKernel> own = own_kernel(op)) return own->call(op, args, rets);
  Autocast policy = op.form() == Op::Form::Function ? op.def().autocast : Autocast::None;
  if (policy == Autocast::None) return rushlight::call(op, args, rets);
  DType to_dtype = policy == Autocast::Lower ? dtype_ : policy == Autocast::Float32 ? DType::Float32 : widest(op, args);
  std::vector<IValue> cast_args(size_t(op.num_args()));
  for (size_t i = 0; i < cast_args.size(); i++)
    cast_args[i] = mapped(args[i], [&](const Tensor& t) { return cast(t, to_dtype); });
  rushlight::call(op, cast_args.data(), rets);
}

}  // namespace rushlight
