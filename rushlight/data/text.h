// Text to tokens and numbers: vocabularies, BERT's words and word pieces, GPT-2's byte pairs.
//
//   WordPieces pieces(Vocabulary::of_lines(io::map_file("vocab.txt").data, "vocab.txt"));
//   std::vector<int64_t> ids = pieces.encode("Unaffable!");
//
// Text that is no UTF-8 counts as U+FFFD byte by byte where characters matter, and stays what it is where bytes do. Files that are damaged
// are FileErrors that name the line. Thread safety: const members may be called at once.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rushlight::data {

// Tokens and their numbers.
class Vocabulary {
 public:
  Vocabulary() = default;
  // Numbers 0, 1, ... Throws ValueError for a token that is there twice.
  explicit Vocabulary(std::vector<std::string> tokens);
  // A token a line. `where` begins errors.
  static Vocabulary of_lines(std::span<const uint8_t> file, const std::string& where);
  // {"token": number, ...}
  static Vocabulary of_json(std::span<const uint8_t> file, const std::string& where);

  int64_t size() const { return int64_t(tokens_.size()); }
  int64_t find(std::string_view token) const;  // -1: it is not there
  const std::string& token(int64_t id) const;  // "" for a number without one. Throws IndexError.
  const std::vector<std::string>& tokens() const { return tokens_; }

 private:
  std::vector<std::string> tokens_;
  std::unordered_map<std::string_view, int64_t> ids_;  // views of tokens_, which stay when that is moved

 public:
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
};

// Lower case, and . , ( ) ! ? ' as tokens of their own; " is left out, and ; : and <br /> too (torchtext's "basic_english").
std::vector<std::string> basic_english(std::string_view text);

struct WordOptions {
  bool lower = true;
  bool strip_accents = true;
  bool split_chinese = true;             // each such character is a word
  std::vector<std::string> never_split;  // words between white space that stay as they are
};
// BERT's words: control characters left out, text split at white space and around punctuation.
std::vector<std::string> bert_words(std::string_view text, const WordOptions& options = {});

// BERT's tokens: of each word the longest beginning that is in the vocabulary, then the longest that follows, with a prefix.
class WordPieces {
 public:
  // Throws ValueError if `unknown` is not in the vocabulary. Longer words than `max_characters` are unknown.
  explicit WordPieces(Vocabulary vocabulary, WordOptions options = {}, std::string unknown = "[UNK]",
                      const std::string& prefix = "##", int64_t max_characters = 100);
  std::vector<int64_t> encode(std::string_view text) const;
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  void append(std::string_view word, std::vector<int64_t>& out) const;
  Vocabulary vocabulary_;
  WordOptions options_;
  std::unordered_map<std::string_view, int64_t> following_;  // pieces with the prefix, without it
  size_t longest_ = 0;                                       // bytes of a piece
  int64_t unknown_, max_characters_;
};

// Texts split as GPT-2 does before it joins bytes: words with the space before them, numbers, other characters, white space.
std::vector<std::string_view> gpt2_words(std::string_view text);
// The visible character that stands for a byte in vocabularies of byte pairs.
uint32_t visible_byte(uint8_t byte);

// GPT-2's tokens: bytes of a word, joined two and two in the order of a list of merges.
class BytePairs {
 public:
  // Tokens are written in visible_byte()s. `merges` has two tokens a line, the first line may be "#version...". `unknown`: the number that
  // stands for bytes that are no token; -1: they are an error. `specials` are tokens that a text has as they are ("<|endoftext|>").
  // Throws FileError for merges whose tokens are not in the vocabulary, ValueError for such specials.
  BytePairs(Vocabulary vocabulary, std::span<const uint8_t> merges, const std::string& where, int64_t unknown = -1,
            std::vector<std::string> specials = {});
  ~BytePairs();
  // Throws ValueError for a byte that is no token, where `unknown` is -1.
  std::vector<int64_t> encode(std::string_view text) const;
  // The bytes; numbers that are none throw IndexError. It may be no UTF-8.
  std::string decode(std::span<const int64_t> ids) const;
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Cache;
  void append(std::string_view word, std::vector<int64_t>& out) const;
  void append_text(std::string_view text, std::vector<int64_t>& out) const;
  Vocabulary vocabulary_;
  std::vector<std::string> specials_;
  struct Merge { int32_t rank, joined; };
  std::unordered_map<uint64_t, Merge> merges_;  // by the numbers of the two
  int64_t bytes_[256];
  int64_t unknown_;
  std::unique_ptr<Cache> cache_;  // words that came before
};

struct Merges {
  std::vector<std::string> tokens;                          // specials, the 256 bytes, what was joined
  std::vector<std::pair<std::string, std::string>> merges;  // in order
};
// Learns byte pairs: again and again joins the two tokens that stand side by side most often in gpt2_words() of the texts, until there are
// `size` tokens or no pair is there `least` times. Of pairs that are as frequent the one with the smaller numbers is first.
Merges learn_byte_pairs(const std::vector<std::string_view>& texts, int64_t size, int64_t least,
                        const std::vector<std::string>& specials);

}  // namespace rushlight::data
