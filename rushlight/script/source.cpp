#include "rushlight/script/source.h"

#include <algorithm>

#include "rushlight/core/error.h"

namespace rushlight::script {

size_t LineEnds::before(const std::string& text, size_t at) const {
  std::call_once(found_, [&] {
    for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', end + 1)) ends_.push_back(end);
  });
  return size_t(std::lower_bound(ends_.begin(), ends_.end(), at) - ends_.begin());
}

int Range::line() const { return source->first_line + int(source->line_ends.before(source->text, begin)); }

int Range::column() const {
  size_t start = begin == 0 ? std::string::npos : source->text.rfind('\n', begin - 1);
  return int(start == std::string::npos ? begin : begin - start - 1);
}

std::string Range::text() const { return source->text.substr(begin, end - begin); }

std::string Range::highlight() const {
  constexpr int kContext = 3;
  const std::string& t = source->text;
  size_t line_start = begin - size_t(column());
  size_t first = line_start;
  for (int i = 0; i < kContext && first > 0; i++) {
    size_t before = first >= 2 ? t.rfind('\n', first - 2) : std::string::npos;
    first = before == std::string::npos ? 0 : before + 1;
  }
  size_t line_end = std::min(t.find('\n', begin), t.size());
  size_t shown = std::min(end, line_end);
  std::string out = str("  File \"", source->file, "\", line ", line(), "\n");
  auto add_line = [&](size_t from, size_t to) { out += t.substr(from, to - from) + "\n"; };
  for (size_t at = first; at < line_start;) {
    size_t next = t.find('\n', at);
    add_line(at, next);
    at = next + 1;
  }
  add_line(line_start, line_end);
  out += std::string(size_t(column()), ' ') + std::string(std::max<size_t>(1, shown - begin), '~') + " <--- HERE\n";
  return out;
}

void fail(const Range& where, const std::string& message) {
  throw ScriptError(str("\n", message, ":\n", where.highlight()));
}

}  // namespace rushlight::script
