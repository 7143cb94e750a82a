#include "rushlight/core/notice.h"

#include <cstdio>
#include <utility>

namespace rushlight {

void (*show_warning)(const std::string&) = [](const std::string& text) {
  std::fprintf(stderr, "Warning: %s\n", text.c_str());
};

void (*show_warning_at)(const std::string&, const std::string&, int) = [](const std::string& text,
                                                                          const std::string& file, int line) {
  std::fprintf(stderr, "%s:%d: Warning: %s\n", file.c_str(), line, text.c_str());
};

void (*print_line)(const std::string&) = [](const std::string& line) { std::printf("%s\n", line.c_str()); };

bool warn_always = false;

bool shall_warn(bool& said) { return !std::exchange(said, true) || warn_always; }

}  // namespace rushlight
