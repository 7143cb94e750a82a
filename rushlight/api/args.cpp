#include "rushlight/api/args.h"

#include <cxxabi.h>

#include <cstdlib>

namespace rushlight::api {

void fail_count(size_t wanted, size_t got) {
  throw RuntimeError(str("Expected ", wanted, " values, but instead got ", got));
}

std::string demangle(const char* name) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  std::string out = status == 0 ? text.get() : name;
  for (std::string_view ours : {"rushlight::api::", "torch::rl::"})
    for (size_t at = 0; (at = out.find(ours, at)) != std::string::npos;) out.replace(at, ours.size(), "torch::");
  return out;
}

}  // namespace rushlight::api
