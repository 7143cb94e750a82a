#include "rushlight/data/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace rushlight::data {
namespace {

#include "unicode_tables.h"

constexpr uint32_t kReplacement = 0xFFFD;

template <size_t N, size_t M>
const uint32_t* find_row(const uint32_t (&rows)[N][M], uint32_t code) {
  auto at = std::lower_bound(std::begin(rows), std::end(rows), code, [](auto& row, uint32_t c) { return row[0] < c; });
  return at != std::end(rows) && (*at)[0] == code ? *at : nullptr;
}

CharKind slow_kind_of(uint32_t code) {
  auto after = std::upper_bound(std::begin(kKinds), std::end(kKinds), code << 3 | 7);
  return CharKind(after[-1] & 7);
}

}  // namespace

Char first_char(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t(0); };
  uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  auto rest = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  if (first >= 0xC2 && first < 0xE0 && rest(1)) return {(first & 0x1F) << 6 | (byte(1) & 0x3Fu), 2};
  if (first >= 0xE0 && first < 0xF0 && rest(1) && rest(2)) {
    uint32_t code = (first & 0xF) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (code >= 0x800 && (code < 0xD800 || code > 0xDFFF)) return {code, 3};
  }
  if (first >= 0xF0 && first < 0xF5 && rest(1) && rest(2) && rest(3)) {
    uint32_t code = (first & 7) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
    if (code >= 0x10000 && code < 0x110000) return {code, 4};
  }
  return {kReplacement, 1};
}

void append_char(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += char(0xC0 | code >> 6);
    out += char(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += char(0xE0 | code >> 12);
    out += char(0x80 | (code >> 6 & 0x3F));
    out += char(0x80 | (code & 0x3F));
  } else {
    out += char(0xF0 | code >> 18);
    out += char(0x80 | (code >> 12 & 0x3F));
    out += char(0x80 | (code >> 6 & 0x3F));
    out += char(0x80 | (code & 0x3F));
  }
}

size_t find_no_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    Char c = first_char(text.substr(i));
    if (c.code == kReplacement && c.bytes == 1) return i;
    i += c.bytes;
  }
  return std::string_view::npos;
}

CharKind kind_of(uint32_t code) {
  // The first 0x3000 characters are nearly all of most texts.
  static const std::array<CharKind, 0x3000> quick = [] {
    std::array<CharKind, 0x3000> kinds;
    for (uint32_t c = 0; c < kinds.size(); c++) kinds[c] = slow_kind_of(c);
    return kinds;
  }();
  return code < quick.size() ? quick[code] : slow_kind_of(code);
}

bool is_white_space(uint32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

uint32_t lower_of(uint32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  const uint32_t* row = find_row(kLower, code);
  return row ? row[1] : code;
}

void append_plain(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += char(code);
    return;
  }
  if (code >= 0xAC00 && code < 0xD7A4) {  // a syllable of Hangul is two or three letters, by rule
    uint32_t s = code - 0xAC00;
    append_char(out, 0x1100 + s / 588);
    append_char(out, 0x1161 + s % 588 / 28);
    if (s % 28) append_char(out, 0x11A7 + s % 28);
    return;
  }
  if (kind_of(code) == CharKind::Accent) return;
  const uint32_t* row = find_row(kPlain, code);
  if (!row) return append_char(out, code);
  for (int i = 1; i < 4 && row[i]; i++) append_char(out, row[i]);
}

}  // namespace rushlight::data
