#include "rushlight/script/import.h"

#include <mutex>

#include "rushlight/dispatch/library.h"

namespace rushlight::script {
namespace {

struct Format {
  ImportModel import = nullptr;
  ExportModel write = nullptr;
  InspectModel inspect = nullptr;
};
std::mutex lock;
Format& format_of(const std::string& name) {
  static auto& all = *new std::map<std::string, Format>;
  return all[name];
}

// What is registered, once the library of the format is loaded.
Format loaded(const std::string& name) {
  auto now = [&] {
    std::lock_guard guard(lock);
    return format_of(name);
  };
  Format f = now();
  if (!f.import) {
    load_provided(name + "::");
    f = now();
  }
  RL_CHECK(NotImplementedError, f.import, "librushlight_", name, ".so, which reads and writes models of the format '",
           name, "', does not stand beside librushlight.so");
  return f;
}

}  // namespace

void register_importer(const std::string& format, ImportModel import) {
  std::lock_guard guard(lock);
  format_of(format).import = import;
}
void register_exporter(const std::string& format, ExportModel export_model) {
  std::lock_guard guard(lock);
  format_of(format).write = export_model;
}

void register_inspector(const std::string& format, InspectModel inspect) {
  std::lock_guard guard(lock);
  format_of(format).inspect = inspect;
}

Ref<ObjectValue> import_model(const std::string& format, const io::Bytes& bytes, const std::string& name,
                              const std::string& folder) {
  return loaded(format).import(bytes, name, folder);
}

std::string export_model(const std::string& format, const Ref<ObjectValue>& module, const std::string& method,
                         std::vector<IValue> args, const ExportOptions& options) {
  ExportModel write = loaded(format).write;
  RL_CHECK(NotImplementedError, write, "models of the format '", format, "' can't be written");
  return write(module, method, std::move(args), options);
}

bool inspect_model(const std::string& format, const io::Bytes& bytes, const std::string& name, ModelReport& out) {
  InspectModel inspect = loaded(format).inspect;
  return inspect && inspect(bytes, name, out);
}

}  // namespace rushlight::script
