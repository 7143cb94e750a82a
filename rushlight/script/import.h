// Models of other formats as script modules, and script modules as such models. Each format's reader and writer are in a library of its own, loaded
// when the first model of it comes.
#pragma once
#include <map>

#include "rushlight/core/ivalue.h"
#include "rushlight/io/file.h"

namespace rushlight::script {

// `name` is what errors call the model; files that belong to it lie in `folder`, "" where there is none.
using ImportModel = Ref<ObjectValue> (*)(const io::Bytes& bytes, const std::string& name, const std::string& folder);
// Called while the library of the format, which has the operators of the namespace of that name, is loaded. Replaces an earlier one.
void register_importer(const std::string& format, ImportModel import);
// Throws NotImplementedError where the library isn't there, and what the reader throws.
Ref<ObjectValue> import_model(const std::string& format, const io::Bytes& bytes, const std::string& name,
                              const std::string& folder = {});

struct ExportOptions {
  int opset = 17;
  std::vector<std::string> input_names, output_names;
  // For a name the axes that are dynamic, and what they are called ("": a name is made).
  std::map<std::string, std::map<int64_t, std::string>> dynamic_axes;
  bool export_params = true, initializers_as_inputs = false;
};
// `args`: examples of the method's arguments. Returns the bytes of a file.
using ExportModel = std::string (*)(const Ref<ObjectValue>& module, const std::string& method, std::vector<IValue> args,
                                    const ExportOptions& options);
void register_exporter(const std::string& format, ExportModel export_model);
// Throws NotImplementedError where the library isn't there or an operator can't be said in the format.
std::string export_model(const std::string& format, const Ref<ObjectValue>& module, const std::string& method,
                         std::vector<IValue> args, const ExportOptions& options);

}  // namespace rushlight::script
