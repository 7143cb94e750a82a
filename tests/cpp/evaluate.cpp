#include "evaluate.h"

#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"

namespace rushlight {
namespace {

using All = Types<float, double, int64_t, int32_t, uint8_t, bool, complex64, complex128, Half, BFloat16>;
using Real = Types<float, double, int64_t, int32_t, uint8_t, bool>;

// A type for each function, with its overloads for numbers.
#define RL_CALL1(name, ...)                     \
  struct name##_ {                              \
    template <class T>                          \
      requires requires(T x) { math::name(x); } \
    auto operator()(T x) const {                \
      return math::name(x);                     \
    }                                           \
  };
#define RL_CALL2(name, ...)                        \
  struct name##_ {                                 \
    template <class T>                             \
      requires requires(T x) { math::name(x, x); } \
    auto operator()(T x, T y) const {              \
      return math::name(x, y);                     \
    }                                              \
  };
#define RL_SPECIAL1(name)                                          \
  struct name##_ {                                                 \
    double operator()(double x) const { return special::name(x); } \
  };
#define RL_SPECIAL2(name)                                                       \
  struct name##_ {                                                              \
    double operator()(double x, double y) const { return special::name(x, y); } \
  };
#define RL_SPECIAL_FLOAT2(name)            \
  struct name##_ {                         \
    template <class T>                     \
      requires std::is_floating_point_v<T> \
    T operator()(T x, T y) const {         \
      return special::name(x, y);          \
    }                                      \
  };
#define RL_OPERATOR(name, sign)               \
  struct name##_ {                            \
    template <class T>                        \
      requires requires(T x) { T(x sign x); } \
    T operator()(T x, T y) const {            \
      return T(x sign y);                     \
    }                                         \
  };
#define RL_COMPARISON(name, sign)                \
  struct name##_ {                               \
    template <class T>                           \
      requires requires(T x) { bool(x sign x); } \
    bool operator()(T x, T y) const {            \
      return x sign y;                           \
    }                                            \
  };
RL_MATH1(RL_CALL1)
RL_MATH2(RL_CALL2)
// Which of them have vector forms, and so bits that depend on the instruction set.
template <class F> constexpr bool by_vectors = false;
#define RL_BY_VECTORS(name, ...) template <> constexpr bool by_vectors<name##_> = true;
RL_VECTOR_MATH1(RL_BY_VECTORS)
RL_MADE_MATH1(RL_BY_VECTORS)
RL_VECTOR_MATH2(RL_BY_VECTORS)
RL_SPECIAL_MATH1(RL_SPECIAL1)
RL_SPECIAL_MATH2(RL_SPECIAL2)
RL_SPECIAL_FLOAT_MATH2(RL_SPECIAL_FLOAT2)
RL_OPERATORS(RL_OPERATOR)
RL_COMPARISONS(RL_COMPARISON)
struct bit_not_ {
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  T operator()(T x) const {
    return T(~x);
  }
};
struct logical_not_ {
  bool operator()(bool x) const { return !x; }
};

RL_FOR_EACH_ISA(
    template <class F RL_COMMA class T RL_COMMA class R>, void, loop1, (R * out, const T* x, int64_t n),
    { RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = F()(x[i]); }, <F RL_COMMA T RL_COMMA R>)
RL_FOR_EACH_ISA(
    template <class F RL_COMMA class T RL_COMMA class R>, void, loop2, (R * out, const T* x, const T* y, int64_t n),
    { RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = F()(x[i], y[i]); }, <F RL_COMMA T RL_COMMA R>)

template <class F, class T>
constexpr bool takes(const T*) {
  if constexpr (is_half(dtype_of<T>)) return std::is_same_v<F, negative_> || std::is_same_v<F, abs_>;
  else return std::is_invocable_v<F, T> || std::is_invocable_v<F, T, T>;
}

class Evaluation {
 public:
  Evaluation(const Formula& formula, const std::vector<Tensor>& inputs)
      : formula_(formula), inputs_(inputs), n_(inputs[0].numel()) {}

  Tensor run() {
    for (const Formula::Step& s : formula_.steps()) values_.push_back(step(s));
    return values_[size_t(formula_.result())];
  }

 private:
  const Tensor& arg(const Formula::Step& s, int i) const { return values_[size_t(s.args[i])]; }
  Tensor fresh(DType d) const { return empty_tensor(n_, d); }

  template <class F>
  Tensor call(const Formula::Step& s) const {
    Tensor out = fresh(s.dtype), x = arg(s, 0);
    bool done = false;
    auto with = [&]<class T>() {
      if (dtype_of<T> != x.dtype()) return;
      if constexpr (takes<F>(static_cast<const T*>(nullptr))) {
        if constexpr (std::is_invocable_v<F, T>) {
          using R = std::invoke_result_t<F, T>;
          RL_INVARIANT(dtype_of<R> == s.dtype && s.args[1] < 0);
          if constexpr (by_vectors<F> && std::is_floating_point_v<T>)
            loop1_isa<F, T, R>()(out.data<R>(), x.data<T>(), n_);
          else
            for (int64_t i = 0; i < n_; i++) out.data<R>()[i] = F()(x.data<T>()[i]);
        } else {
          using R = std::invoke_result_t<F, T, T>;
          Tensor y = arg(s, 1);
          RL_INVARIANT(dtype_of<R> == s.dtype && y.dtype() == x.dtype());
          if constexpr (by_vectors<F> && std::is_floating_point_v<T>)
            loop2_isa<F, T, R>()(out.data<R>(), x.data<T>(), y.data<T>(), n_);
          else
            for (int64_t i = 0; i < n_; i++) out.data<R>()[i] = F()(x.data<T>()[i], y.data<T>()[i]);
        }
        done = true;
      }
    };
    [&]<class... Ts>(Types<Ts...>) { (with.template operator()<Ts>(), ...); }(All());
    RL_INVARIANT(done);
    return out;
  }

  Tensor cast(const Formula::Step& s) const {
    Tensor out = fresh(s.dtype), x = arg(s, 0);
    dispatch(Real{}, s.dtype, "cast", [&]<class R>() {
      dispatch(Real{}, x.dtype(), "cast", [&]<class T>() {
        for (int64_t i = 0; i < n_; i++) out.data<R>()[i] = R(x.data<T>()[i]);
      });
    });
    return out;
  }

  Tensor step(const Formula::Step& s) const {
    switch (s.fn) {
      case Fn::input: {
        const Tensor& input = inputs_[size_t(s.args[0])];
        RL_INVARIANT(input.dtype() == s.dtype);
        return input;
      }
      case Fn::constant: {
        Tensor out = fresh(s.dtype);
        dispatch(All{}, s.dtype, "constant", [&]<class T>() { std::fill_n(out.data<T>(), n_, s.value.cast<T>()); });
        return out;
      }
      case Fn::cast: return cast(s);
      case Fn::select: {
        Tensor out = fresh(s.dtype), c = arg(s, 0), a = arg(s, 1), b = arg(s, 2);
        dispatch(All{}, s.dtype, "select", [&]<class T>() {
          for (int64_t i = 0; i < n_; i++) out.data<T>()[i] = c.data<bool>()[i] ? a.data<T>()[i] : b.data<T>()[i];
        });
        return out;
      }
#define RL_CASE(name, ...) \
  case Fn::name: return call<name##_>(s);
        RL_MATH1(RL_CASE)
        RL_MATH2(RL_CASE)
        RL_SPECIAL_MATH1(RL_CASE)
        RL_SPECIAL_MATH2(RL_CASE)
        RL_SPECIAL_FLOAT_MATH2(RL_CASE)
        RL_OPERATORS(RL_CASE)
        RL_COMPARISONS(RL_CASE)
        RL_UNARY_OPERATORS(RL_CASE)
#undef RL_CASE
    }
    throw InternalError("no such step");
  }

  const Formula& formula_;
  const std::vector<Tensor>& inputs_;
  int64_t n_;
  std::vector<Tensor> values_;
};

}  // namespace

Tensor evaluate(const Formula& formula, const std::vector<Tensor>& inputs) { return Evaluation(formula, inputs).run(); }

}  // namespace rushlight
