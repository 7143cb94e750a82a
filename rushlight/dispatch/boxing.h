// Between typed C++ functions and IValues.
#pragma once
#include <tuple>

#include "rushlight/dispatch/op.h"

namespace rushlight {

// A 0-d tensor for a Python number; its dtype yields to those of other tensors.
Tensor wrapped_number(const Scalar& s);

template <class T> struct Unboxed;  // holds what an argument of C++ type T needs while the function runs

#define RL_UNBOX(CppType, expression)                        \
  template <> struct Unboxed<CppType> {                      \
    explicit Unboxed(const IValue& v) : value(expression) {} \
    CppType value;                                           \
    CppType get() const { return value; }                    \
  };
RL_UNBOX(int64_t, v.to_int())
RL_UNBOX(double, v.to_double())
RL_UNBOX(bool, v.to_bool())
RL_UNBOX(Device, v.to_device())
RL_UNBOX(DType, dtype_numbered(v.to_int()))
RL_UNBOX(MemoryFormat, MemoryFormat(v.to_int()))
RL_UNBOX(IntArrayRef, v.int_list())
RL_UNBOX(ArrayRef<double>, v.double_list())
RL_UNBOX(TensorList, v.tensor_list())
RL_UNBOX(std::string_view, v.to_string())
RL_UNBOX(Generator*, v.generator())
#undef RL_UNBOX

// A layout that the function looks at. Those that take a plain one make strided tensors only, and are never called for others.
struct AnyLayout { Layout value; };
[[noreturn]] void fail_layout(Layout layout);
template <> struct Unboxed<AnyLayout> {
  explicit Unboxed(const IValue& v) : value{Layout(v.to_int())} {}
  AnyLayout value;
  AnyLayout get() const { return value; }
};
template <> struct Unboxed<Layout> {
  explicit Unboxed(const IValue& v) {
    if (v.to_int() != 0) fail_layout(Layout(v.to_int()));
  }
  Layout get() const { return Layout::Strided; }
};

template <> struct Unboxed<Scalar> {
  explicit Unboxed(const IValue& v) : value(v.to_scalar()) {}
  Scalar value;
  const Scalar& get() const { return value; }
};
template <> struct Unboxed<Tensor> {  // a number where a tensor may stand becomes a wrapped one; None an undefined one
  explicit Unboxed(const IValue& v) : value(v) {
    if (v.is_scalar()) made = wrapped_number(v.to_scalar());
  }
  const IValue& value;
  Tensor made;
  const Tensor& get() const { return made.defined() ? made : value.optional_tensor(); }
};
template <class T> struct Unboxed<std::optional<T>> {
  explicit Unboxed(const IValue& v) {
    if (!v.is_none()) value = Unboxed<T>(v).get();
  }
  std::optional<T> value;
  const std::optional<T>& get() const { return value; }
};

inline void box_into(IValue* rets, Tensor t) { rets[0] = IValue(std::move(t)); }
inline void box_into(IValue* rets, Tensors t) { rets[0] = IValue(std::move(t)); }
template <class T>
  requires(std::is_arithmetic_v<T>)
void box_into(IValue* rets, T v) {
  rets[0] = IValue(v);
}
inline void box_into(IValue* rets, const Scalar& s) { rets[0] = IValue(s); }
inline void box_into(IValue* rets, const std::vector<int64_t>& v) { rets[0] = IValue(v); }
inline void box_into(IValue* rets, Device d) { rets[0] = IValue(d); }
inline void box_into(IValue* rets, DType d) { rets[0] = IValue(d); }
template <class... Ts>
void box_into(IValue* rets, std::tuple<Ts...> values) {
  std::apply(
      [&](auto&... v) {
        int i = 0;
        (box_into(&rets[i++], std::move(v)), ...);
      },
      values);
}

template <class F> struct Signature;
template <class R, class... A>
struct Signature<R (*)(A...)> {
  static constexpr int arity = sizeof...(A);
  using Args = std::tuple<A...>;
  // f(args...), then each of `more`.
  template <class... More>
  static R apply(R (*f)(A...), IValue* args, More&&... more) {
    constexpr int own = int(sizeof...(A) - sizeof...(More));
    return [&]<size_t... I>(std::index_sequence<I...>) -> R {
      return f(Unboxed<std::remove_cvref_t<std::tuple_element_t<I, Args>>>(args[I]).get()...,
               std::forward<More>(more)...);
    }(std::make_index_sequence<own>());
  }
};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> : Signature<R (*)(A...)> {};

}  // namespace rushlight
