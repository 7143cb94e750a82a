// How the text of a graph writes characters that can't stand in it: a backslash and the letter at the same place.
#pragma once
#include <string_view>

namespace rushlight::graph {

inline constexpr std::string_view kEscaped = "\n\t\r\a\b\f\v\"\\", kEscapes = "ntrabfv\"\\";

}  // namespace rushlight::graph
