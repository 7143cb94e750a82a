// A reader for the JSON of files from outside.
#pragma once
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "rushlight/core/error.h"

namespace rushlight::io {

inline bool is_utf8(std::string_view s) {
  for (size_t i = 0; i < s.size();) {
    auto c = static_cast<unsigned char>(s[i++]);
    int more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : -1;
    if (more < 0 || size_t(more) > s.size() - i) return false;
    uint32_t point = more ? c & (0x3fu >> more) : c;
    for (int k = 0; k < more; k++) {
      auto next = static_cast<unsigned char>(s[i++]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3f);
    }
    if ((more == 2 && point < 0x800) || (more == 3 && (point < 0x10000 || point > 0x10ffff)) ||
        (point >= 0xd800 && point < 0xe000))
      return false;
  }
  return true;
}

// Of JSON what headers use: objects, arrays of non-negative integers, strings, true and false. Bounds are checked at each character.
class Json {
 public:
  Json(std::string_view text, const std::string& where) : text_(text), where_(where) {}
  [[noreturn]] void fail(const std::string& what) {
    throw FileError(str(where_, ": the header is damaged at byte ", at_, ": ", what));
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      at_++;
    if (at_ == text_.size()) fail("it ends too early");
    return text_[at_];
  }
  void expect(char c) {
    if (peek() != c) fail(str("expected '", c, "'"));
    at_++;
  }
  bool next(char c) {
    if (peek() != c) return false;
    at_++;
    return true;
  }
  // Calls f for each item until the closing character.
  template <class F> void items(char open, char close, F&& f) {
    expect(open);
    if (next(close)) return;
    do f();
    while (next(','));
    expect(close);
  }
  std::string string() {
    expect('"');
    std::string out;
    for (;;) {
      if (at_ == text_.size()) fail("a string without an end");
      unsigned char c = static_cast<unsigned char>(text_[at_++]);
      if (c == '"') {
        if (!is_utf8(out)) fail("a string that is no UTF-8");
        return out;
      }
      if (c < 32) fail("a control character in a string");
      if (c != '\\') {
        out += char(c);
        continue;
      }
      if (at_ == text_.size()) fail("a string without an end");
      char e = text_[at_++];
      static constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
      if (size_t i = from.find(e); i != from.npos) out += to[i];
      else if (e == 'u') utf8(out, unicode());
      else fail("an unknown escape in a string");
    }
  }
  int64_t number() {
    peek();
    int64_t v = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc() || v < 0) fail("expected a number that is not negative");
    at_ = size_t(end - text_.data());
    return v;
  }
  // Whatever comes next, passed over.
  void skip(int depth = 0) {
    if (depth > 100) fail("nested more than 100 deep");
    char c = peek();
    if (c == '{')
      items('{', '}', [&] {
        string();
        expect(':');
        skip(depth + 1);
      });
    else if (c == '[') items('[', ']', [&] { skip(depth + 1); });
    else if (c == '"') string();
    else
      while (at_ < text_.size() && std::string_view(",]} \n\t\r").find(text_[at_]) == std::string_view::npos) at_++;
  }
  bool boolean() {
    bool yes = peek() == 't';
    std::string_view word = yes ? "true" : "false";
    if (!text_.substr(at_).starts_with(word)) fail("expected true or false");
    at_ += word.size();
    return yes;
  }
  // Calls f(name) for each field of an object; f takes the value.
  template <class F> void fields(F&& f) {
    items('{', '}', [&] {
      std::string name = string();
      expect(':');
      f(name);
    });
  }
  void finish() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) at_++;
    if (at_ != text_.size()) fail("more than one value");
  }

 private:
  uint32_t unicode() {
    uint32_t v = hex();
    if (v >= 0xd800 && v < 0xdc00 && text_.substr(at_).starts_with("\\u")) {  // a surrogate pair
      at_ += 2;
      v = 0x10000 + ((v & 0x3ff) << 10) + (hex() & 0x3ff);
    }
    return v;
  }
  uint32_t hex() {
    uint32_t v = 0;
    if (text_.size() - at_ < 4) fail("a cut escape in a string");
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, v, 16);
    if (error != std::errc() || end != text_.data() + at_ + 4) fail("a damaged escape in a string");
    at_ += 4;
    return v;
  }
  static void utf8(std::string& out, uint32_t c) {
    if (c < 0x80) {
      out += char(c);
      return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out += char((0xff00 >> (more + 1) & 0xff) | (c >> (6 * more)));
    while (more-- > 0) out += char(0x80 | ((c >> (6 * more)) & 0x3f));
  }
  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

}  // namespace rushlight::io
