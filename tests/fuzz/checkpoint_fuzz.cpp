// libFuzzer target for what reads files from outside: zip, pickle and checkpoint. Any end but an Error is a bug.
//   ./dev fuzz checkpoint --seconds 600
#include "rushlight/core/error.h"
#include "rushlight/io/values.h"

using namespace rushlight;

namespace {

void read_zip(const io::Bytes& bytes) {
  io::ZipReader zip(bytes, "fuzz");
  for (const std::string& name : zip.names()) zip.read(name);
}

// The rest of the input as the pickle of an archive: no checksum stands between the fuzzer and the parser.
void read_pickle(const io::Bytes& bytes) {
  std::string file;
  io::ZipWriter zip([&](const void* p, size_t n) { file.append(static_cast<const char*>(p), n); });
  zip.add("a/data.pkl", bytes.data.data(), bytes.data.size());
  zip.add("a/data/0", std::string(64, 1));
  zip.finish();
  io::load_value(io::own_bytes({file.begin(), file.end()}), "fuzz");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  io::Bytes rest = io::own_bytes({data + 1, data + size});
  try {
    switch (data[0] % 3) {
      case 0: read_zip(rest); break;
      case 1: read_pickle(rest); break;
      default: io::load_value(rest, "fuzz");
    }
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Internal) throw;
  }
  return 0;
}
