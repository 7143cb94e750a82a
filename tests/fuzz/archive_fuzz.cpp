// libFuzzer target for script archives and for what `inspect` says of any file: ./dev fuzz archive. Any end but an Error is a bug.
#include "rushlight/core/error.h"
#include "rushlight/io/zip.h"
#include "rushlight/script/inspect.h"
#include "rushlight/script/module.h"

using namespace rushlight;

namespace {

// Parts of the input as entries of an archive, each behind its length: no checksum stands between the fuzzer and the parsers.
io::Bytes archive_of(const uint8_t* data, size_t size) {
  static constexpr const char* entries[] = {"a/data.pkl", "a/code/__torch__.py", "a/constants.pkl", "a/version",
                                            "a/data/0",   "a/model.json"};
  std::string file;
  io::ZipWriter zip([&](const void* p, size_t n) { file.append(static_cast<const char*>(p), n); });
  for (const char* entry : entries) {
    if (size < 2) break;
    size_t length = std::min<size_t>(size - 2, size_t(data[0]) << 8 | data[1]);
    if (length) zip.add(entry, data + 2, length);
    data += 2 + length;
    size -= 2 + length;
  }
  zip.finish();
  return io::own_bytes({file.begin(), file.end()});
}

// Compiled, not run: a program may run for ever.
void load(const io::Bytes& bytes) {
  Ref<ObjectValue> module = script::load_module(bytes, "fuzz");
  for (const auto& f : graph::as_class(module->type)->methods) f->made();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  try {
    switch (data[0] % 4) {
      case 0: load(archive_of(data + 1, size - 1)); break;
      case 1: load(io::own_bytes({data + 1, data + size})); break;
      case 2: script::inspect(archive_of(data + 1, size - 1), "fuzz", {.code = true}); break;
      default: script::inspect(io::own_bytes({data + 1, data + size}), "fuzz");
    }
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Internal) throw;
  }
  return 0;
}
