// Source: a piece of script text and places in it; what errors quote and graph nodes remember.
#pragma once
#include <memory>
#include <string>

namespace rushlight::graph {
struct Origins;
}

namespace rushlight::script {

struct Source {
  std::string text;
  std::string file;
  int first_line = 1;                                       // of the text, in the file it came from
  std::shared_ptr<const graph::Origins> origins = nullptr;  // of a text that an archive holds
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
