// Models of other formats as script modules, and script modules as such models. Each format's reader and writer are in a library of its own, loaded
// when the first model of it comes.
#pragma once
#include <functional>
#include <map>
#include <set>

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
  bool fold_constants = true;              // false: what depends on parameters alone is computed by the model
  std::map<std::string, int64_t> domains;  // versions of domains of a program's own; 1 where none is told
  // Operators that a function of the front end writes, and that function, which gives the names of the results.
  std::set<std::string> custom_operators;
  std::function<std::vector<std::string>(class ExportCall&)> custom;
};
// A call of an operator that such a function writes.
class ExportCall {
 public:
  virtual ~ExportCall() = default;
  virtual std::string kind() const = 0;  // "mine::gelu"
  virtual size_t size() const = 0;       // of its arguments
  virtual IValue example(size_t i) const = 0;
  virtual bool is_constant(size_t i) const = 0;
  // What the argument is called in the model, where constants become nodes.
  virtual std::string name(size_t i) = 0;
  virtual std::string constant(const Tensor& t) = 0;
  // A node of the type "Relu" or "domain::Type"; what its outputs are called. Attributes are numbers, texts, lists of them, or tensors.
  virtual std::vector<std::string> node(const std::string& type, const std::vector<std::string>& inputs, size_t outputs,
                                        const std::vector<std::pair<std::string, IValue>>& attributes) = 0;
};
// `args`: examples of the method's arguments. Returns the bytes of a file.
using ExportModel = std::string (*)(const Ref<ObjectValue>& module, const std::string& method, std::vector<IValue> args,
                                    const ExportOptions& options);
void register_exporter(const std::string& format, ExportModel export_model);
// What script/inspect.h says of a model.
struct ModelReport {
  struct Tensor {
    std::string name, dtype;
    Dims shape;
    int64_t bytes;
  };
  struct Operator {
    std::string name;
    size_t calls;
    bool known;
  };
  using Texts = std::vector<std::pair<std::string, std::string>>;
  std::string kind;
  Texts facts, inputs, outputs;  // names, and what is there: "float[batch, 3]"
  std::vector<Tensor> tensors;
  std::vector<Operator> operators;
};
// False where the file is none of the format.
using InspectModel = bool (*)(const io::Bytes& bytes, const std::string& name, ModelReport& out);
void register_inspector(const std::string& format, InspectModel inspect);
bool inspect_model(const std::string& format, const io::Bytes& bytes, const std::string& name, ModelReport& out);
// Throws NotImplementedError where the library isn't there or an operator can't be said in the format.
std::string export_model(const std::string& format, const Ref<ObjectValue>& module, const std::string& method,
                         std::vector<IValue> args, const ExportOptions& options);

}  // namespace rushlight::script
