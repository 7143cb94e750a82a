#include "rushlight/core/notice.h"

#include <cstdio>

namespace rushlight {

void (*show_warning)(const std::string&) = [](const std::string& text) {
  std::fprintf(stderr, "Warning: %s\n", text.c_str());
};

}  // namespace rushlight
