// Scripted models in C++ programs, without Python: torch::jit::load and torch::jit::Module.
#pragma once
#include <iosfwd>

#include "rushlight/api/future.h"
#include "rushlight/api/schema.h"
#include "rushlight/core/limits.h"

namespace rushlight::graph {
class Graph;
}
namespace rushlight::api::jit {

class Module;
class Method;
using Function = Method;  // functions of a text are methods of one that nobody sees
using rushlight::Limits;  // of the time and memory that scripts take: what forward throws where it takes more
using rushlight::api::IValue;
using Kwargs = std::unordered_map<std::string, IValue>;
// Files of the user's own in an archive, by name.
using ExtraFilesMap = std::unordered_map<std::string, std::string>;

template <class T>
struct Named {
  std::string name;
  T value;
};
using NamedTensor = Named<Tensor>;
using NamedValue = Named<IValue>;

// A compiled function as PyTorch prints it.
class Graph {
 public:
  explicit Graph(std::shared_ptr<graph::Graph> g) : graph_(std::move(g)) {}
  struct Value {
    std::string name;
    rushlight::api::TypePtr value_type;
    const std::string& debugName() const { return name; }
    const rushlight::api::TypePtr& type() const { return value_type; }
  };
  std::vector<Value> inputs() const;
  std::vector<Value> outputs() const;
  std::string toString(bool print_source_locations = true) const;
  void dump() const;  // to the standard output

 private:
  std::shared_ptr<graph::Graph> graph_;
};
std::ostream& operator<<(std::ostream& out, const Graph& g);

// A method of one module, or a function of a text, whose callers see no module.
class Method {
 public:
  Method(Ref<ObjectValue> module, std::string name, bool is_function = false)
      : module_(std::move(module)), name_(std::move(name)), is_function_(is_function) {}
  const std::string& name() const { return name_; }
  QualifiedName qualname() const;  // "__torch__.Net.forward"
  // Throws RuntimeError naming the argument whose number, name or type is wrong.
  IValue operator()(std::vector<IValue> inputs, const Kwargs& kwargs = Kwargs()) const;
  // On another thread.
  intrusive_ptr<ivalue::Future> run_async(std::vector<IValue> inputs, const Kwargs& kwargs = Kwargs()) const;
  size_t num_inputs() const;
  Module owner() const;
  FunctionSchema getSchema() const;
  std::shared_ptr<Graph> graph() const;
  const Method& function() const { return *this; }

 private:
  Ref<ObjectValue> module_;
  std::string name_;
  bool is_function_;
};

// A handle: copies are the same module. Made without arguments it is a module with nothing in it.
class Module {
 public:
  Module() : Module("Module") {}
  explicit Module(const std::string& class_name);
  explicit Module(Ref<ObjectValue> object) : object_(std::move(object)) {}
  const Ref<ObjectValue>& object() const { return object_; }
  // As programs of PyTorch 1.0 hold one: std::shared_ptr<torch::jit::script::Module> m = torch::jit::load(path).
  operator std::shared_ptr<Module>() const;
  IValue _ivalue() const { return rushlight::IValue(object_); }
  std::string name() const;  // of its class: "__torch__.Net"
  TypePtr type() const { return _ivalue().type(); }

  IValue forward(std::vector<IValue> inputs, const Kwargs& kwargs = Kwargs()) const;
  IValue operator()(std::vector<IValue> inputs, const Kwargs& kwargs = Kwargs()) const {
    return forward(std::move(inputs), kwargs);
  }
  // run_method("encode", x, 3), or with the arguments in a vector.
  template <class... Args>
  IValue run_method(const std::string& method, Args&&... args) const {
    return get_method(method)(std::vector<IValue>{IValue(std::forward<Args>(args))...});
  }
  IValue run_method(const std::string& method, const std::vector<IValue>& args) const {
    return get_method(method)(args);
  }
  IValue run_method(const std::string& method, std::vector<IValue>& args) const { return get_method(method)(args); }
  IValue run_method(const std::string& method, std::vector<IValue>&& args) const {
    return get_method(method)(std::move(args));
  }
  // Throws AttributeError if there is none.
  Method get_method(const std::string& name) const;
  std::optional<Method> find_method(const std::string& name) const;
  std::vector<Method> get_methods() const;

  bool hasattr(const std::string& name) const;
  // Throws AttributeError if there is none.
  IValue attr(const std::string& name) const;
  IValue attr(const std::string& name, IValue or_else) const;
  // Throws AttributeError if there is none, TypeError for a value of another type.
  void setattr(const std::string& name, IValue value) const;

  // Of this module and, with `recurse`, those inside it, depth first.
  std::vector<Tensor> parameters(bool recurse = true) const;
  std::vector<NamedTensor> named_parameters(bool recurse = true) const;
  std::vector<Tensor> buffers(bool recurse = true) const;
  std::vector<NamedTensor> named_buffers(bool recurse = true) const;
  std::vector<IValue> attributes(bool recurse = true) const;
  std::vector<NamedValue> named_attributes(bool recurse = true) const;
  std::vector<Module> children() const;
  std::vector<Named<Module>> named_children() const;
  std::vector<Module> modules() const;               // this one first
  std::vector<Named<Module>> named_modules() const;  // this one first, named ""

  void train(bool on = true) const;
  void eval() const { train(false); }
  bool is_training() const;
  // Parameters and buffers, in place; a dtype is for those of floating point.
  void to(Device device, DType dtype, bool non_blocking = false) const;
  void to(DType dtype, bool non_blocking = false) const;
  void to(Device device, bool non_blocking = false) const;
  // With tensors of its own.
  Module deepcopy() const;
  Module clone() const { return deepcopy(); }
  // With modules of its own and the same tensors.
  Module copy() const;

  // For modules made here.
  void register_parameter(const std::string& name, Tensor value, bool is_buffer) const;
  void register_buffer(const std::string& name, Tensor value) const {
    register_parameter(name, std::move(value), true);
  }
  void register_attribute(const std::string& name, const TypePtr& type, IValue value, bool is_parameter = false,
                          bool is_buffer = false) const;
  void register_module(const std::string& name, const Module& module) const;
  // Adds the functions of a script text as methods.
  void define(const std::string& source) const;

  // What it has, for people: names, and on request values and the text of methods. dump() writes it to the standard output.
  std::string dump_to_str(bool print_method_bodies, bool print_attr_values, bool print_param_values) const;
  void dump(bool print_method_bodies, bool print_attr_values, bool print_param_values) const;

  void save(const std::string& path, const ExtraFilesMap& extra = ExtraFilesMap()) const;
  void save(std::ostream& out, const ExtraFilesMap& extra = ExtraFilesMap()) const;
  // With bytecode too, which PyTorch's lite interpreter runs. Throws NotImplementedError for what it can't do. The last two arguments, of
  // PyTorch's debug information and of its other format, change nothing.
  void _save_for_mobile(const std::string& path, const ExtraFilesMap& extra = ExtraFilesMap(), bool = false,
                        bool = false) const;
  void _save_for_mobile(std::ostream& out, const ExtraFilesMap& extra = ExtraFilesMap(), bool = false,
                        bool = false) const;

 private:
  template <class T, class Visit>
  void collect(std::vector<Named<T>>& out, const std::string& prefix, bool recurse, const Visit& visit) const;
  Ref<ObjectValue> object_;
};

namespace script {
using jit::ExtraFilesMap;
using jit::Method;
using jit::Module;
using rushlight::api::IValue;
}  // namespace script

// Throws OsError for a path that can't be read, FileError or ScriptError for a damaged archive. Files that `extra` names get their text there.
Module load(const std::string& path, std::optional<Device> device = std::nullopt);
Module load(const std::string& path, std::optional<Device> device, ExtraFilesMap& extra);
Module load(std::istream& in, std::optional<Device> device = std::nullopt);
Module load(std::istream& in, std::optional<Device> device, ExtraFilesMap& extra);

// A module of a class of its own in which parameters and attributes are constants, but for those in `preserved` and those that a method
// assigns; batch_norm after a convolution becomes part of it. Throws RuntimeError for one that is training, AttributeError for a name that is not there.
Module freeze(const Module& module, const std::optional<std::vector<std::string>>& preserved = std::nullopt,
              bool optimize_numerics = true);
Module optimize_for_inference(Module& module, const std::vector<std::string>& other_methods = {});

// Settings of PyTorch's executor, which profiles and fuses; this one has nothing to set.
inline void setGraphExecutorOptimize(bool) {}
inline bool getGraphExecutorOptimize() { return true; }
struct GraphOptimizerEnabledGuard {
  explicit GraphOptimizerEnabledGuard(bool) {}
};
bool& getProfilingMode();
bool& getExecutorMode();
enum class FusionBehavior { STATIC, DYNAMIC };
using FusionStrategy = std::vector<std::pair<FusionBehavior, size_t>>;
FusionStrategy setFusionStrategy(FusionStrategy strategy);
// As torch::pickle_load and torch::pickle_save.
IValue pickle_load(const std::vector<char>& bytes);
std::vector<char> pickle_save(const IValue& value);
// The same; tensors stand among the bytes, so the table stays as it is.
inline std::vector<char> pickle(const IValue& value, std::vector<Tensor>* /*tensor_table*/ = nullptr) {
  return pickle_save(value);
}
IValue unpickle(const char* data, size_t size);

// Functions of a script text.
class CompilationUnit {
 public:
  explicit CompilationUnit(const std::string& source);
  template <class... Args>
  IValue run_method(const std::string& name, Args&&... args) const {
    return module_.run_method(name, std::forward<Args>(args)...);
  }
  // Throws AttributeError if there is none.
  Method& get_function(const std::string& name) const;
  Method* find_function(const std::string& name) const;
  const Module& module() const { return module_; }  // whose methods they are

 private:
  Module module_;
  struct Functions;  // asked for so far
  std::shared_ptr<Functions> functions_;
};
inline Method& toGraphFunction(Method& f) { return f; }
std::shared_ptr<CompilationUnit> compile(const std::string& source);

}  // namespace rushlight::api::jit

// A program's `namespace torch { namespace jit { ... } }` adds to this one.
namespace torch {
inline namespace rl {
namespace jit {
using namespace rushlight::api::jit;
}
}  // namespace rl
}  // namespace torch
