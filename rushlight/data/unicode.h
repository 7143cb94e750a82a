// Characters of UTF-8 text: reading them, their kinds, small letters, letters without accents. The tables are made by tools/gen_unicode.py
// at build time.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace rushlight::data {

// The kinds that tokenisers tell apart (Unicode's categories L*, N*, P*, Zs, Mn, C*).
enum class CharKind : uint8_t { Other, Letter, Number, Punctuation, Space, Accent, Control };

struct Char {
  uint32_t code;
  uint32_t bytes;  // how many it takes
};
// The character at the beginning of a text that is not empty. What is no UTF-8 is U+FFFD of one byte.
Char first_char(std::string_view text);
void append_char(std::string& out, uint32_t code);
// The place of the first byte that is no UTF-8, or npos.
size_t find_no_utf8(std::string_view text);

CharKind kind_of(uint32_t code);
bool is_white_space(uint32_t code);  // Unicode's White_Space
// A small letter for a capital one, each by itself: of a final sigma nothing is known. İ, whose small form is two characters, stays.
uint32_t lower_of(uint32_t code);
// Appends the character's letters without accents: its canonical decomposition without Mn.
void append_plain(std::string& out, uint32_t code);

}  // namespace rushlight::data
