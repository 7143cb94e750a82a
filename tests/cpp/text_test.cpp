// rushlight/data/text.h from C++; what the tokens are is compared in tests/python/test_text.py.
#include "rushlight/data/text.h"

#include <gtest/gtest.h>

#include "rushlight/core/error.h"
#include "rushlight/data/unicode.h"

namespace rushlight::data {
namespace {

std::span<const uint8_t> bytes(std::string_view s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

TEST(TextTest, WordPiecesOfAFile) {
  WordPieces pieces(Vocabulary::of_lines(bytes("[UNK]\nun\n##aff\n##able\n!\n"), "vocab.txt"));
  EXPECT_EQ(pieces.encode("Unaff\xC3\xA1"
                          "ble! x"),
            (std::vector<int64_t>{1, 2, 3, 4, 0}));
}

TEST(TextTest, BytePairsComeBack) {
  std::vector<std::string_view> texts = {"low lower lowest low", "\xFF\xFE no UTF-8 \xF0\x9F\x99\x82"};
  Merges learned = learn_byte_pairs(texts, 270, 1, {"<s>"});
  std::string merges;
  for (auto& [left, right] : learned.merges) merges += left + " " + right + "\n";
  BytePairs pairs(Vocabulary(learned.tokens), bytes(merges), "merges");
  for (std::string_view text : texts) EXPECT_EQ(pairs.decode(pairs.encode(text)), text);
  EXPECT_LT(pairs.encode("lower").size(), 5u);
  EXPECT_THROW(pairs.decode(std::vector<int64_t>{270}), IndexError);
}

TEST(TextTest, WhatIsNoUtf8IsReplacedByteByByte) {
  for (std::string_view bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    EXPECT_EQ(first_char(bad).code, 0xFFFDu);
    EXPECT_EQ(find_no_utf8(std::string("ab") + std::string(bad)), 2u);
  }
  EXPECT_EQ(find_no_utf8("\xEF\xBF\xBD \xF4\x8F\xBF\xBF"), std::string_view::npos);
  EXPECT_EQ(bert_words("a\xFF"
                       "b c"),
            (std::vector<std::string>{"ab", "c"}));
}

TEST(TextTest, AVocabularyMoves) {
  Vocabulary first({"a", "longer than a short string may be", "b"});
  Vocabulary second = std::move(first);
  EXPECT_EQ(second.find("longer than a short string may be"), 1);
  EXPECT_EQ(second.find("c"), -1);
}

}  // namespace
}  // namespace rushlight::data
