// The text form of messages, as protobuf prints and reads it: `name: value`, `name { ... }`, lists, comments, joined strings.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "rushlight/caffe2/message.h"

namespace rushlight::caffe2 {
namespace {

void quote(std::string& out, std::string_view s) {
  out += '"';
  for (char ch : s) {
    auto c = static_cast<unsigned char>(ch);
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '"': out += "\\\""; break;
      case '\'': out += "\\'"; break;
      case '\\': out += "\\\\"; break;
      default:
        if (c >= 32 && c < 127) out += ch;
        else {
          char text[5];
          std::snprintf(text, sizeof text, "\\%03o", c);
          out += text;
        }
    }
  }
  out += '"';
}

// The shortest text that reads back as the same number, as Python's protobuf writes it: Python's repr of the shortest decimal.
template <class T>
void number(std::string& out, T v) {
  char text[64];
  auto [end, error] = std::to_chars(text, text + sizeof text, v);
  double d = double(v);
  if (std::isfinite(v)) std::from_chars(text, end, d);
  append_text(out, d);
}

void print(std::string& out, const Message& m, int indent);

template <class T>
void print_scalar(std::string& out, const FieldType& f, const T& v) {
  if constexpr (std::is_same_v<T, int64_t>) {
    const std::string* name = f.kind == FieldKind::Enum ? f.enums->name_of(v) : nullptr;
    if (name) out += *name;
    else if (f.kind == FieldKind::Bool) out += v ? "true" : "false";
    else out += std::to_string(v);
  } else if constexpr (std::is_same_v<T, std::string>) {
    quote(out, v);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (f.kind == FieldKind::Float) number(out, float(v));
    else number(out, double(v));
  }
}

template <class T>
void print_field(std::string& out, const FieldType& f, const T& v, int indent) {
  out.append(size_t(indent), ' ') += f.name;
  if constexpr (std::is_same_v<T, MessageRef>) {
    out += " {\n";
    print(out, *v, indent + 2);
    out.append(size_t(indent), ' ') += "}\n";
  } else {
    out += ": ";
    print_scalar(out, f, v);
    out += '\n';
  }
}

void print(std::string& out, const Message& m, int indent) {
  // As protobuf prints: in the order of the numbers, which is the table's.
  for (size_t i = 0; i < m.type().fields.size(); i++) {
    const FieldType& f = m.type().fields[i];
    if (!f.repeated && !m.has(int(i))) continue;
    std::visit(
        [&](const auto& v) {
          using T = std::decay_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::monostate>) {
          } else if constexpr (requires { v.begin(); } && !std::is_same_v<T, std::string>) {
            for (const auto& item : v) print_field(out, f, item, indent);
          } else {
            print_field(out, f, v, indent);
          }
        },
        m.value(int(i)));
  }
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& where)
      : text_(text), where_(where), memory_(text.size() * 3 + (32u << 20)) {}

  void read(Message& m) { fields(m, 0, 0); }

 private:
  [[noreturn]] void fail(const std::string& what) const { fail_at(at_, what); }
  [[noreturn]] void fail_at(size_t place, const std::string& what) const {
    size_t line = 1, column = 1;
    for (size_t i = 0; i < place && i < text_.size(); i++) {
      column++;
      if (text_[i] == '\n') line++, column = 1;
    }
    throw FileError(str(where_, ":", line, ":", column, ": ", what));
  }
  void take(size_t bytes) {
    if (bytes > memory_) fail("it asks for far more memory than it has bytes");
    memory_ -= bytes;
  }
  void skip() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      else if (c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\v' || c == '\f') at_++;
      else break;
    }
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool next(char c) {
    if (at_end() || peek() != c) return false;
    at_++;
    return true;
  }
  bool at_end() {
    skip();
    return at_ >= text_.size();
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  std::string_view word() {
    skip();
    size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) at_++;
    return text_.substr(start, at_ - start);
  }
  std::string shown() {
    skip();
    return at_ >= text_.size() ? "the end of the text" : str("'", text_[at_], "'");
  }

  void fields(Message& m, char close, int depth) {
    if (depth > kMaxMessageDepth) fail(str("messages lie more than ", kMaxMessageDepth, " deep in each other"));
    size_t held = 0;
    while (true) {
      if (m.held() > held) take(m.held() - std::exchange(held, m.held()));
      if (close && next(close)) return;
      if (at_end()) {
        if (close) fail(str("expected '", close, "' at the end of ", m.type().name, ", got the end of the text"));
        return;
      }
      size_t start = at_;
      std::string_view name = word();
      if (name.empty()) fail(str("expected a field of ", m.type().name, ", got ", shown()));
      int i = m.type().find(name);
      if (i < 0) fail_at(start, str("Message type \"caffe2.", m.type().name, "\" has no field named \"", name, "\"."));
      const FieldType& f = m.type().fields[size_t(i)];
      if (!f.repeated && m.has(i))
        fail_at(start,
                str("Message type \"caffe2.", m.type().name, "\" should not have multiple \"", f.name, "\" fields."));
      if (f.kind == FieldKind::Message) {
        next(':');
        if (f.repeated && next('[')) {
          if (!next(']')) do
              item(m, i, depth);
            while (comma());
        } else {
          item(m, i, depth);
        }
      } else {
        if (!next(':')) fail(str("expected ':' behind ", name, ", got ", shown()));
        if (f.repeated && next('[')) {
          if (!next(']')) do
              item(m, i, depth);
            while (comma());
        } else {
          item(m, i, depth);
        }
      }
      if (!next(';')) next(',');
    }
  }
  bool comma() {
    if (next(',')) return true;
    if (!next(']')) fail(str("expected ',' or ']' in a list, got ", shown()));
    return false;
  }

  template <class T>
  void add(std::vector<T>& list, T v) {
    if (list.size() == list.capacity()) take(sizeof(T) * (list.size() + 1));
    list.push_back(v);
  }

  void item(Message& m, int i, int depth) {
    const FieldType& f = m.type().fields[size_t(i)];
    if (f.kind == FieldKind::Message) {
      char close = next('{') ? '}' : next('<') ? '>' : '\0';
      if (!close) fail(str("expected '{' behind ", f.name, ", got ", shown()));
      if (f.repeated) {
        fields(*m.add(f.name), close, depth + 1);
      } else {
        MessageRef child = m.child(i);
        child->touch();
        fields(*child, close, depth + 1);
      }
    } else if (f.is_text()) {
      std::string s = string(f);
      take(sizeof s + s.size());
      if (f.repeated) m.add(f.name, std::move(s));
      else m.set(f.name, std::move(s));
    } else if (f.is_real()) {
      double v = real(f);
      if (!f.repeated) m.set(f.name, v);
      else if (f.kind == FieldKind::Float) add(m.mutable_floats(f.name), float(v));
      else add(m.mutable_doubles(f.name), v);
    } else {
      int64_t v = whole(f);
      if (f.repeated) add(m.mutable_wholes(f.name), v);
      else m.set(f.name, v);
    }
  }

  std::string string(const FieldType& f) {
    char q = peek();
    if (q != '"' && q != '\'') fail(str("expected a string in quotes for ", f.name, ", got ", shown()));
    std::string out;
    while ((q = peek()) == '"' || q == '\'') {
      size_t start = at_++;
      while (true) {
        if (at_ >= text_.size() || text_[at_] == '\n') fail_at(start, "a string is not closed");
        char c = text_[at_++];
        if (c == q) break;
        if (c != '\\') {
          out += c;
          continue;
        }
        if (at_ >= text_.size()) fail_at(start, "a string is not closed");
        c = text_[at_++];
        if (c >= '0' && c <= '7') {
          int v = c - '0';
          for (int k = 0; k < 2 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; k++)
            v = v * 8 + (text_[at_++] - '0');
          if (v > 255) fail(str("\\", v, " is no byte"));
          out += char(v);
        } else if (c == 'x' || c == 'X') {
          int v = 0, digits = 0;
          for (; digits < 2 && at_ < text_.size(); digits++, at_++) {
            char h = text_[at_];
            int d = h >= '0' && h <= '9'   ? h - '0'
                    : h >= 'a' && h <= 'f' ? h - 'a' + 10
                    : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                           : -1;
            if (d < 0) break;
            v = v * 16 + d;
          }
          if (!digits) fail("expected digits behind \\x");
          out += char(v);
        } else {
          constexpr std::string_view from = "abfnrtv\\'\"?", to = "\a\b\f\n\r\t\v\\'\"?";
          size_t k = from.find(c);
          if (k == from.npos) fail(str("'\\", c, "' is no escape that strings have"));
          out += to[k];
        }
      }
    }
    return out;
  }

  // A number's text: digits, letters, dots and signs.
  std::string_view token() {
    skip();
    size_t start = at_;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) at_++;
    skip();
    while (at_ < text_.size() &&
           (is_word(text_[at_]) || text_[at_] == '.' ||
            ((text_[at_] == '-' || text_[at_] == '+') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E'))))
      at_++;
    return text_.substr(start, at_ - start);
  }

  double real(const FieldType& f) {
    skip();
    size_t start = at_;
    std::string text(token());
    std::erase(text, ' ');
    std::string_view s = text;
    bool minus = s.starts_with('-');
    if (minus || s.starts_with('+')) s.remove_prefix(1);
    double v = 0;
    if (s == "inf" || s == "infinity" || s == "Infinity") v = INFINITY;
    else if (s == "nan" || s == "NaN") v = NAN;
    else {
      if (s.size() > 1 && (s.ends_with('f') || s.ends_with('F')) && !s.starts_with("0x")) s.remove_suffix(1);
      auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
      if (error == std::errc::result_out_of_range) v = std::strtod(std::string(s).c_str(), nullptr);
      else if (error != std::errc() || end != s.data() + s.size() || s.empty())
        fail_at(start, str("expected a number for ", f.name, ", got ", text.empty() ? shown() : "'" + text + "'"));
    }
    return minus ? -v : v;
  }

  int64_t whole(const FieldType& f) {
    skip();
    size_t start = at_;
    std::string text(token());
    std::erase(text, ' ');
    auto wrong = [&](const char* expected) {
      fail_at(start, str("expected ", expected, " for ", f.name, ", got ", text.empty() ? shown() : "'" + text + "'"));
    };
    if (f.kind == FieldKind::Bool) {
      if (text == "true" || text == "True" || text == "t" || text == "1") return 1;
      if (text == "false" || text == "False" || text == "f" || text == "0") return 0;
      wrong("true or false");
    }
    std::string_view s = text;
    bool minus = s.starts_with('-');
    if (minus) s.remove_prefix(1);
    if (f.kind == FieldKind::Enum && !s.empty() && !(s[0] >= '0' && s[0] <= '9')) {
      const int64_t* n = minus ? nullptr : f.enums->number_of(s);
      if (!n) fail_at(start, str("Enum type \"caffe2.", f.enums->name, "\" has no value named ", text, "."));
      return *n;
    }
    int base = 10;
    if (s.starts_with("0x") || s.starts_with("0X")) base = 16, s.remove_prefix(2);
    else if (s.size() > 1 && s[0] == '0') base = 8, s.remove_prefix(1);
    uint64_t v = 0;
    auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v, base);
    if (s.empty() || (error == std::errc() && end != s.data() + s.size()) || error == std::errc::invalid_argument)
      wrong("a whole number");
    uint64_t top = f.kind == FieldKind::Int64    ? uint64_t(1) << 63
                   : f.kind == FieldKind::Uint32 ? (uint64_t(1) << 32)
                                                 : uint64_t(1) << 31;
    if (error != std::errc() || v > top || (!minus && v == top) || (minus && f.kind == FieldKind::Uint32 && v))
      fail_at(start, str("Value out of range: ", text, " for ", f.name));
    return minus ? int64_t(-v) : int64_t(v);
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0, memory_;  // that may yet be taken
};

}  // namespace

std::string Message::to_text() const {
  std::string out;
  print(out, *this, 0);
  return out;
}

void Message::parse_text(std::string_view text, const std::string& where) {
  clear();
  Reader(text, where).read(*this);
  std::string gone = missing();
  RL_CHECK(FileError, gone.empty(), where, ": Message type \"caffe2.", type_.name,
           "\" is missing required fields: ", gone);
}

}  // namespace rushlight::caffe2
