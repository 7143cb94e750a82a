#include "rushlight/api/tempfile.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "rushlight/core/error.h"

namespace rushlight::api::detail {

std::pair<int, std::string> make_temporary(const std::string& prefix, bool folder) {
  std::string path = "/tmp";
  for (const char* variable : {"TMPDIR", "TMP", "TEMP", "TEMPDIR"})
    if (const char* set = std::getenv(variable)) {
      path = set;
      break;
    }
  path += "/" + prefix + "XXXXXX";
  if (folder) return {-1, mkdtemp(path.data()) ? path : ""};
  int descriptor = mkstemp(path.data());
  return {descriptor, descriptor >= 0 ? path : ""};
}

void remove_temporary(int descriptor, const std::string& name, bool folder) {
  if (descriptor >= 0) close(descriptor);
  if (!name.empty()) folder ? rmdir(name.c_str()) : unlink(name.c_str());
}

void fail_temporary(const char* what) {
  throw OsError(str("could not create a temporary ", what, ": ", std::strerror(errno)));
}

}  // namespace rushlight::api::detail
