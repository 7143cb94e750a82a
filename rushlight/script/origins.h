// Where the text of an archive came from: entries code/....py.debug_pkl, which let errors name the lines that the user wrote.
#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "rushlight/graph/ir.h"
#include "rushlight/script/source.h"

namespace rushlight::script {

// From this byte of a text on: the place as Range::highlight() shows it; empty where there is none.
struct Mark {
  size_t at;
  std::string snippet;
};

class Origins final : public graph::Origins {
 public:
  // The entry's bytes, PyTorch's of any version or ours. They are parsed when they are first asked; damaged ones know of no place.
  explicit Origins(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string snippet(size_t at) const override;
  std::vector<Mark> between(size_t begin, size_t end) const;

 private:
  const std::vector<Mark>& marks() const;  // by place
  mutable std::string bytes_;
  mutable std::vector<Mark> marks_;
  mutable std::once_flag once_;
};

// The entry for a text with these marks, in their order, as PyTorch 1.11 and later read it.
std::string origins_pickle(const std::vector<Mark>& marks);

}  // namespace rushlight::script
