#include "rushlight/kernels/providers.h"

#include <dlfcn.h>

#include <cstdlib>

namespace rushlight {
namespace {

void add_split(std::vector<std::string>& dirs, std::string_view list, char separator) {
  while (!list.empty()) {
    size_t end = std::min(list.find(separator), list.size());
    if (end) dirs.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

std::vector<std::string> search_directories() {
  std::vector<std::string> dirs;
  if (const char* path = std::getenv("RUSHLIGHT_PROVIDER_PATH")) add_split(dirs, path, ':');
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&search_directories), &self) && self.dli_fname) {
    std::string file = self.dli_fname;
    size_t slash = file.rfind('/');
    std::string dir = slash == std::string::npos ? "." : file.substr(0, slash);
    for (const char* below : {"", "/lib", "/../lib"}) dirs.push_back(dir + below);
  }
#ifdef RL_PROVIDER_HINTS
  add_split(dirs, RL_PROVIDER_HINTS, ':');
#endif
  return dirs;
}

std::vector<Provider*>& list() {
  static auto* all = new std::vector<Provider*>{onednn_provider(), openblas_provider()};
  return *all;
}

}  // namespace

const std::vector<Provider*>& providers() { return list(); }

Provider* find_provider(std::string_view name) {
  for (Provider* p : list())
    if (p->name() == name) return p;
  return nullptr;
}

void add_provider(Provider* provider) { list().insert(list().begin(), provider); }

void* open_provider_library(std::initializer_list<const char*> sonames, std::string* why) {
  // A spinning barrier of libgomp costs ten times the work when a neighbour uses a core.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  for (const std::string& dir : search_directories())
    for (const char* soname : sonames)
      if (void* lib = dlopen((dir + "/" + soname).c_str(), RTLD_NOW | RTLD_LOCAL)) return lib;
  for (const char* soname : sonames)
    if (void* lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL)) return lib;
  if (const char* text = dlerror(); why && text) *why = text;
  return nullptr;
}

}  // namespace rushlight
