// Compiled functions and modules as programs hold them, and archives of them.
#pragma once
#include <map>
#include <optional>
#include <set>

#include "rushlight/graph/executor/executor.h"
#include "rushlight/io/file.h"
#include "rushlight/script/lowering.h"
#include "rushlight/script/origins.h"

namespace rushlight::script {

// A function whose text is compiled at its first use. `self_type` for methods.
std::shared_ptr<graph::Function> lazy_function(const std::string& name, std::shared_ptr<const Stmt> def,
                                               std::shared_ptr<Resolver> resolver, TypePtr self_type = nullptr);
// What an interface says of a method: its schema, and no body.
std::shared_ptr<graph::Function> abstract_method(const Stmt& def, const TypePtr& self, Lowering& types);
// The function that a source defines. Throws ScriptError where it defines none.
StmtPtr definition_in(const std::shared_ptr<const Source>& source);
// Compiles now. Throws ScriptError unless the text is one function.
std::shared_ptr<graph::Function> compile_function(const std::shared_ptr<const Source>& source,
                                                  std::shared_ptr<Resolver> resolver, const std::string& name = {});

// What text can't hold, and what it calls types and functions.
struct TextOptions {
  std::vector<IValue>& constants;  // tensors and objects of C++ classes: text says CONSTANTS.c3
  std::function<std::string(const TypePtr&)> type_text = [](const TypePtr& t) { return t->text(); };
  std::function<std::string(const std::shared_ptr<graph::Function>&)> function_text = nullptr;
  bool types_self = true;        // says of what class `self` is, as archives do
  std::vector<Mark> marks = {};  // where what a function's text says came from, counted from the text's begin
};
// The text that a function of an archive has there: it is written as it was read, whatever operators it calls.
struct Original {
  virtual ~Original() = default;
  virtual std::string text(TextOptions& options) const = 0;
  std::string full_name;
  int version = 0;  // of the archive: what its operators mean
};
// The text of a function or method, and of a constant, as archives hold it. Throws RuntimeError for a constant that text can't say.
std::string function_code(graph::Function& f, TextOptions& options, int indent = 0);
std::string constant_code(const IValue& v, TextOptions& options);

// Writes an archive that PyTorch's torch.jit.load reads: data.pkl, code/, constants.pkl, version.
// `extra`: files of the user's own, by name. `lite`: with bytecode.pkl, for PyTorch's lite interpreter.
void save_module(const ObjectValue& module, const io::Sink& sink, const std::string& name = "archive",
                 const std::map<std::string, std::string>& extra = {}, bool lite = false);
// Reads one, ours or PyTorch's (1.4 and later). Throws FileError, UnpicklingError or ScriptError; nothing in it runs.
// `extra` names files of the user's own, and gets the text of those that are there. Tensors go to `place`, or else where they were when the
// archive was written: NotImplementedError if there is no such device.
Ref<ObjectValue> load_module(const io::Bytes& bytes, const std::string& name,
                             std::map<std::string, std::string>* extra = nullptr, std::optional<Device> place = {});

// v as a value of the type, which only holds what scripts can't make wrongly: what C++ programs pass or assign comes unchecked. A list or dict
// of another element type is copied. Throws RuntimeError that begins with `what`.
IValue fitted_value(IValue v, const TypePtr& type, const std::string& what);

// A module of a class of its own with these methods ("forward", "head.scaled"), in which attributes are constants but for those in `kept`
// ("weight", "conv.weight") and those that the methods assign; modules in it keep what the methods still use. `fold`: batch_norm of a
// convolution becomes part of its weights, and dropout goes. `parameters`: tensors that ask for gradients stay. Throws AttributeError for a
// method that is not there, RuntimeError for one that returns its module or assigns an attribute of an interface's type.
Ref<ObjectValue> freeze_module(const Ref<ObjectValue>& module, const std::set<std::string>& methods,
                               const std::set<std::string>& kept, bool fold, bool parameters = false);

// Compiles forward, and opens the libraries that weights of its size need, so that the first call is like others.
void make_ready(const Ref<ObjectValue>& module);

// Runs a method. Throws AttributeError if the module has none of that name, RuntimeError for arguments that don't fit its schema.
IValue run_method(const Ref<ObjectValue>& module, const std::string& method, std::vector<IValue> args);

}  // namespace rushlight::script
