// Pointwise operators: the maths is a functor template over its value type, written once.
//
//   template <class T> struct LogAddExp { T operator()(T a, T b) const { ... } };
//   .kernel = pointwise<LogAddExp, Floating>(Promote::ToFloat)
//
// With float, double, ... it becomes the CPU kernel (Note [Vectorised loops]); with Expr<float>, Expr<double>, ... the formula that code generation
// emits; in a .cu file the CUDA kernel. What it asks of T it asks so that Expr<T> answers as T does: math::is_integer<T> and its like, a
// specialisation `template <class T> requires math::is_bool<T> struct Neg<T>`, math::number_t<T> for T itself. Its first parameters are the operator's first arguments; a functor with further parameters has a constructor from
// the argument array: `explicit LeakyRelu(const IValue* args) : slope(scalar_arg<T>(args[1])) {}`.
// Half types compute in float, 8- and 16-bit integers in int32; bytes as they are where the list of types says so.
#pragma once
#include <concepts>
#include <new>

#include "rushlight/dispatch/op.h"
#include "rushlight/kernels/expr.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/math.h"

namespace rushlight {

template <class... Ts> struct TypeList {};
using Floating = TypeList<float, double>;
using FloatingAndComplex = TypeList<float, double, complex64, complex128>;
using Real = TypeList<float, double, int32_t, int64_t, bool>;
using RealNoBool = TypeList<float, double, int32_t, int64_t>;
using Number = TypeList<float, double, int32_t, int64_t, complex64, complex128>;  // no bool
using Any = TypeList<float, double, int32_t, int64_t, bool, complex64, complex128>;
using RealAndBytes = TypeList<float, double, int32_t, uint8_t, int64_t, bool>;
using NumberAndBytes = TypeList<float, double, int32_t, uint8_t, int64_t, complex64, complex128>;
using AnyAndBytes = TypeList<float, double, int32_t, uint8_t, int64_t, bool, complex64, complex128>;
using Integral = TypeList<int32_t, int64_t, bool>;

// How the arguments' dtypes make the common one.
enum class Promote : uint8_t {
  Same,     // PyTorch's promotion
  ToFloat,  // and integers become the default dtype
  Mask,     // the first argument is a condition and does not count
};

struct PointwiseInfo {
  struct Entry {
    // One contiguous row, already in the compute dtype; by instruction set.
    void (*row[3])(const void* functor, void* out, const void* const* in, int64_t n) = {};
    void (*make)(void* where, const IValue* args) = nullptr;  // constructs the functor; null: nothing to construct
    int32_t (*write)(const IValue* args) = nullptr;           // writes its formula
    DType compute = DType::Float32, result = DType::Float32;
  };
  Entry entries[kComputedSlots];  // by common dtype; row[0] null: not implemented for it
  // Of any dtype: those beyond the slots may stand in the rows of a wider one.
  const Entry& entry(DType common) const;
  // What the rows compute in a call with that common dtype and those arguments, of which tensors may be undefined: inputs and result are
  // in the compute dtype. REQUIRES: entry(common).row. Throws what the functor's constructor throws.
  Formula formula(DType common, const IValue* args) const;
  int inputs = 1;
  Promote promote = Promote::Same;
  bool result_is_bool = false;
  bool result_is_real = false;  // of complex arguments
  bool exact_numbers = false;   // numbers and 0-d tensors meet half types unrounded: the functor's kExactNumbers
  bool numbers_fit = false;     // numbers have to fit the common dtype, others wrap: the functor's kNumbersFit
  bool stored_too =
      false;  // also for uint16 to uint64, where only low bits count, and float8: the functor's kStoredToo
};
constexpr size_t kFunctorBytes = 64;

// The common dtype of the call whose functor is being made. T alone does not tell: bytes are computed in int32.
DType functor_dtype();
// A functor's number parameter; it has to fit the common dtype.
template <class T>
T scalar_arg(const IValue& v) {
  if constexpr (math::is_expr<T>) return T(scalar_arg<math::number_t<T>>(v));
  else if constexpr (std::is_same_v<T, int32_t>) return number_in(v.to_scalar(), functor_dtype()).to<T>();
  else return v.to_scalar().to<T>();
}
// One of the schema's type float, which becomes infinite where it does not fit.
template <class T>
T float_arg(const IValue& v) {
  return T(v.to_scalar().cast<math::number_t<T>>());
}

// `op` is named in errors.
int pointwise_meta(const Op& op, const PointwiseInfo& info, const IValue* args, TensorSpec* spec);
void pointwise_cpu(const Op& op, const PointwiseInfo& info, const IValue* args, const Tensor& out);
// The case that matters for small tensors: CPU, same dtype, same shape (or a number), contiguous. False: not that case.
bool pointwise_fast(const PointwiseInfo& info, const IValue* args, IValue* ret, bool in_place = false);
// PyTorch's torch.result_type over tensors and numbers.
DType result_type(const IValue* args, int count);

namespace detail {

template <class F, class T>
constexpr int functor_inputs() {
  if constexpr (std::is_invocable_v<F, T>) return 1;
  else if constexpr (std::is_invocable_v<F, T, T>) return 2;
  else if constexpr (std::is_invocable_v<F, T, T, T>) return 3;
  else return 4;
}
template <class F, class T, size_t... I>
auto functor_result(std::index_sequence<I...>) -> decltype(std::declval<const F&>()((void(I), std::declval<T>())...));
template <class F, class T>
using FunctorResult = decltype(functor_result<F, T>(std::make_index_sequence<functor_inputs<F, T>()>()));

// A functor of two formulas, chosen by an argument, says which in variant() and has them as apply<bool>(): each gets a loop of its own, since
// the compiler vectorises neither in a loop that decides for every element.
template <class F>
concept HasVariants = requires(const F& f) {
  { f.variant() } -> std::same_as<bool>;
};
template <class F, bool variant>
struct Variant {
  const F& functor;
  template <class... T>
    requires std::is_invocable_v<F, T...>
  RL_FN auto operator()(T... x) const {
    return functor.template apply<variant>(x...);
  }
};

#define RL_ROW(name, attribute)                                                                   \
  template <class F, class T, size_t... I>                                                        \
  attribute void name(const F& f, FunctorResult<F, T>* out, const void* const* in, int64_t n,     \
                      std::index_sequence<I...>) {                                                \
    const T* p[] = {static_cast<const T*>(in[I])...};                                             \
    RL_IVDEP                                                                                      \
    for (int64_t i = 0; i < n; i++) out[i] = f(p[I][i]...);                                       \
  }                                                                                               \
  template <class F, class T>                                                                     \
  attribute void name##_entry(const void* functor, void* out, const void* const* in, int64_t n) { \
    const F& f = *static_cast<const F*>(functor);                                                 \
    auto* to = static_cast<FunctorResult<F, T>*>(out);                                            \
    constexpr auto inputs = std::make_index_sequence<functor_inputs<F, T>()>();                   \
    if constexpr (HasVariants<F>) {                                                               \
      if (f.variant()) name<Variant<F, true>, T>({f}, to, in, n, inputs);                         \
      else name<Variant<F, false>, T>({f}, to, in, n, inputs);                                    \
    } else {                                                                                      \
      name<F, T>(f, to, in, n, inputs);                                                           \
    }                                                                                             \
  }
RL_ROW(row_base, RL_TARGET_BASE)
#ifdef RL_X86_DISPATCH
RL_ROW(row_avx2, RL_TARGET_AVX2)
RL_ROW(row_avx512, RL_TARGET_AVX512)
#endif
#undef RL_ROW

template <template <class> class F, class T>
int32_t write_formula(const IValue* args) {
  using Functor = F<Expr<T>>;
  auto apply = [&]<size_t... I>(const Functor& f, std::index_sequence<I...>) {
    return f(Expr<T>::input(int(I))...).step();
  };
  constexpr auto inputs = std::make_index_sequence<functor_inputs<F<T>, T>()>();
  if constexpr (std::is_constructible_v<Functor, const IValue*>) return apply(Functor(args), inputs);
  else return apply(Functor{}, inputs);
}

template <template <class> class F, class T>
void add_entry(PointwiseInfo& info) {
  using Functor = F<T>;
  using R = FunctorResult<Functor, T>;
  static_assert(sizeof(Functor) <= kFunctorBytes);
  PointwiseInfo::Entry e;
#ifdef RL_X86_DISPATCH
  e.row[0] = row_base_entry<Functor, T>;
  e.row[1] = row_avx2_entry<Functor, T>;
  e.row[2] = row_avx512_entry<Functor, T>;
#else
  e.row[0] = e.row[1] = e.row[2] = row_base_entry<Functor, T>;
#endif
  if constexpr (std::is_constructible_v<Functor, const IValue*>)
    e.make = [](void* where, const IValue* args) { new (where) Functor(args); };
  e.write = write_formula<F, T>;
  e.compute = dtype_of<T>;
  e.result = dtype_of<R>;
  info.inputs = functor_inputs<Functor, T>();
  info.result_is_bool |= std::is_same_v<R, bool> && !std::is_same_v<T, bool>;
  info.result_is_real |= math::is_complex_type<T> && !math::is_complex_type<R>;
  info.exact_numbers |= requires { Functor::kExactNumbers; };
  info.numbers_fit |= requires { Functor::kNumbersFit; };
  info.stored_too |= requires { Functor::kStoredToo; };
  info.entries[int(dtype_of<T>)] = e;
  auto also = [&](DType d) { info.entries[int(d)] = e; };
  if constexpr (std::is_same_v<T, float>) also(DType::Float16), also(DType::BFloat16);
  if constexpr (std::is_same_v<T, complex64>) also(DType::Complex32);
  if constexpr (std::is_same_v<T, int32_t>) also(DType::UInt8), also(DType::Int8), also(DType::Int16);
}

template <template <class> class F, class... Ts>
const PointwiseInfo& pointwise_info(TypeList<Ts...>, Promote promote) {
  static const PointwiseInfo* info = [&] {
    auto* made = new PointwiseInfo;
    (add_entry<F, Ts>(*made), ...);
    made->promote = promote;
    return made;
  }();
  return *info;
}

template <template <class> class F, class Types>
const PointwiseInfo*& info_slot() {
  static const PointwiseInfo* slot = nullptr;
  return slot;
}

}  // namespace detail

template <template <class> class F, class Types>
Kernel pointwise(Promote promote = Promote::Same) {
  detail::info_slot<F, Types>() = &detail::pointwise_info<F>(Types(), promote);
  return {.kind = Kernel::Kind::Structured,
          .meta = [](const Op& op, IValue* args,
                     TensorSpec* specs) { return pointwise_meta(op, *detail::info_slot<F, Types>(), args, specs); },
          .cpu = [](const Op& op, IValue* args,
                    const Tensor* outs) { pointwise_cpu(op, *detail::info_slot<F, Types>(), args, outs[0]); },
          .outs_may_alias = true,
          .pointwise = detail::info_slot<F, Types>()};
}

}  // namespace rushlight
