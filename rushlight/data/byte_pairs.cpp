// GPT-2's byte pairs: splitting, joining, and learning what to join (Sennrich et al. 2016, over bytes).
#include <algorithm>
#include <array>
#include <mutex>
#include <queue>
#include <shared_mutex>
#include <unordered_set>

#include "rushlight/core/error.h"
#include "rushlight/data/text.h"
#include "rushlight/data/unicode.h"

namespace rushlight::data {
namespace {

constexpr size_t kCachedWords = 1 << 16, kCachedBytes = 64;  // longer words come once

uint64_t pair_of(int64_t left, int64_t right) { return uint64_t(left) << 32 | uint64_t(uint32_t(right)); }

// Which byte a visible character stands for; -1: none.
int byte_of(uint32_t code) {
  static const std::unordered_map<uint32_t, int> bytes = [] {
    std::unordered_map<uint32_t, int> made;
    for (int b = 0; b < 256; b++) made.emplace(visible_byte(uint8_t(b)), b);
    return made;
  }();
  auto at = bytes.find(code);
  return at == bytes.end() ? -1 : at->second;
}

std::string visible(uint8_t byte) {
  std::string out;
  append_char(out, visible_byte(byte));
  return out;
}

enum class Part { Letter, Number, Space, Other };
Part part_of(uint32_t code) {
  if (is_white_space(code)) return Part::Space;
  CharKind kind = kind_of(code);
  return kind == CharKind::Letter ? Part::Letter : kind == CharKind::Number ? Part::Number : Part::Other;
}

}  // namespace

uint32_t visible_byte(uint8_t byte) {
  auto shown = [](int b) { return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174; };
  if (shown(byte)) return byte;
  uint32_t hidden = 0;  // the hidden bytes before it
  for (int b = 0; b < byte; b++) hidden += !shown(b);
  return 256 + hidden;
}

std::vector<std::string_view> gpt2_words(std::string_view text) {
  std::vector<std::string_view> out;
  size_t i = 0;
  // Where the run of one part that begins at `at` ends.
  auto run_end = [&](size_t at, Part part) {
    while (at < text.size()) {
      Char c = first_char(text.substr(at));
      if (part_of(c.code) != part) break;
      at += c.bytes;
    }
    return at;
  };
  auto take = [&](size_t end) {
    out.push_back(text.substr(i, end - i));
    i = end;
  };
  while (i < text.size()) {
    std::string_view rest = text.substr(i);
    if (rest[0] == '\'') {
      size_t n = rest.starts_with("'re") || rest.starts_with("'ve") || rest.starts_with("'ll")         ? 3
                 : rest.size() > 1 && std::string_view("stmd").find(rest[1]) != std::string_view::npos ? 2
                                                                                                       : 0;
      if (n) {
        take(i + n);
        continue;
      }
    }
    size_t word = i + (rest[0] == ' ');
    if (word < text.size()) {
      Part part = part_of(first_char(text.substr(word)).code);
      if (part != Part::Space) {
        take(run_end(word, part));
        continue;
      }
    }
    // White space: all of it at the end of the text; else the last character is left for the word that follows.
    size_t end = run_end(i, Part::Space);
    if (end < text.size()) {
      size_t last = end - 1;
      while (last > i && (uint8_t(text[last]) & 0xC0) == 0x80) last--;
      if (last > i) end = last;
    }
    take(end);
  }
  return out;
}

struct BytePairs::Cache {
  std::shared_mutex mutex;
  std::unordered_map<std::string, std::vector<int64_t>> words;
};

BytePairs::~BytePairs() = default;

BytePairs::BytePairs(Vocabulary vocabulary, std::span<const uint8_t> merges, const std::string& where, int64_t unknown,
                     std::vector<std::string> specials)
    : vocabulary_(std::move(vocabulary)),
      specials_(std::move(specials)),
      unknown_(unknown),
      cache_(std::make_unique<Cache>()) {
  for (const std::string& special : specials_)
    RL_CHECK(ValueError, vocabulary_.find(special) >= 0, "BytePairs: the special token '", special,
             "' is not in the vocabulary of ", vocabulary_.size());
  for (int b = 0; b < 256; b++) bytes_[b] = vocabulary_.find(visible(uint8_t(b)));
  std::string_view text(reinterpret_cast<const char*>(merges.data()), merges.size());
  int32_t rank = 0;
  for (int64_t line = 1; !text.empty(); line++) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view row = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty() || (line == 1 && row.starts_with("#version"))) continue;
    size_t space = row.find(' ');
    RL_CHECK(FileError,
             space != row.npos && row.find(' ', space + 1) == row.npos && space > 0 && space + 1 < row.size(), where,
             ", line ", line, ": expected two tokens with one space between them, got '", row.substr(0, 80), "'");
    std::string_view left = row.substr(0, space), right = row.substr(space + 1);
    std::string joined = std::string(left) + std::string(right);
    int64_t ids[3];
    int k = 0;
    for (std::string_view token : {left, right, std::string_view(joined)}) {
      ids[k] = vocabulary_.find(token);
      RL_CHECK(FileError, ids[k] >= 0, where, ", line ", line, ": the token '", token, "' is not in the vocabulary of ",
               vocabulary_.size());
      k++;
    }
    merges_.emplace(pair_of(ids[0], ids[1]), Merge{rank++, int32_t(ids[2])});
  }
}

void BytePairs::append(std::string_view word, std::vector<int64_t>& out) const {
  // Symbols in a list, and pairs that can be joined in a heap: n log n also for a word of a million bytes.
  struct Symbol {
    int64_t id;
    int32_t before, after;
  };
  struct Candidate {
    int32_t rank, at;
    int64_t left, right;
    bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
  };
  size_t n = word.size();
  std::vector<Symbol> symbols(n);
  std::priority_queue<Candidate> heap;
  auto consider = [&](int32_t at) {
    if (at < 0 || symbols[size_t(at)].after < 0) return;
    int64_t left = symbols[size_t(at)].id, right = symbols[size_t(symbols[size_t(at)].after)].id;
    if (left < 0 || right < 0) return;
    if (auto found = merges_.find(pair_of(left, right)); found != merges_.end())
      heap.push({found->second.rank, at, left, right});
  };
  for (size_t i = 0; i < n; i++)
    symbols[i] = {bytes_[uint8_t(word[i])], int32_t(i) - 1, i + 1 < n ? int32_t(i) + 1 : -1};
  for (size_t i = 0; i + 1 < n; i++) consider(int32_t(i));
  constexpr int64_t kGone = -2;
  while (!heap.empty()) {
    Candidate c = heap.top();
    heap.pop();
    Symbol& left = symbols[size_t(c.at)];
    if (left.id != c.left || left.after < 0 || symbols[size_t(left.after)].id != c.right) continue;  // joined otherwise
    Symbol& right = symbols[size_t(left.after)];
    left.id = merges_.find(pair_of(c.left, c.right))->second.joined;
    left.after = right.after;
    right.id = kGone;
    if (left.after >= 0) symbols[size_t(left.after)].before = c.at;
    consider(c.at);
    consider(left.before);
  }
  for (int32_t at = n ? 0 : -1; at >= 0; at = symbols[size_t(at)].after) {
    int64_t id = symbols[size_t(at)].id;
    RL_CHECK(ValueError, id >= 0 || unknown_ >= 0, "BytePairs.encode: the vocabulary has no token for byte ",
             unsigned(uint8_t(word[size_t(at)])), " ('", visible(uint8_t(word[size_t(at)])),
             "'), and there is none for unknown ones");
    out.push_back(id >= 0 ? id : unknown_);
  }
}

void BytePairs::append_text(std::string_view text, std::vector<int64_t>& out) const {
  std::vector<int64_t> fresh;
  for (std::string_view word : gpt2_words(text)) {
    if (word.size() > kCachedBytes) {
      append(word, out);
      continue;
    }
    std::string key(word);
    {
      std::shared_lock lock(cache_->mutex);
      if (auto at = cache_->words.find(key); at != cache_->words.end()) {
        out.insert(out.end(), at->second.begin(), at->second.end());
        continue;
      }
    }
    fresh.clear();
    append(word, fresh);
    out.insert(out.end(), fresh.begin(), fresh.end());
    std::unique_lock lock(cache_->mutex);
    if (cache_->words.size() < kCachedWords) cache_->words.emplace(std::move(key), fresh);
  }
}

std::vector<int64_t> BytePairs::encode(std::string_view text) const {
  RL_CHECK(ValueError, text.size() < size_t(INT32_MAX), "BytePairs.encode: a text of ", text.size(),
           " bytes is too long");
  std::vector<int64_t> out;
  std::vector<size_t> next(specials_.size(), 0);  // where each special token stands next
  for (size_t i = 0; i < specials_.size(); i++) next[i] = text.find(specials_[i]);
  size_t at = 0;
  while (true) {
    size_t first = specials_.size();  // the one that begins first, the longest of those
    for (size_t i = 0; i < specials_.size(); i++) {
      if (next[i] < at) next[i] = text.find(specials_[i], at);
      if (next[i] == text.npos) continue;
      bool before = first == specials_.size() || next[i] < next[first] ||
                    (next[i] == next[first] && specials_[i].size() > specials_[first].size());
      if (before) first = i;
    }
    if (first == specials_.size()) break;
    append_text(text.substr(at, next[first] - at), out);
    out.push_back(vocabulary_.find(specials_[first]));
    at = next[first] + specials_[first].size();
  }
  append_text(text.substr(at), out);
  return out;
}

std::string BytePairs::decode(std::span<const int64_t> ids) const {
  std::string out;
  for (int64_t id : ids) {
    std::string_view token = vocabulary_.token(id);
    while (!token.empty()) {
      Char c = first_char(token);
      int byte = byte_of(c.code);
      if (byte >= 0) out += char(byte);
      else out += token.substr(0, c.bytes);  // of a token that was added as it is
      token.remove_prefix(c.bytes);
    }
  }
  return out;
}

Merges learn_byte_pairs(const std::vector<std::string_view>& texts, int64_t size, int64_t least,
                        const std::vector<std::string>& specials) {
  RL_CHECK(ValueError, size >= 256 + int64_t(specials.size()) && size <= (1 << 24),
           "learn_byte_pairs: expected a size of ", 256 + specials.size(), " (the bytes and the special tokens) to ",
           1 << 24, ", got ", size);
  RL_CHECK(ValueError, least >= 1, "learn_byte_pairs: expected a least frequency >= 1, got ", least);
  Merges out;
  out.tokens = specials;
  std::array<int32_t, 256> byte_ids;
  std::vector<std::pair<uint32_t, int>> order;
  for (int b = 0; b < 256; b++) order.emplace_back(visible_byte(uint8_t(b)), b);
  std::sort(order.begin(), order.end());
  for (auto& [code, byte] : order) {
    byte_ids[size_t(byte)] = int32_t(out.tokens.size());
    out.tokens.push_back(visible(uint8_t(byte)));
  }
  std::unordered_map<std::string, int32_t> known;
  for (const std::string& token : out.tokens) known.emplace(token, int32_t(known.size()));
  RL_CHECK(ValueError, known.size() == out.tokens.size(),
           "learn_byte_pairs: a special token is there twice, or is a byte's");

  std::unordered_map<std::string_view, int64_t> counts;
  for (std::string_view text : texts)
    for (std::string_view word : gpt2_words(text)) counts[word]++;
  struct Word {
    std::vector<int32_t> ids;
    int64_t count;
  };
  std::vector<Word> words;
  for (auto& [word, count] : counts) {
    Word w{{}, count};
    for (char c : word) w.ids.push_back(byte_ids[uint8_t(c)]);
    words.push_back(std::move(w));
  }
  struct Pair {
    int64_t count = 0;
    std::unordered_set<uint32_t> words;  // where it stands, or once stood
  };
  std::unordered_map<uint64_t, Pair> pairs;
  for (size_t w = 0; w < words.size(); w++)
    for (size_t i = 0; i + 1 < words[w].ids.size(); i++) {
      Pair& p = pairs[pair_of(words[w].ids[i], words[w].ids[i + 1])];
      p.count += words[w].count;
      p.words.insert(uint32_t(w));
    }
  struct Entry {
    int64_t count;
    uint64_t pair;
    bool operator<(const Entry& o) const { return count != o.count ? count < o.count : pair > o.pair; }
  };
  std::priority_queue<Entry> heap;
  for (auto& [pair, p] : pairs) heap.push({p.count, pair});
  while (int64_t(out.tokens.size()) < size && !heap.empty()) {
    Entry top = heap.top();
    heap.pop();
    int64_t count = pairs[top.pair].count;
    if (count != top.count) {  // an old entry
      if (count >= least) heap.push({count, top.pair});
      continue;
    }
    if (count < least) break;
    int32_t left = int32_t(top.pair >> 32), right = int32_t(top.pair & 0xFFFFFFFF);
    std::string joined = out.tokens[size_t(left)] + out.tokens[size_t(right)];
    out.merges.emplace_back(out.tokens[size_t(left)], out.tokens[size_t(right)]);
    auto [at, fresh] = known.emplace(joined, int32_t(out.tokens.size()));
    int32_t id = at->second;  // two pairs may make one token
    if (fresh) out.tokens.push_back(std::move(joined));
    std::unordered_set<uint32_t> touched = std::move(pairs[top.pair].words);
    pairs[top.pair].words.clear();
    std::unordered_set<uint64_t> changed;
    for (uint32_t w : touched) {
      std::vector<int32_t>& ids = words[w].ids;
      auto count_pairs = [&](int64_t by) {
        for (size_t i = 0; i + 1 < ids.size(); i++) {
          uint64_t pair = pair_of(ids[i], ids[i + 1]);
          Pair& p = pairs[pair];
          p.count += by;
          if (by > 0) {
            p.words.insert(w);
            changed.insert(pair);
          }
        }
      };
      count_pairs(-words[w].count);
      size_t to = 0;
      for (size_t i = 0; i < ids.size(); to++) {
        bool both = i + 1 < ids.size() && ids[i] == left && ids[i + 1] == right;
        ids[to] = both ? id : ids[i];
        i += both ? 2 : 1;
      }
      ids.resize(to);
      count_pairs(words[w].count);
    }
    for (uint64_t pair : changed) heap.push({pairs[pair].count, pair});
  }
  return out;
}

}  // namespace rushlight::data
