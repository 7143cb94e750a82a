// Numbers in text, read without a locale.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string_view>

namespace rushlight::data {

// Digits with a sign, from p on; p moves behind them. False, with p anywhere, if there are none or more than 18.
inline bool scan_int(const char*& p, const char* end, int64_t& out) {
  const bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  const char* from = p;
  int64_t v = 0;
  while (p < end && unsigned(*p - '0') < 10) {
    if (p - from == 18) return false;
    v = v * 10 + (*p++ - '0');
  }
  out = negative ? -v : v;
  return p > from;
}

// -12.5e-3 and the like, where the digits are few enough that one multiplication or division rounds right (Clinger 1990: both numbers are
// exact). False, with p anywhere, for all else.
inline bool scan_float(const char*& p, const char* end, double& out) {
  static constexpr double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  const bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  uint64_t v = 0;
  int digits = 0, exponent = 0;
  const char* from = p;
  for (; p < end && unsigned(*p - '0') < 10; p++) v = v * 10 + unsigned(*p - '0');
  digits = int(std::min<int64_t>(p - from, 100));
  if (p < end && *p == '.') {
    from = ++p;
    for (; p < end && unsigned(*p - '0') < 10; p++) v = v * 10 + unsigned(*p - '0');
    const int after = int(std::min<int64_t>(p - from, 100));
    digits += after;
    exponent = -after;
  }
  if (digits == 0 || digits > 19) return false;
  if (p < end && (*p | 32) == 'e') {
    p++;
    int64_t e;
    const char* start = p;
    if (!scan_int(p, end, e) || p - start > 4) return false;
    exponent += int(e);
  }
  if (v > uint64_t(1) << 53 || exponent < -22 || exponent > 22) return false;
  double d = double(v);
  d = exponent < 0 ? d / powers[-exponent] : d * powers[exponent];
  out = negative ? -d : d;
  return true;
}

// The whole text as a number.
inline bool parse_int(std::string_view s, int64_t& out) {
  if (s.starts_with('+')) s.remove_prefix(1);
  if (s.starts_with('+')) return false;
  auto [p, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  return error == std::errc() && p == s.data() + s.size() && !s.empty();
}
inline bool parse_float(std::string_view s, double& out) {
  if (s.starts_with('+')) s.remove_prefix(1);
  if (s.empty() || s.starts_with('+')) return false;
  auto [p, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (p != s.data() + s.size()) return false;
  if (error == std::errc::result_out_of_range) {  // infinite, or too small: what strtod says of it
    long double wide = 0;
    if (std::from_chars(s.data(), s.data() + s.size(), wide).ec != std::errc()) {
      const size_t e = s.find_first_of("eE");  // no number of this world: only its sign and its exponent's matter
      const bool tiny = e != std::string_view::npos ? s.substr(e + 1).starts_with('-') : s.find('.') < 2;
      wide = tiny ? 0 : std::numeric_limits<long double>::infinity();
      if (s.starts_with('-')) wide = -wide;
    }
    out = double(wide);
    return true;
  }
  return error == std::errc();
}

}  // namespace rushlight::data
