#include "rushlight/core/error.h"

#include <charconv>
#include <cmath>
#include <span>

namespace rushlight {

void append_text(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "nan";
    return;
  }
  if (std::isinf(v)) {
    out += v < 0 ? "-inf" : "inf";
    return;
  }
  char buffer[32];
  double magnitude = std::fabs(v);
  bool plain = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v,
                                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string_view text(buffer, size_t(end - buffer));
  out += text;
  if (plain && text.find('.') == std::string_view::npos) out += ".0";
}

void append_text(std::string& out, std::complex<double> v) {
  out += '(';
  append_text(out, v.real());
  if (!std::signbit(v.imag())) out += '+';
  append_text(out, v.imag());
  out += "j)";
}

std::string join_text(const TextPart* parts, size_t count) {
  std::string out;
  for (const TextPart& p : std::span(parts, count)) {
    if (p.append) p.append(out, p.value);
    else out += static_cast<const char*>(p.value);
  }
  return out;
}

void fail_invariant(const char* condition, const char* file, int line, const std::string& detail) {
  throw InternalError(str("rushlight has a bug: ", condition, " does not hold at ", file, ":", line,
                          detail.empty() ? "" : "; ", detail, ". Please report it."));
}

}  // namespace rushlight
