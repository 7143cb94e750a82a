// Shared libraries that register operators while they are loaded.
#include <dlfcn.h>
#ifdef __linux__
#include <elf.h>
#endif

#include <cstdio>
#include <fstream>
#include <mutex>
#include <unordered_set>

#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/library.h"

namespace rushlight {

void (*start_plugin)(const void*, const std::string&) = nullptr;

// What could not be registered by the library that this thread is loading. An exception can't leave a library's initialisers: the
// loader would stay locked.
static thread_local std::vector<std::string>* failures = nullptr;

void registration_failed(std::string text) {
  if (failures) failures->push_back(std::move(text));
  else std::fprintf(stderr, "rushlight: operators were not registered: %s\n", text.c_str());
}

// The loader maps what a library's header names without a look at the file's size: a read behind the end would end the process.
static void check_whole(const std::string& path) {
#ifdef __linux__
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return;  // which the loader says better
  auto size = uint64_t(std::streamoff(file.tellg()));
  auto read = [&](uint64_t at, auto& into) {
    return at <= size && sizeof(into) <= size - at && file.seekg(std::streamoff(at)) &&
           file.read(reinterpret_cast<char*>(&into), sizeof(into));
  };
  Elf64_Ehdr head;
  bool whole = read(0, head);
  if (whole && std::string_view(reinterpret_cast<const char*>(head.e_ident), SELFMAG) != ELFMAG) return;
  for (uint64_t i = 0; whole && i < head.e_phnum; i++) {
    Elf64_Phdr part;
    whole = head.e_phentsize >= sizeof(part) && read(head.e_phoff + i * head.e_phentsize, part) &&
            part.p_offset <= size && part.p_filesz <= size - part.p_offset;
  }
  RL_CHECK(OsError, whole, "Could not load this library: ", path, " (the file is cut short)");
#endif
}

// ---- libraries of rushlight's own ------------------------------------------------------------------------------------------------

namespace {

// What stands beside librushlight and is loaded when somebody asks for an operator of the namespace. `binary` is the file, less its end, of the package
// that has these operators for PyTorch: who loads that gets ours.
struct Provided {
  const char *ns, *file, *binary;
  std::once_flag once;
};
Provided provided[] = {{"torchvision", "librushlight_vision.so", "torchvision/_C", {}},
                       {"rushlight_vision", "librushlight_vision.so", nullptr, {}},
                       {"onnx", "librushlight_onnx.so", nullptr, {}},
                       {"caffe2", "librushlight_caffe2.so", nullptr, {}},
                       {"_caffe2", "librushlight_caffe2.so", nullptr, {}},
                       {"quantized", "librushlight_quantized.so", nullptr, {}},
                       {"rnn", "librushlight_quantized.so", nullptr, {}},
                       {"xnnpack", "librushlight_quantized.so", nullptr, {}},
                       {"prepacked", "librushlight_quantized.so", nullptr, {}}};

std::string beside_this(const char* file) {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&load_library), &info) || !info.dli_fname) return file;
  std::string here = info.dli_fname;
  return here.substr(0, here.rfind('/') + 1) + file;
}

// Whether a library was linked against PyTorch's.
bool is_of_pytorch(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string block(1 << 16, 0), text;
  constexpr std::string_view needle = "libtorch_cpu.so";
  while (file.read(block.data(), std::streamsize(block.size())), file.gcount() > 0) {
    text.append(block, 0, size_t(file.gcount()));
    if (text.find(needle) != text.npos) return true;
    text.erase(0, text.size() - std::min(text.size(), needle.size()));
  }
  return false;
}

}  // namespace

thread_local bool only_what_is_loaded = false;

bool load_provided(std::string_view symbol) {
  size_t colon = symbol.find("::");
  if (colon == symbol.npos || only_what_is_loaded) return false;
  bool loaded = false;
  for (Provided& p : provided) {
    if (symbol.substr(0, colon) != p.ns) continue;
    std::call_once(p.once, [&] {
      std::string path = beside_this(p.file);
      if (!std::ifstream(path)) return;
      load_library(path);
      loaded = true;
    });
  }
  return loaded;
}

void load_library(const std::string& path) {
  for (Provided& p : provided)
    if (p.binary && (path.ends_with(str('/', p.binary, ".so")) || path.ends_with(str('/', p.binary, "_stable.so"))) &&
        is_of_pytorch(path)) {
      load_provided(str(p.ns, "::"));
      return;
    }
  check_whole(path);
  std::vector<std::string> failed;
  Scoped<std::vector<std::string>*> here(failures, &failed);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* error = dlerror();
    std::string why = error ? error : "no reason given";
    throw OsError(str("Could not load this library: ", path, " (", why,
                      why.find("undefined symbol: rl_") != why.npos
                          ? "); it was built for a newer rushlight/c_api.h than this library has"
                          : "); a library of operators has to be built against rushlight's headers and library"));
  }
  if (const void* plugin = failed.empty() ? dlsym(handle, "rl_plugin") : nullptr) {
    try {
      start_plugin(plugin, path);
    } catch (...) {
      dlclose(handle);
      throw;
    }
  }
  if (failed.empty()) return;
  dlclose(handle);  // which takes away what it did register
  std::string text = str("loading ", path, ": ", failed[0]);
  for (size_t i = 1; i < failed.size(); i++) text += "\n" + failed[i];
  throw RuntimeError(std::move(text));
}

void keep_loaded(const void* address) {
  static thread_local const void* last = nullptr;  // a program has few, and calls them often
  if (std::exchange(last, address) == address) return;
  static std::mutex lock;
  static std::unordered_set<const void*> kept;
  std::lock_guard guard(lock);
  if (!kept.insert(address).second) return;
  Dl_info info;
  if (dladdr(address, &info) && info.dli_fname) dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace rushlight
