// Note [Quantised calls]: no kernel of a record may read the integers of a quantised tensor as numbers. A call with one among its arguments
// comes here from call_sparse() (Note [Quantised tensors] in dispatch/quantized.h), before autograd sees it, and runs
//   - the kernel that rushlight/quantized registered for it, which is loaded at the first such call;
//   - a composite as it is: the calls it is made of come here;
//   - a view on the integers;
// and raises for all others. Records that know quantised tensors say `.sparse = takes_sparse`, and don't come here.
#include "rushlight/dispatch/quantized.h"

#include <atomic>
#include <map>
#include <mutex>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/library.h"

namespace rushlight {

static std::atomic<QuantizedEngine> engine{QuantizedEngine::X86};
QuantizedEngine quantized_engine() { return engine.load(std::memory_order_relaxed); }
void set_quantized_engine(QuantizedEngine e) { engine.store(e, std::memory_order_relaxed); }

// ---- tensors ----

Quantizer one_scale(double scale, int64_t zero_point) {
  Quantizer q;
  q.scale = scale;
  q.zero_point = zero_point;
  return q;
}
Quantizer channel_scales(Tensor scales, Tensor zero_points, int64_t axis) {
  Quantizer q;
  q.axis = axis;
  q.scales = std::move(scales);
  q.zero_points = std::move(zero_points);
  return q;
}
Quantizer quantizer_of(const Tensor& t) {
  const SparseParts& p = *t.impl()->parts();
  Tensor scales(p.indices), zeros(p.plain);
  if (p.dense_dim >= 0) return channel_scales(detached_alias(scales), detached_alias(zeros), p.dense_dim);
  return one_scale(*scales.data<double>(), *zeros.data<int64_t>());
}

static Tensor over_same_memory(const Tensor& t, DType dtype) {
  Tensor out(make_ref<TensorImpl>(t.impl()->storage(), dtype, t.sizes(), t.strides(), t.storage_offset()));
  out.impl()->share_version(*t.impl());
  return out;
}
Tensor integers_of(const Tensor& t) { return over_same_memory(t, integers_of(t.dtype())); }
Tensor quantized_over(const Tensor& integers, DType dtype, const Quantizer& q) {
  RL_INVARIANT(integers_of(dtype) == integers.dtype(), "integers of another width");
  Tensor out = over_same_memory(integers, dtype), scales = q.scales, zeros = q.zero_points;
  if (!q.per_channel()) {
    scales = empty_tensor({1}, DType::Float64);
    zeros = empty_tensor({1}, DType::Int64);
    *scales.data<double>() = q.scale;
    *zeros.data<int64_t>() = q.zero_point;
  }
  out.impl()->set_parts(make_ref<SparseParts>(Layout::Strided, scales.ref(), zeros.ref(), nullptr, q.axis, false));
  return out;
}
Tensor quantized_like(const Tensor& integers, const Tensor& like) {
  Tensor out = over_same_memory(integers, like.dtype());
  out.impl()->set_parts(Ref<SparseParts>(like.impl()->parts()));
  return out;
}

// ---- calls ----

namespace {

struct Kernels {
  std::mutex lock;
  std::map<std::string, Ref<BoxedKernel>> by_name;
};
Kernels& kernels() {
  static auto* all = new Kernels;
  return *all;
}

}  // namespace

void set_quantized_kernel(const std::string& op, Ref<BoxedKernel> kernel) {
  std::lock_guard guard(kernels().lock);
  if (kernel) kernels().by_name[op] = std::move(kernel);
  else kernels().by_name.erase(op);
}

void call_on_integers(const Op& op, IValue* args, IValue* rets, bool in_place) {
  Tensor first;
  std::vector<IValue> plain;
  for (int i = 0; i < op.num_args(); i++) {
    plain.push_back(IValue::borrow(args[i]));
    if (!args[i].is_tensor() || !has_quantizer(args[i].tensor())) continue;
    const Tensor& t = args[i].tensor();
    RL_CHECK(RuntimeError,
             !first.defined() || (t.dtype() == first.dtype() && t.impl()->parts() == first.impl()->parts()), op.name(),
             ": expected tensors that are quantised alike; bring them to one scale first");
    if (!first.defined()) first = t;
    plain.back() = IValue(integers_of(t));
  }
  RL_CHECK(NotImplementedError, first.defined(), op.name(), ": not implemented for lists of quantised tensors");
  IValue out[kMaxResults];
  call(op, plain.data(), out);
  auto seen = [&](const Tensor& t) {
    if (!t.defined() || t.dtype() != integers_of(first.dtype())) return t;
    RL_CHECK(RuntimeError, first.impl()->parts()->dense_dim < 0 || in_place, op.name(),
             ": not implemented for tensors that are quantised per channel");
    return quantized_like(t, first);
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (op.mutates() && i == 0) {
      for (int a = 0; a < op.num_args(); a++)
        if (op.schema().args[size_t(a)].is_mutated) rets[0] = IValue(args[a]);
    } else if (out[i].is_tensor()) {
      rets[i] = IValue(seen(out[i].tensor()));
    } else if (out[i].is_tensor_list()) {
      Tensors list;
      for (const Tensor& t : out[i].tensor_list()) list.push_back(seen(t));
      rets[i] = IValue(std::move(list));
    } else {
      rets[i] = std::move(out[i]);
    }
  }
}

void call_quantized(const Op& op, IValue* args, IValue* rets) {
  load_provided("quantized::");
  Ref<BoxedKernel> kernel;
  {
    std::lock_guard guard(kernels().lock);
    if (auto found = kernels().by_name.find(op.qualified_name()); found != kernels().by_name.end())
      kernel = found->second;
  }
  if (kernel) return kernel->call(op, args, rets);
  Kernel::Kind kind = op.def().kernel.kind;
  if (kind == Kernel::Kind::Composite && op.form() == Op::Form::Function) return op.run(args, rets);
  if (kind == Kernel::Kind::View) return call_on_integers(op, args, rets);
  throw NotImplementedError(
      str("Could not run '", op.symbol(),
          "' with arguments from the 'QuantizedCPU' backend: it takes no quantised tensors; use .dequantize() first"));
}

}  // namespace rushlight
