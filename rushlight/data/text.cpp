#include "rushlight/data/text.h"

#include <algorithm>
#include <unordered_set>

#include "rushlight/core/error.h"
#include "rushlight/data/unicode.h"

namespace rushlight::data {
namespace {

constexpr int64_t kMostTokens = 1 << 24;

std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int64_t line_of(std::string_view text, size_t at) {
  return 1 + std::count(text.begin(), text.begin() + int64_t(at), '\n');
}

// The flat object of strings and whole numbers that a vocab.json is, and nothing else of JSON.
class VocabularyJson {
 public:
  VocabularyJson(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  std::vector<std::string> read() {
    std::vector<std::pair<std::string, int64_t>> entries;
    expect('{');
    if (peek() == '}') at_++;
    else do {
        size_t begin = at_;
        std::string token = string();
        expect(':');
        int64_t id = number();
        if (id >= kMostTokens) fail(str("the number ", id, " is too large"), begin);
        entries.emplace_back(std::move(token), id);
      } while (comma());
    peek();
    if (at_ != text_.size()) fail("expected the end of the file");
    return placed(std::move(entries));
  }

 private:
  std::vector<std::string> placed(std::vector<std::pair<std::string, int64_t>> entries) {
    int64_t size = 0;
    for (auto& [token, id] : entries) size = std::max(size, id + 1);
    // Numbers without a token are rare; a file that claims millions of them is damaged.
    RL_CHECK(FileError, size <= int64_t(entries.size()) * 4 + 1024, where_, ": ", entries.size(),
             " tokens have numbers up to ", size - 1);
    std::vector<std::string> tokens;
    tokens.resize(size_t(size));
    std::vector<bool> taken(tokens.size());
    for (auto& [token, id] : entries) {
      RL_CHECK(FileError, !taken[size_t(id)], where_, ": the number ", id, " has two tokens, '", tokens[size_t(id)],
               "' and '", token, "'");
      taken[size_t(id)] = true;
      tokens[size_t(id)] = std::move(token);
    }
    return tokens;
  }
  [[noreturn]] void fail(const std::string& what, size_t at) const {
    throw FileError(str(where_, ", line ", line_of(text_, std::min(at, text_.size())), ": ", what));
  }
  [[noreturn]] void fail(const std::string& what) const {
    fail(at_ < text_.size() ? what : what + "; the file is cut short", at_);
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= 9 && text_[at_] <= 13))) at_++;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void expect(char c) {
    if (peek() != c) fail(str("expected '", c, "'"));
    at_++;
  }
  bool comma() {
    char c = peek();
    if (c != ',' && c != '}') fail("expected ',' or '}'");
    at_++;
    return c == ',';
  }
  int64_t number() {
    peek();
    size_t begin = at_;
    int64_t v = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - begin < 18; at_++)
      v = v * 10 + (text_[at_] - '0');
    if (at_ == begin) fail("expected a whole number >= 0");
    return v;
  }
  uint32_t hex() {
    uint32_t v = 0;
    for (int i = 0; i < 4; i++, at_++) {
      if (at_ >= text_.size()) fail("expected four hexadecimal digits");
      char c = text_[at_];
      int digit = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
      if (digit < 0) fail("expected four hexadecimal digits");
      v = v << 4 | uint32_t(digit);
    }
    return v;
  }
  std::string string() {
    expect('"');
    std::string out;
    while (true) {
      if (at_ >= text_.size()) fail("expected '\"'");
      char c = text_[at_];
      if (c == '"') break;
      if (uint8_t(c) < 32) fail("a control character inside of a string");
      at_++;
      if (c != '\\') {
        out += c;
        continue;
      }
      char escape = at_ < text_.size() ? text_[at_++] : '\0';
      static constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
      if (size_t known = from.find(escape); escape && known != from.npos) {
        out += to[known];
        continue;
      }
      if (escape != 'u') fail("an escape that JSON does not have");
      uint32_t code = hex();
      if (code >= 0xD800 && code < 0xDC00) {
        if (text_.substr(at_, 2) != "\\u") fail("half a surrogate pair");
        at_ += 2;
        uint32_t low = hex();
        if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      } else if (code >= 0xDC00 && code < 0xE000) {
        fail("half a surrogate pair");
      }
      append_char(out, code);
    }
    at_++;
    if (size_t bad = find_no_utf8(out); bad != out.npos) fail("a token that is no UTF-8");
    return out;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

bool is_break(std::string_view text) {
  return text.starts_with("<br />") || text.starts_with("<BR />") || text.starts_with("<Br />") ||
         text.starts_with("<bR />");
}

bool is_chinese(uint32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_punctuation(uint32_t c) {
  if (c < 0x80) return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
  return kind_of(c) == CharKind::Punctuation;
}

// One word between white space, in the options' form, split around punctuation. f(word) for each.
template <class F>
void split_word(std::string_view word, const WordOptions& options, std::string& plain, F&& f) {
  plain.clear();
  for (size_t i = 0; i < word.size();) {
    Char c = first_char(word.substr(i));
    i += c.bytes;
    uint32_t code = options.lower ? lower_of(c.code) : c.code;
    bool dotted = options.lower && code == 0x130;  // İ
    if (dotted) code = 'i';
    if (options.strip_accents) append_plain(plain, code);
    else append_char(plain, code);
    if (dotted && !options.strip_accents) append_char(plain, 0x307);
  }
  size_t begin = 0;
  auto end_at = [&](size_t end) {
    if (end > begin) f(std::string_view(plain).substr(begin, end - begin));
    begin = end;
  };
  for (size_t i = 0; i < plain.size();) {
    Char c = first_char(std::string_view(plain).substr(i));
    if (is_punctuation(c.code)) {
      end_at(i);
      end_at(i + c.bytes);
    }
    i += c.bytes;
  }
  end_at(plain.size());
}

template <class F>
void for_each_word(std::string_view text, const WordOptions& options, F&& f) {
  std::string word, plain;
  auto finish = [&] {
    if (word.empty()) return;
    if (std::find(options.never_split.begin(), options.never_split.end(), word) != options.never_split.end()) f(word);
    else split_word(word, options, plain, f);
    word.clear();
  };
  for (size_t i = 0; i < text.size();) {
    Char c = first_char(text.substr(i));
    i += c.bytes;
    if (is_white_space(c.code)) {
      // \v, \f and U+0085 are control characters here, as they were for BERT, and split nothing.
      if (c.code != 11 && c.code != 12 && c.code != 0x85) finish();
    } else if (c.code == 0xFFFD || kind_of(c.code) == CharKind::Control) {
      continue;
    } else if (options.split_chinese && is_chinese(c.code)) {
      finish();
      append_char(word, c.code);
      finish();
    } else {
      append_char(word, c.code);
    }
  }
  finish();
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  ids_.reserve(tokens_.size());
  for (size_t i = 0; i < tokens_.size(); i++) {
    bool fresh = ids_.emplace(tokens_[i], int64_t(i)).second;
    RL_CHECK(ValueError, fresh || tokens_[i].empty(), "Vocabulary: the token '", tokens_[i], "' is there twice, as ",
             ids_[tokens_[i]], " and ", i);
  }
  ids_.erase("");
}

Vocabulary Vocabulary::of_lines(std::span<const uint8_t> file, const std::string& where) {
  std::string_view text = text_of(file);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> tokens;
  std::unordered_map<std::string_view, int64_t> lines;
  for (int64_t line = 1; !text.empty(); line++) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view token = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (token.ends_with('\r')) token.remove_suffix(1);
    size_t bad = find_no_utf8(token);
    RL_CHECK(FileError, bad == token.npos, where, ", line ", line, ": byte ", bad, " is no UTF-8");
    RL_CHECK(FileError, line <= kMostTokens, where, ": more than ", kMostTokens, " lines");
    auto [at, fresh] = lines.emplace(token, line);
    RL_CHECK(FileError, fresh || token.empty(), where, ", line ", line, ": the token '", token, "' stands in line ",
             at->second, " already");
    tokens.emplace_back(token);
  }
  RL_CHECK(FileError, !tokens.empty(), where, ": the file is empty; expected a token a line");
  return Vocabulary(std::move(tokens));
}

Vocabulary Vocabulary::of_json(std::span<const uint8_t> file, const std::string& where) {
  std::vector<std::string> tokens = VocabularyJson(text_of(file), where).read();
  std::unordered_set<std::string_view> seen;
  for (const std::string& token : tokens)
    RL_CHECK(FileError, token.empty() || seen.insert(token).second, where, ": the token '", token, "' is there twice");
  return Vocabulary(std::move(tokens));
}

int64_t Vocabulary::find(std::string_view token) const {
  auto at = ids_.find(token);
  return at == ids_.end() ? -1 : at->second;
}

const std::string& Vocabulary::token(int64_t id) const {
  RL_CHECK(IndexError, id >= 0 && id < size(), "Vocabulary: expected a number from 0 to ", size() - 1, ", got ", id);
  return tokens_[size_t(id)];
}

std::vector<std::string> basic_english(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  auto finish = [&] {
    if (!word.empty()) out.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size();) {
    if (is_break(text.substr(i))) {
      finish();
      i += 6;
      continue;
    }
    Char c = first_char(text.substr(i));
    i += c.bytes;
    if (is_white_space(c.code) || (c.code >= 0x1C && c.code <= 0x1F) || c.code == ';' || c.code == ':') {
      finish();
    } else if (c.code < 0x80 && std::string_view("'.,()!?").find(char(c.code)) != std::string_view::npos) {
      finish();
      out.emplace_back(1, char(c.code));
    } else if (c.code == 0x130) {
      word += "i\xCC\x87";
    } else if (c.code != '"') {
      append_char(word, lower_of(c.code));
    }
  }
  finish();
  return out;
}

std::vector<std::string> bert_words(std::string_view text, const WordOptions& options) {
  std::vector<std::string> out;
  for_each_word(text, options, [&](std::string_view word) { out.emplace_back(word); });
  return out;
}

WordPieces::WordPieces(Vocabulary vocabulary, WordOptions options, std::string unknown, const std::string& prefix,
                       int64_t max_characters)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      unknown_(vocabulary_.find(unknown)),
      max_characters_(max_characters) {
  RL_CHECK(ValueError, unknown_ >= 0, "WordPieces: the vocabulary of ", vocabulary_.size(),
           " tokens does not have the one for unknown words, '", unknown, "'");
  for (int64_t id = 0; id < vocabulary_.size(); id++) {
    const std::string& token = vocabulary_.token(id);
    longest_ = std::max(longest_, token.size());
    if (token.size() > prefix.size() && token.starts_with(prefix))
      following_.emplace(std::string_view(token).substr(prefix.size()), id);
  }
}

void WordPieces::append(std::string_view word, std::vector<int64_t>& out) const {
  int64_t whole = vocabulary_.find(word);
  size_t characters = 0;
  for (char c : word) characters += (uint8_t(c) & 0xC0) != 0x80;
  if (int64_t(characters) > max_characters_) return out.push_back(unknown_);
  if (whole >= 0) return out.push_back(whole);
  size_t before = out.size();
  for (size_t begin = 0; begin < word.size();) {
    size_t end = std::min(word.size(), begin + longest_);
    int64_t id = -1;
    for (; end > begin; end--) {
      if (end < word.size() && (uint8_t(word[end]) & 0xC0) == 0x80) continue;  // inside of a character
      std::string_view piece = word.substr(begin, end - begin);
      if (begin == 0) {
        id = vocabulary_.find(piece);
      } else if (auto at = following_.find(piece); at != following_.end()) {
        id = at->second;
      }
      if (id >= 0) break;
    }
    if (id < 0) {
      out.resize(before);
      return out.push_back(unknown_);
    }
    out.push_back(id);
    begin = end;
  }
}

std::vector<int64_t> WordPieces::encode(std::string_view text) const {
  std::vector<int64_t> out;
  for_each_word(text, options_, [&](std::string_view word) { append(word, out); });
  return out;
}

}  // namespace rushlight::data
