#include "rushlight/script/lexer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "rushlight/core/error.h"

namespace rushlight::script {
namespace {

constexpr std::array<std::string_view, 35> kKeywords = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
// Longest first.
constexpr std::array<std::string_view, 48> kOperators = {
    "**=", "//=", ">>=", "<<=", "...", "->", ":=", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "+=",
    "-=",  "*=",  "/=",  "%=",  "@=",  "&=", "|=", "^=", "+",  "-",  "*",  "/",  "%",  "@",  "&",  "|",
    "^",   "~",   "<",   ">",   "=",   "(",  ")",  "[",  "]",  "{",  "}",  ",",  ":",  ".",  ";",  "$"};

bool name_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool name_part(char c) { return name_start(c) || std::isdigit(static_cast<unsigned char>(c)); }

class Lexer {
 public:
  Lexer(const std::shared_ptr<const Source>& source, std::vector<TypeComment>* comments)
      : source_(source), text_(source->text), comments_(comments) {}

  std::vector<Token> run() {
    line_start();
    while (at_ < text_.size()) next();
    if (!brackets_.empty()) fail({source_, brackets_.back(), brackets_.back() + 1}, "this bracket is never closed");
    if (!tokens_.empty() && tokens_.back().kind != Token::Kind::Newline) push(Token::Kind::Newline, at_, "");
    while (indents_.size() > 1) {
      indents_.pop_back();
      push(Token::Kind::Dedent, at_, "");
    }
    push(Token::Kind::End, at_, "");
    return std::move(tokens_);
  }

 private:
  void push(Token::Kind kind, size_t begin, std::string text) {
    tokens_.push_back({kind, std::move(text), {source_, begin, std::max(at_, begin)}});
  }
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  // Measures a line's indentation; blank lines and comments have none.
  void line_start() {
    for (;;) {
      size_t begin = at_, width = 0;
      for (; peek() == ' ' || peek() == '\t'; at_++) width += peek() == '\t' ? 8 - width % 8 : 1;
      if (peek() == '#') skip_comment();
      if (peek() == '\r') at_++;
      if (peek() == '\n') {
        at_++;
        continue;
      }
      if (at_ >= text_.size()) return;
      if (indents_.empty()) indents_.push_back(width);  // a method's text starts indented
      if (width > indents_.back()) {
        indents_.push_back(width);
        push(Token::Kind::Indent, begin, "");
      }
      while (width < indents_.back()) {
        indents_.pop_back();
        if (indents_.empty() || width > indents_.back())
          fail({source_, begin, at_}, "this indentation matches no block around it");
        push(Token::Kind::Dedent, begin, "");
      }
      return;
    }
  }
  void skip_comment() {
    size_t begin = at_;
    while (at_ < text_.size() && peek() != '\n') at_++;
    if (!comments_) return;
    std::string_view text(text_.data() + begin + 1, at_ - begin - 1);
    auto skip_spaces = [&] { text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size())); };
    skip_spaces();
    if (!text.starts_with("type:")) return;
    text.remove_prefix(5);
    skip_spaces();
    text = text.substr(0, text.find('#'));
    if (!text.empty() && !text.starts_with("ignore")) comments_->push_back({std::string(text), begin});
  }

  void next() {
    char c = peek();
    size_t begin = at_;
    if (c == ' ' || c == '\t' || c == '\r') {
      at_++;
    } else if (c == '#') {
      skip_comment();
    } else if (c == '\\' && (peek(1) == '\n' || (peek(1) == '\r' && peek(2) == '\n'))) {
      at_ += peek(1) == '\n' ? 2 : 3;
    } else if (c == '\n') {
      at_++;
      if (!brackets_.empty()) return;
      push(Token::Kind::Newline, begin, "");
      line_start();
    } else if (std::isdigit(static_cast<unsigned char>(c)) ||
               (c == '.' && std::isdigit(static_cast<unsigned char>(peek(1))))) {
      number();
    } else if (string_prefix()) {
      string();
    } else if (name_start(c)) {
      while (name_part(peek())) at_++;
      std::string word = text_.substr(begin, at_ - begin);
      bool keyword = std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
      push(keyword ? Token::Kind::Keyword : Token::Kind::Name, begin, word);
    } else {
      op();
    }
  }

  void op() {
    size_t begin = at_;
    for (std::string_view o : kOperators) {
      if (std::string_view(text_).substr(at_, o.size()) != o) continue;
      at_ += o.size();
      if (o == "(" || o == "[" || o == "{") brackets_.push_back(begin);
      if (o == ")" || o == "]" || o == "}") {
        if (brackets_.empty()) fail({source_, begin, at_}, "this bracket closes nothing");
        brackets_.pop_back();
      }
      return push(Token::Kind::Operator, begin, std::string(o));
    }
    fail({source_, begin, begin + 1}, "this character starts nothing that TorchScript knows");
  }

  void number() {
    size_t begin = at_;
    // Python allows one underscore between digits.
    auto digits = [&](auto is_digit) {
      size_t start = at_;
      while (is_digit(static_cast<unsigned char>(peek())) ||
             (peek() == '_' && at_ > begin && is_digit(static_cast<unsigned char>(peek(1)))))
        at_++;
      return at_ > start;
    };
    auto decimal = [](unsigned char c) { return std::isdigit(c) != 0; };
    bool is_float = false, based = true;
    char base = char(std::tolower(static_cast<unsigned char>(peek(1))));
    if (peek() == '0' && (base == 'x' || base == 'b' || base == 'o')) {
      at_ += 2;
      bool any = base == 'x'   ? digits([](unsigned char c) { return std::isxdigit(c) != 0; })
                 : base == 'b' ? digits([](unsigned char c) { return c == '0' || c == '1'; })
                               : digits([](unsigned char c) { return c >= '0' && c <= '7'; });
      if (!any) fail({source_, begin, at_}, "this number has no digits");
    } else {
      based = false;
      digits(decimal);
      if (peek() == '.') {
        is_float = true;
        at_++;
        if (peek() != '_') digits(decimal);
      }
      if ((peek() == 'e' || peek() == 'E') &&
          (decimal(static_cast<unsigned char>(peek(1))) ||
           ((peek(1) == '-' || peek(1) == '+') && decimal(static_cast<unsigned char>(peek(2)))))) {
        is_float = true;
        at_ += 2;
        digits(decimal);
      }
    }
    std::string text = text_.substr(begin, at_ - begin);
    std::erase(text, '_');
    bool imaginary = !based && (peek() == 'j' || peek() == 'J');
    if (imaginary) at_++;
    // `1if x else 2` is Python too; what else touches a number is a mistake.
    if (std::isdigit(static_cast<unsigned char>(peek())) || peek() == '_')
      fail({source_, begin, at_ + 1}, "this is no number that Python knows");
    if (imaginary) return push(Token::Kind::Imaginary, begin, text);
    if (!is_float && !based && text[0] == '0' && text.find_first_not_of('0') != std::string::npos)
      fail({source_, begin, at_}, "leading zeros in decimal integers are not permitted; use 0o for octal");
    push(is_float ? Token::Kind::Float : Token::Kind::Int, begin, text);
  }

  bool string_prefix() const {
    size_t i = 0;
    while (i < 2 && peek(i) != '\0' && std::string_view("rRbBuUfF").find(peek(i)) != std::string_view::npos) i++;
    return peek(i) == '"' || peek(i) == '\'';
  }

  void string() {
    size_t begin = at_;
    bool raw = false, formatted = false;
    for (; peek() != '"' && peek() != '\''; at_++) {
      if (peek() == 'b' || peek() == 'B') fail({source_, begin, at_ + 1}, "bytes are not supported in TorchScript");
      raw |= peek() == 'r' || peek() == 'R';
      formatted |= peek() == 'f' || peek() == 'F';
    }
    char quote = peek();
    bool triple = peek(1) == quote && peek(2) == quote;
    at_ += triple ? 3 : 1;
    std::string value;
    for (;; at_++) {
      if (at_ >= text_.size() || (!triple && peek() == '\n'))
        fail({source_, begin, at_}, "expected a valid token: this string is never closed");
      if (peek() == quote && (!triple || (peek(1) == quote && peek(2) == quote))) break;
      if (peek() == '\\' && !raw) escape(value);
      else value += peek();
    }
    at_ += triple ? 3 : 1;
    push(formatted ? Token::Kind::FString : Token::Kind::String, begin, value);
  }

  void escape(std::string& value) {
    size_t begin = at_;
    char c = text_[++at_ < text_.size() ? at_ : at_ - 1];
    switch (c) {
      case 'n': value += '\n'; return;
      case 't': value += '\t'; return;
      case 'r': value += '\r'; return;
      case 'a': value += '\a'; return;
      case 'b': value += '\b'; return;
      case 'f': value += '\f'; return;
      case 'v': value += '\v'; return;
      case '\n': return;
      case '\\':
      case '\'':
      case '"': value += c; return;
      case 'x': return hex_escape(value, begin, 2);
      case 'u': return hex_escape(value, begin, 4);
      case 'U': return hex_escape(value, begin, 8);
      default: break;
    }
    if (c >= '0' && c <= '7') {
      int v = 0, n = 0;
      for (; n < 3 && peek() >= '0' && peek() <= '7'; n++, at_++) v = v * 8 + (peek() - '0');
      at_--;
      utf8(value, uint32_t(v));
      return;
    }
    value += '\\';
    value += c;
  }
  void hex_escape(std::string& value, size_t begin, int count) {
    uint32_t v = 0;
    for (int i = 0; i < count; i++) {
      at_++;
      if (!std::isxdigit(static_cast<unsigned char>(peek())))
        fail({source_, begin, at_}, "this escape wants more hexadecimal digits");
      v = v * 16 + uint32_t(std::stoi(std::string(1, peek()), nullptr, 16));
    }
    utf8(value, v);
  }
  static void utf8(std::string& value, uint32_t v) {
    if (v < 0x80) value += char(v);
    else if (v < 0x800) (value += char(0xC0 | v >> 6)) += char(0x80 | (v & 63));
    else if (v < 0x10000) ((value += char(0xE0 | v >> 12)) += char(0x80 | (v >> 6 & 63))) += char(0x80 | (v & 63));
    else
      (((value += char(0xF0 | v >> 18)) += char(0x80 | (v >> 12 & 63))) += char(0x80 | (v >> 6 & 63))) +=
          char(0x80 | (v & 63));
  }

  std::shared_ptr<const Source> source_;
  const std::string& text_;
  size_t at_ = 0;
  std::vector<size_t> indents_;
  std::vector<size_t> brackets_;
  std::vector<Token> tokens_;
  std::vector<TypeComment>* comments_;
};

}  // namespace

std::vector<Token> tokenize(const std::shared_ptr<const Source>& source, std::vector<TypeComment>* comments) {
  return Lexer(source, comments).run();
}

}  // namespace rushlight::script
