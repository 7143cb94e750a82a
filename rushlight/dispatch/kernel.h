// The kinds of kernel a record can have. Each takes plain typed C++ functions whose parameters follow the schema's arguments:
//   Tensor -> const Tensor& (undefined for None) · Tensor[] -> TensorList · Scalar -> const Scalar& · int[] -> IntArrayRef
//   ScalarType -> DType · X? -> const std::optional<X>& · Generator? -> Generator* · str -> std::string_view
#pragma once
#include "rushlight/dispatch/boxing.h"
#include "rushlight/kernels/copying.h"

namespace rushlight {

// A function over other operators.
template <auto F>
Kernel composite() {
  using S = Signature<decltype(F)>;
  return {.kind = Kernel::Kind::Composite,
          .call = [](const Op&, IValue* args, IValue* rets) { box_into(rets, S::apply(F, args)); },
          .arity = S::arity};
}

// Makes its own result and is differentiable only by the record's rule.
template <auto F>
Kernel function() {
  Kernel k = composite<F>();
  k.kind = Kernel::Kind::Function;
  return k;
}

// Returns a tensor (or tensors) over its first argument's storage.
template <auto F>
Kernel view() {
  Kernel k = composite<F>();
  k.kind = Kernel::Kind::View;
  return k;
}

// `void F(const Tensor& self, ...)` writes to self, which the schema marks (a!). Returns self.
template <auto F>
Kernel mutation() {
  using S = Signature<decltype(F)>;
  return {.kind = Kernel::Kind::Mutation,
          .call =
              [](const Op&, IValue* args, IValue* rets) {
                S::apply(F, args);
                rets[0] = IValue(args[0]);
              },
          .arity = S::arity};
}

// One that takes memory of every device as it is.
inline Kernel anywhere(Kernel k) {
  k.any_memory = true;
  return k;
}

inline int spec_into(TensorSpec* specs, TensorSpec spec) { return specs[0] = std::move(spec), 1; }
template <size_t N>
int spec_into(TensorSpec* specs, std::array<TensorSpec, N> all) {
  static_assert(N <= kMaxResults);
  for (size_t i = 0; i < N; i++) specs[i] = std::move(all[i]);
  return int(N);
}

// `Meta(args...)` returns a TensorSpec (or an array of them) and makes every check of the arguments; `Cpu(args..., out...)` fills tensors
// of exactly those sizes and dtypes, with any strides unless the spec names them.
template <auto Meta, auto Cpu>
Kernel structured() {
  using M = Signature<decltype(Meta)>;
  using C = Signature<decltype(Cpu)>;
  constexpr int outs = C::arity - M::arity;
  static_assert(outs >= 1 && outs <= kMaxResults);
  return {.kind = Kernel::Kind::Structured,
          .meta = [](const Op&, IValue* args, TensorSpec* specs) { return spec_into(specs, M::apply(Meta, args)); },
          .cpu =
              [](const Op&, IValue* args, const Tensor* out) {
                [&]<size_t... I>(std::index_sequence<I...>) {
                  C::apply(Cpu, args, out[I]...);
                }(std::make_index_sequence<outs>());
              },
          .arity = M::arity};
}

// Changes some elements of its first argument: `Update(args..., out)` finds a copy of the first argument in out, or in the in-place form
// that argument itself.
template <auto Meta, auto Update>
Kernel updating() {
  using C = Signature<decltype(Update)>;
  Kernel k = structured<Meta, Update>();
  k.updates_self = true;
  k.cpu = [](const Op&, IValue* args, const Tensor* out) {
    if (!out[0].is_same(args[0].tensor())) copy_elements(out[0], args[0].tensor());
    C::apply(Update, args, out[0]);
  };
  return k;
}

}  // namespace rushlight
