// Source: a piece of script text and places in it; what errors quote and graph nodes remember.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rushlight::graph {
struct Origins;
}

namespace rushlight::script {

// Where the lines of a text end, found out when it is first asked for: each node of a long program asks for its line.
class LineEnds {
 public:
  LineEnds() = default;
  LineEnds(const LineEnds&) {}  // of another text, perhaps
  // How many end before `at`.
  size_t before(const std::string& text, size_t at) const;

 private:
  mutable std::once_flag found_;
  mutable std::vector<size_t> ends_;
};

struct Source {
  std::string text;
  std::string file;
  int first_line = 1;                                       // of the text, in the file it came from
  std::shared_ptr<const graph::Origins> origins = nullptr;  // of a text that an archive holds
  LineEnds line_ends = {};
};

// Characters [begin, end) of a source.
struct Range {
  std::shared_ptr<const Source> source;
  size_t begin = 0, end = 0;

  int line() const;    // in the file
  int column() const;  // from 0
  std::string text() const;
  // The lines around the range, with a caret under it, as PyTorch's TorchScript errors show them.
  std::string highlight() const;
};

// Throws ScriptError: the message, then the highlighted place.
[[noreturn]] void fail(const Range& where, const std::string& message);

}  // namespace rushlight::script
