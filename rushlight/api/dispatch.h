// AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "name", [&] { ... scalar_t ... }): one of the copies that the compiler makes of a lambda, by dtype.
#pragma once
#include "rushlight/api/check.h"

namespace rushlight::api::detail {
template <DType D>
struct CppType;
#define RL_ENTRY(Name, python, number, Type, ...) \
  template <>                                     \
  struct CppType<DType::Name> {                   \
    using type = Type;                            \
  };
RL_DTYPES(RL_ENTRY)
#undef RL_ENTRY
[[noreturn]] void fail_dispatch(const char* name, DType d);
}  // namespace rushlight::api::detail
namespace rushlight::api {
// What sums of T are computed in: float for the half types.
template <class T>
struct OpMathType {
  using type = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;
};
// The type of a complex number's parts; T itself otherwise.
template <class T>
struct scalar_value_type {
  using type = T;
};
template <class T>
struct scalar_value_type<std::complex<T>> {
  using type = T;
};
template <class T>
using opmath_type = typename OpMathType<T>::type;
}  // namespace rushlight::api
namespace rushlight::api::impl {
template <DType D>
using ScalarTypeToCPPTypeT = typename detail::CppType<D>::type;
template <DType D>
struct ScalarTypeToCPPType : detail::CppType<D> {};
}  // namespace rushlight::api::impl

// The cases stand between the braces of a switch.
#define AT_DISPATCH_SWITCH(TYPE, NAME, ...)                                  \
  [&] {                                                                      \
    const ::rushlight::DType rl_dispatched = (TYPE);                         \
    switch (rl_dispatched) {                                                 \
      __VA_ARGS__                                                            \
      default: ::rushlight::api::detail::fail_dispatch(NAME, rl_dispatched); \
    }                                                                        \
  }()
#define RL_DISPATCH_CASE(DTYPE, NAME, ...)                                        \
  case DTYPE: {                                                                   \
    using NAME [[maybe_unused]] = ::rushlight::api::detail::CppType<DTYPE>::type; \
    return __VA_ARGS__();                                                         \
  }
#define AT_DISPATCH_CASE(DTYPE, ...) RL_DISPATCH_CASE(DTYPE, scalar_t, __VA_ARGS__)

#define AT_DISPATCH_CASE_FLOATING_TYPES(...)                 \
  AT_DISPATCH_CASE(::rushlight::DType::Float64, __VA_ARGS__) \
  AT_DISPATCH_CASE(::rushlight::DType::Float32, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_COMPLEX_TYPES(...)                     \
  AT_DISPATCH_CASE(::rushlight::DType::Complex128, __VA_ARGS__) \
  AT_DISPATCH_CASE(::rushlight::DType::Complex64, __VA_ARGS__)
#define AT_DISPATCH_COMPLEX_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_COMPLEX_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_INTEGRAL_TYPES(...)               \
  AT_DISPATCH_CASE(::rushlight::DType::UInt8, __VA_ARGS__) \
  AT_DISPATCH_CASE(::rushlight::DType::Int8, __VA_ARGS__)  \
  AT_DISPATCH_CASE(::rushlight::DType::Int32, __VA_ARGS__) \
  AT_DISPATCH_CASE(::rushlight::DType::Int64, __VA_ARGS__) \
  AT_DISPATCH_CASE(::rushlight::DType::Int16, __VA_ARGS__)
#define AT_DISPATCH_INTEGRAL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_INTEGRAL_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES(...) \
  AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__)           \
  AT_DISPATCH_CASE_COMPLEX_TYPES(__VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_ALL_TYPES(...)        \
  AT_DISPATCH_CASE_INTEGRAL_TYPES(__VA_ARGS__) \
  AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES(TYPE, NAME, ...) AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX(...) \
  AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__)           \
  AT_DISPATCH_CASE_COMPLEX_TYPES(__VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX(__VA_ARGS__))
#define AT_DISPATCH_CASE_REDUCED_FLOATING_TYPES(...)         \
  AT_DISPATCH_CASE(::rushlight::DType::Float16, __VA_ARGS__) \
  AT_DISPATCH_CASE(::rushlight::DType::BFloat16, __VA_ARGS__)
#define AT_DISPATCH_REDUCED_FLOATING_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_REDUCED_FLOATING_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_FLOATING_TYPES_AND_HALF(...) \
  AT_DISPATCH_CASE_FLOATING_TYPES_AND(::rushlight::DType::Float16, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND_HALF(...) \
  AT_DISPATCH_FLOATING_TYPES_AND(::rushlight::DType::Float16, __VA_ARGS__)
// A case of each of BASE's dtypes and of 1 to 8 further ones, and the switch around them.
#define RL_CASES1(BASE, D1, ...) BASE(__VA_ARGS__) AT_DISPATCH_CASE(D1, __VA_ARGS__)
#define RL_CASES2(BASE, D1, D2, ...) RL_CASES1(BASE, D1, __VA_ARGS__) AT_DISPATCH_CASE(D2, __VA_ARGS__)
#define RL_CASES3(BASE, D1, D2, D3, ...) RL_CASES2(BASE, D1, D2, __VA_ARGS__) AT_DISPATCH_CASE(D3, __VA_ARGS__)
#define RL_CASES4(BASE, D1, D2, D3, D4, ...) RL_CASES3(BASE, D1, D2, D3, __VA_ARGS__) AT_DISPATCH_CASE(D4, __VA_ARGS__)
#define RL_CASES5(BASE, D1, D2, D3, D4, D5, ...) \
  RL_CASES4(BASE, D1, D2, D3, D4, __VA_ARGS__) AT_DISPATCH_CASE(D5, __VA_ARGS__)
#define RL_CASES6(BASE, D1, D2, D3, D4, D5, D6, ...) \
  RL_CASES5(BASE, D1, D2, D3, D4, D5, __VA_ARGS__) AT_DISPATCH_CASE(D6, __VA_ARGS__)
#define RL_CASES7(BASE, D1, D2, D3, D4, D5, D6, D7, ...) \
  RL_CASES6(BASE, D1, D2, D3, D4, D5, D6, __VA_ARGS__) AT_DISPATCH_CASE(D7, __VA_ARGS__)
#define RL_CASES8(BASE, D1, D2, D3, D4, D5, D6, D7, D8, ...) \
  RL_CASES7(BASE, D1, D2, D3, D4, D5, D6, D7, __VA_ARGS__) AT_DISPATCH_CASE(D8, __VA_ARGS__)
#define RL_SWITCH1(BASE, D1, TYPE, NAME, ...) AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES1(BASE, D1, __VA_ARGS__))
#define RL_SWITCH2(BASE, D1, D2, TYPE, NAME, ...) AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES2(BASE, D1, D2, __VA_ARGS__))
#define RL_SWITCH3(BASE, D1, D2, D3, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES3(BASE, D1, D2, D3, __VA_ARGS__))
#define RL_SWITCH4(BASE, D1, D2, D3, D4, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES4(BASE, D1, D2, D3, D4, __VA_ARGS__))
#define RL_SWITCH5(BASE, D1, D2, D3, D4, D5, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES5(BASE, D1, D2, D3, D4, D5, __VA_ARGS__))
#define RL_SWITCH6(BASE, D1, D2, D3, D4, D5, D6, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES6(BASE, D1, D2, D3, D4, D5, D6, __VA_ARGS__))
#define RL_SWITCH7(BASE, D1, D2, D3, D4, D5, D6, D7, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES7(BASE, D1, D2, D3, D4, D5, D6, D7, __VA_ARGS__))
#define RL_SWITCH8(BASE, D1, D2, D3, D4, D5, D6, D7, D8, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, RL_CASES8(BASE, D1, D2, D3, D4, D5, D6, D7, D8, __VA_ARGS__))
// With further dtypes: AT_DISPATCH_ALL_TYPES_AND2(torch::kBool, torch::kHalf, x.scalar_type(), "name", [&] { ... }).
#define AT_DISPATCH_CASE_FLOATING_TYPES_AND(...) RL_CASES1(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND(...) RL_SWITCH1(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_TYPES_AND2(...) RL_CASES2(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND2(...) RL_SWITCH2(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_TYPES_AND3(...) RL_CASES3(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND3(...) RL_SWITCH3(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_TYPES_AND4(...) RL_CASES4(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND4(...) RL_SWITCH4(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_TYPES_AND5(...) RL_CASES5(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND5(...) RL_SWITCH5(AT_DISPATCH_CASE_FLOATING_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_INTEGRAL_TYPES_AND(...) RL_CASES1(AT_DISPATCH_CASE_INTEGRAL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_INTEGRAL_TYPES_AND(...) RL_SWITCH1(AT_DISPATCH_CASE_INTEGRAL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND(...) RL_CASES1(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND(...) RL_SWITCH1(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND2(...) RL_CASES2(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND2(...) RL_SWITCH2(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND3(...) RL_CASES3(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND3(...) RL_SWITCH3(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND4(...) RL_CASES4(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND4(...) RL_SWITCH4(AT_DISPATCH_CASE_ALL_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_COMPLEX_TYPES_AND(...) RL_CASES1(AT_DISPATCH_CASE_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_COMPLEX_TYPES_AND(...) RL_SWITCH1(AT_DISPATCH_CASE_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND(...) \
  RL_CASES1(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND(...) \
  RL_SWITCH1(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND1(...) \
  RL_CASES1(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND1(...) \
  RL_SWITCH1(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND2(...) \
  RL_CASES2(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND2(...) \
  RL_SWITCH2(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND3(...) \
  RL_CASES3(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND3(...) \
  RL_SWITCH3(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND4(...) \
  RL_CASES4(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND4(...) \
  RL_SWITCH4(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND5(...) \
  RL_CASES5(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND5(...) \
  RL_SWITCH5(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES_AND6(...) \
  RL_CASES6(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES_AND6(...) \
  RL_SWITCH6(AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND(...) RL_CASES1(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND(...) RL_SWITCH1(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND2(...) RL_CASES2(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND2(...) RL_SWITCH2(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND3(...) RL_CASES3(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND3(...) RL_SWITCH3(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND4(...) RL_CASES4(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND4(...) RL_SWITCH4(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND5(...) RL_CASES5(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND5(...) RL_SWITCH5(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND6(...) RL_CASES6(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND6(...) RL_SWITCH6(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND7(...) RL_CASES7(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND7(...) RL_SWITCH7(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX_AND8(...) RL_CASES8(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX_AND8(...) RL_SWITCH8(AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX, __VA_ARGS__)
#define AT_DISPATCH_INDEX_TYPES(TYPE, NAME, ...)                                       \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                       \
                     RL_DISPATCH_CASE(::rushlight::DType::Int32, index_t, __VA_ARGS__) \
                         RL_DISPATCH_CASE(::rushlight::DType::Int64, index_t, __VA_ARGS__))

// The second form, with the dtypes at the end: AT_DISPATCH_V2(t, "name", AT_WRAP([&] { ... }), AT_EXPAND(AT_FLOATING_TYPES), at::kHalf).
#define AT_WRAP(...) __VA_ARGS__
#define AT_EXPAND(...) __VA_ARGS__
#define AT_FLOATING_TYPES ::rushlight::DType::Float64, ::rushlight::DType::Float32
#define AT_INTEGRAL_TYPES                                                                                    \
  ::rushlight::DType::UInt8, ::rushlight::DType::Int8, ::rushlight::DType::Int32, ::rushlight::DType::Int64, \
      ::rushlight::DType::Int16
#define AT_COMPLEX_TYPES ::rushlight::DType::Complex128, ::rushlight::DType::Complex64
#define AT_ALL_TYPES AT_INTEGRAL_TYPES, AT_FLOATING_TYPES
#define AT_ALL_TYPES_AND_COMPLEX AT_ALL_TYPES, AT_COMPLEX_TYPES
#define RL_PICK17(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, name, ...) name
#define RL_COUNTED(...)                                                                                             \
  RL_PICK17(__VA_ARGS__, RL_V16, RL_V15, RL_V14, RL_V13, RL_V12, RL_V11, RL_V10, RL_V9, RL_V8, RL_V7, RL_V6, RL_V5, \
            RL_V4, RL_V3, RL_V2, RL_V1, )
#define RL_V1(B, D) RL_DISPATCH_CASE(D, scalar_t, RL_UNWRAP B)
#define RL_V2(B, D, ...) RL_V1(B, D) RL_V1(B, __VA_ARGS__)
#define RL_V3(B, D, ...) RL_V1(B, D) RL_V2(B, __VA_ARGS__)
#define RL_V4(B, D, ...) RL_V1(B, D) RL_V3(B, __VA_ARGS__)
#define RL_V5(B, D, ...) RL_V1(B, D) RL_V4(B, __VA_ARGS__)
#define RL_V6(B, D, ...) RL_V1(B, D) RL_V5(B, __VA_ARGS__)
#define RL_V7(B, D, ...) RL_V1(B, D) RL_V6(B, __VA_ARGS__)
#define RL_V8(B, D, ...) RL_V1(B, D) RL_V7(B, __VA_ARGS__)
#define RL_V9(B, D, ...) RL_V1(B, D) RL_V8(B, __VA_ARGS__)
#define RL_V10(B, D, ...) RL_V1(B, D) RL_V9(B, __VA_ARGS__)
#define RL_V11(B, D, ...) RL_V1(B, D) RL_V10(B, __VA_ARGS__)
#define RL_V12(B, D, ...) RL_V1(B, D) RL_V11(B, __VA_ARGS__)
#define RL_V13(B, D, ...) RL_V1(B, D) RL_V12(B, __VA_ARGS__)
#define RL_V14(B, D, ...) RL_V1(B, D) RL_V13(B, __VA_ARGS__)
#define RL_V15(B, D, ...) RL_V1(B, D) RL_V14(B, __VA_ARGS__)
#define RL_V16(B, D, ...) RL_V1(B, D) RL_V15(B, __VA_ARGS__)
#define RL_UNWRAP(...) __VA_ARGS__
#define RL_DISPATCH_V2(B, ...) RL_JOINED(RL_COUNTED(__VA_ARGS__), (B, __VA_ARGS__))
#define RL_JOINED(f, args) f args
#define AT_DISPATCH_V2(TYPE, NAME, BODY, ...) AT_DISPATCH_SWITCH(TYPE, NAME, RL_DISPATCH_V2((BODY), __VA_ARGS__))
