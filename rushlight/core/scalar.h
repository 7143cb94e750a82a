// Scalar: a Python number: bool, int, float or complex.
#pragma once
#include <complex>
#include <cstdint>
#include <string>

#include "rushlight/core/dtype.h"
#include "rushlight/core/error.h"

namespace rushlight {

class Scalar {
 public:
  enum class Kind : uint8_t { Bool, Int, Float, Complex };

  Scalar() : Scalar(int64_t(0)) {}
  Scalar(bool v) : kind_(Kind::Bool) { i_ = v; }
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Scalar(T v) : kind_(Kind::Int) {
    i_ = int64_t(v);
  }
  Scalar(float v) : Scalar(double(v)) {}
  Scalar(Half v) : Scalar(double(float(v))) {}
  Scalar(BFloat16 v) : Scalar(double(float(v))) {}
  Scalar(double v) : kind_(Kind::Float) { d_ = v; }
  Scalar(complex64 v) : Scalar(complex128(v)) {}
  Scalar(complex128 v) : kind_(Kind::Complex) {
    d_ = v.real();
    imag_ = v.imag();
  }

  Kind kind() const { return kind_; }
  bool is_bool() const { return kind_ == Kind::Bool; }
  bool is_int() const { return kind_ == Kind::Int; }
  bool is_integral(bool include_bool) const { return is_int() || (include_bool && is_bool()); }
  bool is_float() const { return kind_ == Kind::Float; }
  bool is_complex() const { return kind_ == Kind::Complex; }

  // Converts as C++ does; a complex number loses its imaginary part only when T is complex-free and the caller checked.
  template <class T>
  T to() const {
    if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) {
      using R = typename T::value_type;
      return is_complex() ? T(R(d_), R(imag_)) : T(is_float() ? R(d_) : R(i_));
    } else if constexpr (std::is_same_v<T, bool>) {
      return is_complex() ? d_ != 0 || imag_ != 0 : is_float() ? d_ != 0 : i_ != 0;
    } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      return T(float(to<double>()));
    } else {
      return is_float() || is_complex() ? T(d_) : T(i_);
    }
  }
  double to_double() const { return to<double>(); }
  int64_t to_int() const { return to<int64_t>(); }

  // bool, int64, default dtype, or its complex counterpart.
  DType dtype() const {
    switch (kind_) {
      case Kind::Bool: return DType::Bool;
      case Kind::Int: return DType::Int64;
      case Kind::Float: return default_dtype();
      default: return to_complex(default_dtype());
    }
  }
  bool equals(double v) const { return !is_complex() ? to<double>() == v : d_ == v && imag_ == 0; }
  Scalar operator-() const { return is_complex() ? Scalar(-to<complex128>()) : is_float() ? Scalar(-d_) : Scalar(-i_); }

 private:
  union {
    int64_t i_;
    double d_;
  };
  double imag_ = 0;
  Kind kind_;
};

inline void append_text(std::string& out, const Scalar& s) {
  if (s.is_bool()) append_text(out, s.to<bool>());
  else if (s.is_int()) append_text(out, s.to_int());
  else if (s.is_float()) append_text(out, s.to_double());
  else append_text(out, s.to<complex128>());
}

}  // namespace rushlight
