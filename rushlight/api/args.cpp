#include "rushlight/api/args.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>

#include <cstdlib>
#include <string_view>
#include <vector>

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

std::string get_backtrace(size_t skip, size_t most, bool) {
  std::vector<void*> calls(most + ++skip);  // without this one
  calls.resize(size_t(backtrace(calls.data(), int(calls.size()))));
  std::string text;
  for (size_t i = skip; i < calls.size(); i++) {
    Dl_info at{};
    bool found = dladdr(calls[i], &at);
    text += str("frame #", i - skip, ": ", found && at.dli_sname ? demangle(at.dli_sname) : "<unknown function>", " (",
                calls[i], " in ", found && at.dli_fname ? at.dli_fname : "<unknown file>", ")\n");
  }
  return text;
}

}  // namespace rushlight::api
