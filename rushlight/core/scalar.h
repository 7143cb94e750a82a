// Scalar: a Python number: bool, int, float or complex; and how a number becomes an element of a tensor.
#pragma once
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <string>

#include "rushlight/core/dtype.h"
#include "rushlight/core/error.h"

namespace rushlight {

class Scalar {
 public:
  enum class Kind : uint8_t { Bool, Int, Float, Complex };

  Scalar() : Scalar(int64_t(0)) {}
  Scalar(bool v) : kind_(Kind::Bool) { i_ = v; }
  template <class T, require<std::is_integral_v<T> && !std::is_same_v<T, bool>> = 0>
  Scalar(T v) : kind_(Kind::Int) {
    i_ = int64_t(v);
  }
  Scalar(float v) : Scalar(double(v)) {}
  Scalar(Half v) : Scalar(double(float(v))) {}
  Scalar(BFloat16 v) : Scalar(double(float(v))) {}
  template <Float8Kind kind>
  Scalar(Float8<kind> v) : Scalar(double(float(v))) {}
  Scalar(complex32 v) : Scalar(complex128(v.real(), v.imag())) {}
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

  // The number as an element of that type. Throws RuntimeError where it does not fit, by PyTorch's rules: a fraction is cut off, infinities
  // and NaN are for types that have them, -255 to -1 are bytes counted from the end, and every number is a bool.
  template <class T>
  T to() const {
    if (!fits<T>()) [[unlikely]]
      fail_number(*this, dtype_of<T>);
    return cast<T>();
  }
  // As to(), but what does not fit wraps or becomes infinite, as when a tensor is converted.
  template <class T>
  T cast() const {
    if constexpr (std::is_same_v<T, complex32>) {
      return is_complex() ? T(float(d_), float(imag_)) : T(float(cast<double>()));
    } else if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex128>) {
      using R = typename T::value_type;
      return is_complex() ? T(R(d_), R(imag_)) : T(is_float() ? R(d_) : R(i_));
    } else if constexpr (std::is_same_v<T, bool>) {
      return is_complex() ? d_ != 0 || imag_ != 0 : is_float() ? d_ != 0 : i_ != 0;
    } else if constexpr (is_small_float<T>) {
      return T(float(cast<double>()));
    } else if constexpr (std::is_same_v<T, uint64_t>) {
      return (is_float() || is_complex()) && d_ >= 0x1p63 && d_ < 0x1p64 ? T(d_) : T(cast<int64_t>());
    } else if constexpr (std::is_integral_v<T>) {
      return T(is_float() || is_complex() ? whole(d_) : i_);
    } else {
      return is_float() || is_complex() ? T(d_) : T(i_);
    }
  }
  template <class T>
  bool fits() const {
    if constexpr (std::is_same_v<T, complex64> || std::is_same_v<T, complex32>) {
      return is_complex() ? in_range<float>(d_) && in_range<float>(imag_) : !is_float() || in_range<float>(d_);
    } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, complex128>) {
      return true;
    } else {
      if (is_complex()) return imag_ == 0 && in_range<T>(d_);
      return is_float() ? in_range<T>(d_) : in_range<T>(i_);
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
  Scalar operator-() const {
    return is_complex() ? Scalar(-to<complex128>()) : is_float() ? Scalar(-d_) : Scalar(int64_t(-uint64_t(i_)));
  }

 private:
  template <class T>
  static constexpr bool is_small_float = is_floating(dtype_of<T>) && sizeof(T) <= 2;
  template <class T>
  static bool in_range(double v) {
    if constexpr (std::is_same_v<T, double>) return true;
    else if constexpr (is_float8(dtype_of<T>)) return fits_float8(v, T::kKind);
    else if constexpr (std::is_same_v<T, Half>) return !std::isfinite(v) || std::abs(v) <= 65504;
    else if constexpr (std::is_same_v<T, BFloat16>) return !std::isfinite(v) || std::abs(v) <= 0x1.FEp127;
    else if constexpr (std::is_same_v<T, float>) return !std::isfinite(v) || std::abs(v) <= 0x1.FFFFFEp127;
    else if constexpr (std::is_same_v<T, uint64_t>) return v > -1 && v < 0x1p64;
    else if constexpr (sizeof(T) == 8) return v >= -0x1p63 && v < 0x1p63;
    else return v >= double(std::numeric_limits<T>::lowest()) && v <= double(std::numeric_limits<T>::max());
  }
  template <class T>
  static bool in_range(int64_t v) {
    if constexpr (std::is_same_v<T, Half>) return v >= -65504 && v <= 65504;
    else if constexpr (is_float8(dtype_of<T>)) return v == 0 || fits_float8(std::abs(double(v)), T::kKind);
    else if constexpr (!std::is_integral_v<T> || sizeof(T) == 8) return true;
    else if constexpr (std::is_unsigned_v<T>)
      return v >= -int64_t(std::numeric_limits<T>::max()) && v <= int64_t(std::numeric_limits<T>::max());
    else return v >= std::numeric_limits<T>::lowest() && v <= std::numeric_limits<T>::max();
  }
  static bool fits_float8(double v, Float8Kind kind);
  // As x86 converts: the smallest integer where there is no such one.
  static int64_t whole(double v) { return in_range<int64_t>(v) ? int64_t(v) : INT64_MIN; }
  [[noreturn, gnu::cold]] static void fail_number(const Scalar& s, DType d);

  union {
    int64_t i_;
    double d_;
  };
  double imag_ = 0;
  Kind kind_;
};

// What writing the number into an element of dtype d gives, as a number of that dtype's kind. Throws as Scalar::to. Where PyTorch makes a
// tensor of one element on the way, what is beyond a half type's range becomes infinite: `halves_saturate`.
Scalar number_in(const Scalar& s, DType d, bool halves_saturate = false);

// Writes the number into an element of dtype d, any dtype: the one place where that is done. Throws as Scalar::to; NotImplementedError
// for quantised ones.
void write_number(const Scalar& s, DType d, void* to);
// The element as a number; an unsigned one beyond int64 as a float.
Scalar read_number(DType d, const void* from);

inline void append_text(std::string& out, const Scalar& s) {
  if (s.is_bool()) append_text(out, s.to<bool>());
  else if (s.is_int()) append_text(out, s.to_int());
  else if (s.is_float()) append_text(out, s.to_double());
  else append_text(out, s.to<complex128>());
}

}  // namespace rushlight
