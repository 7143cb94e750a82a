// Texts: Python's methods of str, formatting, and what values look like in print. Texts are UTF-8; places and lengths count characters, as
// Python's do. Upper and lower case are those of ASCII.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "rushlight/core/limits.h"
#include "rushlight/graph/executor/entries.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/executor/primitives.h"
#include "rushlight/graph/tensor_text.h"

namespace rushlight::graph {
namespace {

using View = std::string_view;
constexpr View kSpace = " \t\n\r\f\v";

View text(const IValue& v) { return v.to_string(); }
IValue text_of(View s) { return IValue(std::string(s)); }

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }
int64_t length(View s) { return std::count_if(s.begin(), s.end(), starts_character); }
// The byte at which character i starts; the end for those behind it.
size_t byte_of(View s, int64_t i) {
  if (length(s) == int64_t(s.size())) return size_t(std::min<int64_t>(i, int64_t(s.size())));
  size_t at = 0;
  for (; at < s.size(); at++)
    if (starts_character(s[at]) && i-- == 0) break;
  return at;
}
int64_t character_at(View s, size_t byte) { return length(s.substr(0, byte)); }
std::vector<View> characters(View s) {
  std::vector<View> out;
  for (size_t at = 0; at < s.size();) {
    size_t end = at + 1;
    while (end < s.size() && !starts_character(s[end])) end++;
    out.push_back(s.substr(at, end - at));
    at = end;
  }
  return out;
}
IValue text_list(const std::vector<View>& parts) {
  std::vector<IValue> items;
  for (View p : parts) items.push_back(text_of(p));
  return make_list(Type::string(), std::move(items));
}

std::string item(View s, int64_t i) {
  int64_t n = length(s);
  RL_CHECK(IndexError, i >= -n && i < n, "string index out of range");
  size_t from = byte_of(s, i < 0 ? i + n : i);
  return std::string(characters(s.substr(from, 4))[0]);
}
std::string slice(View s, const IValue& start, const IValue& stop, int64_t step) {
  SliceRange range = slice_range(length(s), start, stop, step);
  std::string out;
  std::vector<View> all = characters(s);
  for (int64_t k = 0, i = range.start; k < range.count; k++, i += step) out += all[size_t(i)];
  return out;
}
// A method's [start, end): -1 is the end, as PyTorch's schemas say it.
struct Window {
  View in;
  int64_t first;  // the character that it starts with
};
Window window(View s, int64_t start, int64_t end) {
  int64_t n = length(s);
  if (start < 0) start = std::max<int64_t>(0, start + n);
  if (end < 0) end = end + n + 1;
  end = std::min(end, n);
  if (start > end) return {View(), -1};
  size_t from = byte_of(s, start);
  return {s.substr(from, byte_of(s, end) - from), start};
}
int64_t find(View s, View what, int64_t start, int64_t end, bool last) {
  Window w = window(s, start, end);
  if (w.first < 0) return -1;
  size_t at = last ? w.in.rfind(what) : w.in.find(what);
  return at == View::npos ? -1 : w.first + character_at(w.in, at);
}
int64_t index(View s, View what, int64_t start, int64_t end, bool last) {
  int64_t at = find(s, what, start, end, last);
  RL_CHECK(ValueError, at >= 0, "ValueError: substring not found");
  return at;
}
int64_t count(View s, View what, int64_t start, int64_t end) {
  Window w = window(s, start, end);
  if (w.first < 0) return 0;
  if (what.empty()) return length(w.in) + 1;
  int64_t n = 0;
  for (size_t at = 0; (at = w.in.find(what, at)) != View::npos; at += what.size()) n++;
  return n;
}
bool at_edge(View s, View what, int64_t start, int64_t end, bool last) {
  Window w = window(s, start, end);
  return w.first >= 0 && (last ? w.in.ends_with(what) : w.in.starts_with(what));
}

bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool letter(char c) { return upper(c) || lower(c); }
bool digit(char c) { return c >= '0' && c <= '9'; }
char to_upper(char c) { return lower(c) ? char(c - 32) : c; }
char to_lower(char c) { return upper(c) ? char(c + 32) : c; }
template <class F>
std::string changed(View s, const F& f) {
  std::string out(s);
  for (char& c : out) c = f(c);
  return out;
}
std::string capitalized(View s) {
  std::string out = changed(s, to_lower);
  if (!out.empty()) out[0] = to_upper(out[0]);
  return out;
}
std::string title(View s) {
  bool inside = false;
  return changed(s, [&](char c) {
    char out = inside ? to_lower(c) : to_upper(c);
    inside = letter(c);
    return out;
  });
}
bool is_title(View s) {
  bool inside = false, any = false;
  for (char c : s) {
    if (upper(c) && inside) return false;
    if (lower(c) && !inside) return false;
    inside = letter(c);
    any |= inside;
  }
  return any;
}
template <class F>
bool all(View s, const F& f) {
  return !s.empty() && std::all_of(s.begin(), s.end(), f);
}
bool one_case(View s, bool wanted_upper) {
  bool any = false;
  for (char c : s) {
    if (wanted_upper ? lower(c) : upper(c)) return false;
    any |= letter(c);
  }
  return any;
}
bool identifier(View s) {
  auto part = [](char c) { return letter(c) || digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80; };
  return all(s, part) && !digit(s[0]);
}

View stripped(View s, View chars, bool left, bool right) {
  size_t from = 0, to = s.size();
  while (left && from < to && chars.find(s[from]) != View::npos) from++;
  while (right && to > from && chars.find(s[to - 1]) != View::npos) to--;
  return s.substr(from, to - from);
}

IValue split(View s, const IValue& separator, int64_t most) {
  std::vector<View> parts;
  if (separator.is_none()) {
    for (size_t at = 0; (at = s.find_first_not_of(kSpace, at)) != View::npos;) {
      bool last = most >= 0 && int64_t(parts.size()) == most;
      size_t end = last ? s.size() : std::min(s.find_first_of(kSpace, at), s.size());
      parts.push_back(last ? stripped(s.substr(at), kSpace, false, true) : s.substr(at, end - at));
      at = end;
    }
    return text_list(parts);
  }
  View by = text(separator);
  RL_CHECK(ValueError, !by.empty(), "empty separator");
  for (size_t at = 0;;) {
    size_t end = most >= 0 && int64_t(parts.size()) == most ? View::npos : s.find(by, at);
    parts.push_back(s.substr(at, end == View::npos ? end : end - at));
    if (end == View::npos) return text_list(parts);
    at = end + by.size();
  }
}
IValue split_from_right(View s, View by, int64_t most) {
  RL_CHECK(ValueError, !by.empty(), "empty separator");
  std::vector<View> parts;
  for (;;) {
    size_t at = most >= 0 && int64_t(parts.size()) == most ? View::npos : s.rfind(by);
    parts.insert(parts.begin(), at == View::npos ? s : s.substr(at + by.size()));
    if (at == View::npos) return text_list(parts);
    s = s.substr(0, at);
  }
}
IValue lines(View s, bool keep) {
  std::vector<View> parts;
  for (size_t at = 0; at < s.size();) {
    size_t end = std::min(s.find_first_of("\n\r\v\f", at), s.size());
    size_t next = end + (s.substr(end, 2) == "\r\n" ? 2 : 1);
    parts.push_back(s.substr(at, (keep ? std::min(next, s.size()) : end) - at));
    at = next;
  }
  return text_list(parts);
}
void partition(View s, View by, bool last, IValue* r) {
  RL_CHECK(ValueError, !by.empty(), "empty separator");
  size_t at = last ? s.rfind(by) : s.find(by);
  bool none = at == View::npos;
  r[0] = text_of(none ? (last ? View() : s) : s.substr(0, at));
  r[1] = text_of(none ? View() : by);
  r[2] = text_of(none ? (last ? s : View()) : s.substr(at + by.size()));
}
std::string replaced(View s, View from, View to, int64_t most) {
  std::string out;
  if (from.empty()) {  // between all characters
    for (View c : characters(s)) {
      if (most != 0) out += to, most--;
      out += c;
    }
    return most != 0 ? out + std::string(to) : out;
  }
  size_t at = 0;
  for (size_t end; most != 0 && (end = s.find(from, at)) != View::npos; most--) {
    out += s.substr(at, end - at);
    out += to;
    at = end + from.size();
  }
  return out += s.substr(at);
}
std::string join(View by, const IValue& list) {
  std::string out;
  for (size_t i = 0, n = list_size(list); i < n; i++) {
    if (i) out += by;
    out += list_get(list, i).to_string();
  }
  return out;
}

constexpr int64_t kLongest = int64_t(1) << 31;  // of a text that widths and repetitions may ask for
std::string times(View s, int64_t n) {
  std::string out;
  if (n <= 0 || s.empty()) return out;
  RL_CHECK(RuntimeError, n <= kLongest / int64_t(s.size()), "a text of ", s.size(), " bytes, ", n,
           " times, is too long");
  Limits::expect_room(int64_t(s.size()) * n);
  out.reserve(s.size() * size_t(n));
  for (int64_t i = 0; i < n; i++) out += s;
  return out;
}
// align: < left, > right, ^ centre as format does it, c centre as str.center does it.
std::string padded(View s, int64_t width, View fill, char align) {
  RL_CHECK(TypeError, length(fill) == 1, "The fill character must be exactly one character long");
  int64_t n = length(s), room = std::max<int64_t>(0, width - n), left = 0;
  if (align == '>') left = room;
  if (align == '^') left = room / 2;
  if (align == 'c') left = room / 2 + (room & width & 1);
  return times(fill, left) + std::string(s) + times(fill, room - left);
}
std::string zero_filled(View s, int64_t width) {
  size_t sign = !s.empty() && (s[0] == '-' || s[0] == '+');
  return std::string(s.substr(0, sign)) + times("0", width - length(s)) + std::string(s.substr(sign));
}
std::string tabs_expanded(View s, int64_t size) {
  std::string out;
  int64_t column = 0;
  for (View c : characters(s)) {
    if (c == "\t") {
      int64_t n = size > 0 ? size - column % size : 0;
      out += times(" ", n);
      column += n;
    } else {
      out += c;
      column = c == "\n" || c == "\r" ? 0 : column + 1;
    }
  }
  return out;
}

std::string digits_in(int64_t v, int base, View prefix, bool capital = false) {
  uint64_t left = v < 0 ? 0 - uint64_t(v) : uint64_t(v);
  std::string out;
  do out.insert(out.begin(), (capital ? "0123456789ABCDEF" : "0123456789abcdef")[left % uint64_t(base)]);
  while (left /= uint64_t(base));
  return (v < 0 ? "-" : "") + std::string(prefix) + out;
}
std::string character(int64_t code) {
  RL_CHECK(ValueError, code >= 0 && code < 0x110000, "chr() arg not in range(0x110000)");
  std::string out;
  auto tail = [&](int64_t shift) { out += char(0x80 | (code >> shift & 63)); };
  if (code < 0x80) return out += char(code);
  if (code < 0x800) return out += char(0xC0 | code >> 6), tail(0), out;
  if (code < 0x10000) return out += char(0xE0 | code >> 12), tail(6), tail(0), out;
  return out += char(0xF0 | code >> 18), tail(12), tail(6), tail(0), out;
}
int64_t code_of(View s) {
  RL_CHECK(TypeError, length(s) == 1, "ord() expected a character, but string of length ", length(s), " found");
  auto byte = [&](size_t i) { return int64_t(static_cast<unsigned char>(s[i])); };
  if (s.size() == 1) return byte(0);
  int64_t code = byte(0) & (s.size() == 2 ? 0x1F : s.size() == 3 ? 0x0F : 0x07);
  for (size_t i = 1; i < s.size(); i++) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

// A number's text as int() and float() take it: no space around it, underscores between digits only.
std::string number_text(View s, const char* what) {
  View inner = stripped(s, kSpace, true, true);
  std::string out;
  for (size_t i = 0; i < inner.size(); i++) {
    bool between = i > 0 && i + 1 < inner.size() && digit(inner[i - 1]) && digit(inner[i + 1]);
    if (inner[i] != '_') out += inner[i];
    RL_CHECK(ValueError, inner[i] != '_' || between, what, ": '", s, "'");
  }
  return out;
}
int64_t int_of(View s) {
  constexpr const char* kWhat = "invalid literal for int() with base 10";
  std::string t = number_text(s, kWhat);
  size_t sign = !t.empty() && (t[0] == '-' || t[0] == '+');
  RL_CHECK(ValueError, all(View(t).substr(sign), digit), kWhat, ": '", s, "'");
  int64_t out = 0;
  for (char c : t.substr(sign)) {
    int64_t by = t[0] == '-' ? -(c - '0') : c - '0';
    RL_CHECK(RuntimeError, !__builtin_mul_overflow(out, 10, &out) && !__builtin_add_overflow(out, by, &out),
             "OverflowError: int('", s, "') does not fit in 64 bits");
  }
  return out;
}
double float_of(View s) {
  constexpr const char* kWhat = "could not convert string to float";
  std::string t = number_text(s, kWhat);
  char* end = nullptr;
  double v = std::strtod(t.c_str(), &end);
  bool hexadecimal = t.find_first_of("xX(") != std::string::npos;
  RL_CHECK(ValueError, !t.empty() && *end == 0 && !hexadecimal, kWhat, ": '", s, "'");
  return v;
}

// ---- formatting ----

std::string with_digits(const char* kind, int precision, double v, char type) {
  char form[16], few[64];
  std::snprintf(form, sizeof form, "%%%s.*%c", kind, type);
  int n = std::snprintf(few, sizeof few, form, precision, v);
  if (n < int(sizeof few)) return few;
  std::string out(size_t(n) + 1, ' ');
  std::snprintf(out.data(), out.size(), form, precision, v);
  out.pop_back();
  return out;
}
std::string grouped(const std::string& number, char by, size_t size) {
  size_t first = 0, end = number.find_first_not_of("0123456789abcdefABCDEF", first);
  if (end == std::string::npos) end = number.size();
  std::string out = number.substr(end);
  for (size_t at = end; at > first;) {
    size_t n = std::min(size, at - first);
    out.insert(0, number.substr(at - n, n));
    at -= n;
    if (at > first) out.insert(out.begin(), by);
  }
  return out;
}

}  // namespace

std::string format_value(const IValue& v, std::string_view spec) {
  if (spec.empty()) return shown(v);
  // [[fill]align][sign][#][0][width][grouping][.precision][type]
  std::string fill = " ";
  char align = 0, sign = '-', type = 0, grouping = 0;
  bool alternate = false;
  int64_t width = 0, precision = -1;
  std::vector<View> all_characters = characters(spec);
  size_t at = 0;
  auto peek = [&](size_t k = 0) { return at + k < all_characters.size() ? all_characters[at + k] : View(); };
  auto is_align = [](View c) { return c == "<" || c == ">" || c == "^" || c == "="; };
  auto number = [&] {
    int64_t n = 0;
    for (; !peek().empty() && digit(peek()[0]); at++) n = std::min<int64_t>(n * 10 + (peek()[0] - '0'), kLongest);
    return n;
  };
  auto bad = [&] {
    throw ValueError(str("Invalid format specifier '", spec, "' for a value of type '", v.type(), "'"));
  };
  if (is_align(peek(1))) fill = std::string(peek()), align = peek(1)[0], at += 2;
  else if (is_align(peek())) align = peek()[0], at++;
  if (peek() == "+" || peek() == "-" || peek() == " ") sign = peek()[0], at++;
  if (peek() == "#") alternate = true, at++;
  if (peek() == "0") {
    if (!align) fill = "0", align = '=';
    at++;
  }
  width = number();
  if (peek() == "," || peek() == "_") grouping = peek()[0], at++;
  if (peek() == ".") {
    at++;
    if (peek().empty() || !digit(peek()[0])) bad();
    precision = number();
  }
  if (!peek().empty()) type = peek()[0], at++;
  if (at != all_characters.size()) bad();

  if (v.is_string() || (!v.is_scalar() && !v.is_tensor())) {
    if ((type && type != 's') || grouping || sign != '-' || (align == '=' && fill != "0") || !v.is_string()) bad();
    std::string s(v.to_string());
    if (precision >= 0) s = slice(s, {}, precision, 1);
    return padded(s, width, fill, align && align != '=' ? align : '<');
  }
  std::string body, prefix;
  IValue value = v.is_tensor() ? IValue() : v;
  if (v.is_tensor() || v.is_complex()) bad();
  if (v.is_bool() && (!type || type == 's')) {
    if (!type) return padded(shown(v), width, fill, align && align != '=' ? align : '<');
    bad();
  }
  bool whole_number = value.is_int() || value.is_bool();
  bool negative = whole_number ? value.to_int() < 0 : std::signbit(value.to_double()) && !std::isnan(value.to_double());
  if (whole_number && (!type || View("dnxXobc").find(type) != View::npos)) {
    if (precision >= 0) throw ValueError("Precision not allowed in integer format specifier");
    if (type == 'c') return padded(character(value.to_int()), width, fill, align && align != '=' ? align : '<');
    int base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    body = digits_in(value.to_int(), base, "", type == 'X');
    if (negative) body.erase(0, 1);
    if (alternate && base != 10) prefix = type == 'x' ? "0x" : type == 'X' ? "0X" : type == 'o' ? "0o" : "0b";
    if (grouping) body = grouped(body, grouping, base == 10 ? 3 : 4);
  } else {
    if (type && View("eEfFgGn%").find(type) == View::npos) bad();
    double d = std::fabs(value.to_double());
    if (type == '%') d *= 100;
    if (precision > 100000) throw ValueError("precision too big");
    if (std::isnan(d) || std::isinf(d)) body = std::isnan(d) ? "nan" : "inf";
    else if (!type && precision < 0) body = whole_number ? digits_in(value.to_int(), 10, "") : str(d);
    else if (!type) {
      body = with_digits(alternate ? "#" : "", int(std::max<int64_t>(precision, 1)), d, 'g');
      if (body.find_first_of(".en") == std::string::npos) body += ".0";
    } else {
      char letter_of = type == '%' ? 'f' : type == 'n' ? 'g' : type;
      int digits = int(precision < 0 ? 6 : precision);
      body = with_digits(alternate ? "#" : "", letter_of == 'g' || letter_of == 'G' ? std::max(digits, 1) : digits, d,
                         letter_of);
    }
    if (type == 'E' || type == 'F' || type == 'G') body = changed(body, to_upper);
    if (type == '%') body += '%';
    if (grouping) body = grouped(body, grouping, 3);
  }
  std::string front = (negative ? "-" : sign == '-' ? "" : std::string(1, sign)) + prefix;
  if (align == '=') {
    std::string inner = body;
    int64_t room = width - int64_t(front.size()) - length(inner);
    return front + times(fill, room) + inner;
  }
  return padded(front + body, width, fill, align ? align : '>');
}

std::string format_values(const IValue* a, size_t n) {
  std::string out;
  View pattern = a[0].to_string();
  size_t next = 1;
  for (size_t i = 0; i < pattern.size(); i++) {
    char c = pattern[i];
    if ((c == '{' || c == '}') && pattern.substr(i + 1, 1) == View(&c, 1)) {
      out += c;
      i++;
    } else if (c == '{') {
      size_t close = pattern.find('}', i);
      RL_CHECK(ValueError, close != View::npos, "expected '}' before end of string");
      View field = pattern.substr(i + 1, close - i - 1), spec, conversion;
      if (size_t colon = field.find(':'); colon != View::npos)
        spec = field.substr(colon + 1), field = field.substr(0, colon);
      if (size_t mark = field.find('!'); mark != View::npos)
        conversion = field.substr(mark + 1), field = field.substr(0, mark);
      RL_CHECK(ValueError, std::all_of(field.begin(), field.end(), digit), "format: the field '", field,
               "' is no number; fields of TorchScript are {} or {0}");
      size_t at = field.empty() ? next++ : size_t(int_of(field)) + 1;
      RL_CHECK(IndexError, at < n, "format: too few arguments for '", pattern, "'");
      RL_CHECK(ValueError, conversion.empty() || conversion == "r" || conversion == "s",
               "format: unknown conversion '!", conversion, "'");
      out += conversion.empty() ? format_value(a[at], spec)
                                : format_value(IValue(conversion == "r" ? represented(a[at]) : shown(a[at])), spec);
      i = close;
    } else {
      RL_CHECK(ValueError, c != '}', "Single '}' encountered in format string");
      out += c;
    }
  }
  return out;
}

// Python's pattern % arguments.
std::string percent_format(const IValue* a, size_t n) {
  std::string out;
  View pattern = a[0].to_string();
  size_t next = 1;
  for (size_t i = 0; i < pattern.size(); i++) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    std::string spec;
    bool left = false, zero = false;
    for (i++; i < pattern.size() && View("-+ #0").find(pattern[i]) != View::npos; i++) {
      if (pattern[i] == '-') left = true;
      else if (pattern[i] == '0') zero = true;
      else spec += pattern[i];
    }
    RL_CHECK(ValueError, i < pattern.size(), "Incomplete format specifier: incomplete format");
    for (; i < pattern.size() && (digit(pattern[i]) || pattern[i] == '.'); i++) {
      if (pattern[i] == '.' && !(i + 1 < pattern.size() && digit(pattern[i + 1]))) spec += ".0";
      else spec += pattern[i];
    }
    RL_CHECK(ValueError, i < pattern.size(), "Incomplete format specifier: incomplete format");
    char type = pattern[i];
    if (type == '%') {
      out += '%';
      continue;
    }
    RL_CHECK(TypeError, next < n, "Too few arguments for format string: not enough arguments for '", pattern, "'");
    const IValue& v = a[next++];
    std::string align = left ? "<" : zero ? "" : ">";
    std::string front =
        (left || !zero ? align : std::string()) +
        (spec.starts_with("+") || spec.starts_with(" ") || spec.starts_with("#") ? spec.substr(0, 1) : "");
    std::string rest = front.size() > align.size() || (zero && !left && !front.empty()) ? spec.substr(1) : spec;
    if (zero && !left) front += "0";
    switch (type) {
      case 's':
      case 'r': out += format_value(IValue(type == 's' ? shown(v) : represented(v)), (left ? "<" : ">") + rest); break;
      case 'd':
      case 'i':
      case 'u':
        RL_CHECK(TypeError, v.is_scalar() && !v.is_complex(), "%", type, " requires a number for formatting, but got ",
                 v.is_string() ? "String" : v.type()->text());
        out +=
            format_value(v.is_double() ? IValue(whole(v.to_double(), "%d")) : IValue(v.to_int()), front + rest + "d");
        break;
      case 'x':
      case 'X':
      case 'o':
        RL_CHECK(TypeError, v.is_int() || v.is_bool(), "%", type, " format: an integer is required, not ", v.type());
        out += format_value(IValue(v.to_int()), front + rest + type);
        break;
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        RL_CHECK(TypeError, v.is_scalar() && !v.is_complex(), "%", type, " requires a number for formatting, but got ",
                 v.is_string() ? "String" : v.type()->text());
        out += format_value(IValue(v.to_double()), front + rest + type);
        break;
      case 'c':
        RL_CHECK(TypeError, v.is_int() || (v.is_string() && length(text(v)) == 1),
                 "%c requires an int or char for formatting, but got ", v.is_string() ? "String" : v.type()->text());
        out += v.is_string() ? std::string(text(v)) : character(v.to_int());
        break;
      default: throw ValueError(str("The specifier %", type, " is not supported in TorchScript format strings"));
    }
  }
  RL_CHECK(TypeError, next == n,
           "Too many arguments for format string: not all arguments converted during string formatting");
  return out;
}

std::string represented(const IValue& v) {
  auto join_all = [](const auto& items, const char* open, const char* close) {
    std::string out = open;
    for (size_t i = 0; i < items.size(); i++) out += (i ? ", " : "") + represented(items[i]);
    return out + close;
  };
  if (v.is_string()) {
    View s = text(v);
    char quote = s.find('\'') != View::npos && s.find('"') == View::npos ? '"' : '\'';
    std::string out(1, quote);
    for (char c : s) {
      if (c == '\n') out += "\\n";
      else if (c == '\t') out += "\\t";
      else if (c == '\r') out += "\\r";
      else if (c == '\\' || c == quote) (out += '\\') += c;
      else out += c;
    }
    return out + quote;
  }
  if (v.is_complex()) {
    complex128 c = v.to_complex();
    auto plain = [](double d) {
      std::string s = str(d);
      return s.ends_with(".0") ? s.substr(0, s.size() - 2) : s;
    };
    if (c.real() == 0 && !std::signbit(c.real())) return plain(c.imag()) + "j";
    return "(" + plain(c.real()) + (std::signbit(c.imag()) ? "" : "+") + plain(c.imag()) + "j)";
  }
  if (v.is_any_list()) {
    std::vector<IValue> items;
    for (size_t i = 0, n = list_size(v); i < n; i++) items.push_back(list_get(v, i));
    return join_all(items, "[", "]");
  }
  if (v.is_tuple()) return join_all(v.to_tuple().items, "(", v.to_tuple().items.size() == 1 ? ",)" : ")");
  if (v.is_dict()) {
    std::string out = "{";
    for (const auto& [key, value] : v.dict().items)
      out += (out.size() > 1 ? ", " : "") + represented(key) + ": " + represented(value);
    return out + "}";
  }
  return v.is_tensor() ? tensor_text(v.tensor()) : v.text();
}
std::string shown(const IValue& v) { return v.is_string() ? std::string(v.to_string()) : represented(v); }

namespace {

#define RL_TEXT(name, expression) RL_P("aten::" name "(str self) -> str", std::string(expression))
#define RL_IS(name, expression) RL_P("aten::" name "(str self) -> bool", expression)
#define RL_ORDER(name, op) RL_P("aten::" name ".str(str a, str b) -> bool", text(a[0]) op text(a[1]))

const Entry kEntries[] = {
    RL_P("aten::len.str(str s) -> int", length(text(a[0]))),
    RL_P("aten::__getitem__.str(str s, int index) -> str", item(text(a[0]), a[1].to_int())),
    RL_P("aten::slice.str(str string, int? start=None, int? end=None, int step=1) -> str",
         slice(text(a[0]), a[1], a[2], a[3].to_int())),
    RL_P("aten::list(str t) -> str[]", text_list(characters(text(a[0])))),
    RL_P("aten::add.str(str a, str b) -> str", std::string(text(a[0])) + std::string(text(a[1]))),
    RL_P("aten::mul.str_int(str a, int b) -> str", times(text(a[0]), a[1].to_int())),
    RL_ORDER("eq", ==),
    RL_ORDER("ne", !=),
    RL_ORDER("lt", <),
    RL_ORDER("le", <=),
    RL_ORDER("gt", >),
    RL_ORDER("ge", >=),
    RL_P("aten::__contains__.str(str l, str item) -> bool", text(a[0]).find(text(a[1])) != View::npos),
    RL_P("aten::str(t elem) -> str", shown(a[0])),
    RL_TEXT("upper", changed(text(a[0]), to_upper)),
    RL_TEXT("lower", changed(text(a[0]), to_lower)),
    RL_TEXT("swapcase", changed(text(a[0]), [](char c) { return upper(c) ? to_lower(c) : to_upper(c); })),
    RL_TEXT("capitalize", capitalized(text(a[0]))),
    RL_TEXT("title", title(text(a[0]))),
    RL_IS("isdigit", all(text(a[0]), digit)),
    RL_IS("isdecimal", all(text(a[0]), digit)),
    RL_IS("isnumeric", all(text(a[0]), digit)),
    RL_IS("isalpha", all(text(a[0]), letter)),
    RL_IS("isalnum", all(text(a[0]), [](char c) { return letter(c) || digit(c); })),
    RL_IS("isspace", all(text(a[0]), [](char c) { return kSpace.find(c) != View::npos; })),
    RL_IS("islower", one_case(text(a[0]), false)),
    RL_IS("isupper", one_case(text(a[0]), true)),
    RL_IS("istitle", is_title(text(a[0]))),
    RL_IS("isidentifier", identifier(text(a[0]))),
    RL_IS("isprintable", text(a[0]).empty() ||
                             all(text(a[0]), [](char c) { return static_cast<unsigned char>(c) >= 32 && c != 127; })),
    RL_P("aten::strip(str self, str chars=\" \n\t\f\v\r\") -> str",
         std::string(stripped(text(a[0]), text(a[1]), true, true))),
    RL_P("aten::lstrip(str self, str chars=\" \n\t\f\v\r\") -> str",
         std::string(stripped(text(a[0]), text(a[1]), true, false))),
    RL_P("aten::rstrip(str self, str chars=\" \n\t\f\v\r\") -> str",
         std::string(stripped(text(a[0]), text(a[1]), false, true))),
    RL_P("aten::split.str(str self, str? separator=None, int max=-1) -> str[]", split(text(a[0]), a[1], a[2].to_int())),
    RL_P("aten::rsplit(str self, str separator=\" \", int max=-1) -> str[]",
         split_from_right(text(a[0]), text(a[1]), a[2].to_int())),
    RL_P("aten::splitlines(str self, bool keepends=False) -> str[]", lines(text(a[0]), a[1].to_bool())),
    RL_DO("aten::partition(str self, str separator) -> (str, str, str)", partition(text(a[0]), text(a[1]), false, r)),
    RL_DO("aten::rpartition(str self, str separator) -> (str, str, str)", partition(text(a[0]), text(a[1]), true, r)),
    RL_P("aten::replace(str self, str old, str new, int max=-1) -> str",
         replaced(text(a[0]), text(a[1]), text(a[2]), a[3].to_int())),
    RL_P("aten::join(str self, str[] values) -> str", join(text(a[0]), a[1])),
    RL_P("aten::find(str self, str substr, int start=0, int end=-1) -> int",
         find(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int(), false)),
    RL_P("aten::rfind(str self, str substr, int start=0, int end=-1) -> int",
         find(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int(), true)),
    RL_P("aten::index.str(str self, str substr, int start=0, int end=-1) -> int",
         index(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int(), false)),
    RL_P("aten::rindex(str self, str substr, int start=0, int end=-1) -> int",
         index(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int(), true)),
    RL_P("aten::count(str self, str substr, int start=0, int end=-1) -> int",
         count(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int())),
    RL_P("aten::startswith(str self, str substr, int start=0, int end=-1) -> bool",
         at_edge(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int(), false)),
    RL_P("aten::endswith(str self, str substr, int start=0, int end=-1) -> bool",
         at_edge(text(a[0]), text(a[1]), a[2].to_int(), a[3].to_int(), true)),
    RL_P("aten::center(str self, int width, str fillchar=\" \") -> str",
         padded(text(a[0]), a[1].to_int(), text(a[2]), 'c')),
    RL_P("aten::ljust(str self, int width, str fillchar=\" \") -> str",
         padded(text(a[0]), a[1].to_int(), text(a[2]), '<')),
    RL_P("aten::rjust(str self, int width, str fillchar=\" \") -> str",
         padded(text(a[0]), a[1].to_int(), text(a[2]), '>')),
    RL_P("aten::zfill(str self, int width) -> str", zero_filled(text(a[0]), a[1].to_int())),
    RL_P("aten::expandtabs(str self, int tabsize=8) -> str", tabs_expanded(text(a[0]), a[1].to_int())),
    RL_P("aten::hex(int i) -> str", digits_in(a[0].to_int(), 16, "0x")),
    RL_P("aten::oct(int i) -> str", digits_in(a[0].to_int(), 8, "0o")),
    RL_P("aten::bin(int i) -> str", digits_in(a[0].to_int(), 2, "0b")),
    RL_P("aten::chr(int i) -> str", character(a[0].to_int())),
    RL_P("aten::ord(str string) -> int", code_of(text(a[0]))),
    RL_P("aten::Int.str(str a) -> int", int_of(text(a[0]))),
    RL_P("aten::Float.str(str a) -> float", float_of(text(a[0]))),
};

}  // namespace

std::span<const Entry> text_entries() { return kEntries; }

}  // namespace rushlight::graph
