// Sugared values: what a name in script text can stand for besides a graph value: a function, a module, a namespace, a type. They live while text
// is compiled and leave graph values behind.
#pragma once
#include <functional>
#include <map>

#include "rushlight/graph/ir.h"
#include "rushlight/script/ast.h"

namespace rushlight::script {

using graph::Value;
class Lowering;
class Sugared;
using SugaredPtr = std::shared_ptr<Sugared>;

// An argument of a call: its place, its keyword if it has one, and what it is.
struct CallArg {
  Range range;
  std::string name;
  SugaredPtr value;
};

// What a loop goes through: items known while compiling, or item(i) for i from 0 up to `trips`.
struct Iteration {
  bool is_known = false;
  std::vector<SugaredPtr> known;
  Value* trips = nullptr;
  std::function<SugaredPtr(Value* i)> item;
};

class Sugared {
 public:
  virtual ~Sugared() = default;
  // What errors call it: "module", "operator 'relu'".
  virtual std::string kind() const = 0;
  // As a graph value. The default says that this can't be one.
  virtual Value* as_value(const Range& range, Lowering& lowering);
  virtual SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name);
  virtual SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args);
  // Its items if their number is known while compiling: tuples, module lists, constant lists. False: not such a value.
  virtual bool items(const Range& range, Lowering& lowering, std::vector<SugaredPtr>& out);
  // How a loop goes through it. The default goes through items(). False: nothing to go through.
  virtual bool iterate(const Range& range, Lowering& lowering, Iteration& out);
  virtual void set_attribute(const Range& range, Lowering& lowering, const std::string& name, Value* value);
  // The class it is, as an error of that class is called: "module.MyError". Empty for what is no class of Python's.
  virtual std::string qualified_name() const { return {}; }
  // The type it names, for annotations; null if it names none.
  virtual TypePtr as_type() const { return nullptr; }
  // It as an attribute of an object: a method or property. Null: it stands for itself.
  virtual SugaredPtr bind(const Range&, Lowering&, Value*) { return nullptr; }
  // What is known of `x is None` while compiling: 1 always, 0 never, -1 unknown.
  virtual int is_none() const { return -1; }
};

class SimpleValue final : public Sugared {
 public:
  explicit SimpleValue(Value* v) : value(v) {}
  std::string kind() const override;
  Value* as_value(const Range&, Lowering&) override { return value; }
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  bool items(const Range& range, Lowering& lowering, std::vector<SugaredPtr>& out) override;
  bool iterate(const Range& range, Lowering& lowering, Iteration& out) override;
  void set_attribute(const Range& range, Lowering& lowering, const std::string& name, Value* v) override;
  int is_none() const override;
  Value* value;
};

// Items side by side, not yet a graph tuple. Those of an operator's results have names: x.max(0).values.
class TupleOf final : public Sugared {
 public:
  explicit TupleOf(std::vector<SugaredPtr> v, std::vector<std::string> n = {})
      : parts(std::move(v)), names(std::move(n)) {}
  std::string kind() const override { return "tuple"; }
  Value* as_value(const Range& range, Lowering& lowering) override;
  bool items(const Range&, Lowering&, std::vector<SugaredPtr>& out) override { return out = parts, true; }
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  int is_none() const override { return 0; }
  std::vector<SugaredPtr> parts;
  std::vector<std::string> names;
};

// range(), zip(), enumerate(), reversed(): what loops go through; a list where a value is wanted.
class Iterable final : public Sugared {
 public:
  Iterable(std::string name, Iteration over) : over_(std::move(over)), name_(std::move(name)) {}
  std::string kind() const override { return name_ + "()"; }
  Value* as_value(const Range& range, Lowering& lowering) override;
  bool items(const Range&, Lowering&, std::vector<SugaredPtr>& out) override {
    return over_.is_known && (out = over_.known, true);
  }
  bool iterate(const Range&, Lowering&, Iteration& out) override { return out = over_, true; }
  int is_none() const override { return 0; }

 private:
  Iteration over_;
  std::string name_;
};

class ConstantValue final : public Sugared {
 public:
  explicit ConstantValue(IValue v) : constant(std::move(v)) {}
  std::string kind() const override { return "constant"; }
  Value* as_value(const Range& range, Lowering& lowering) override;
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  bool items(const Range& range, Lowering& lowering, std::vector<SugaredPtr>& out) override;
  bool iterate(const Range& range, Lowering& lowering, Iteration& out) override;
  int is_none() const override { return constant.is_none(); }
  IValue constant;
};

// The type of what is a value, "str" or "Tuple[int, str]"; empty for anything else.
std::string found_type(const Sugared& v);
// "type 'str'", or "a module".
std::string found_kind(const Sugared& v);

inline SugaredPtr graph_value(Value* v) { return std::make_shared<SimpleValue>(v); }
inline SugaredPtr constant_of(IValue v) { return std::make_shared<ConstantValue>(std::move(v)); }
bool is_operator(const std::string& name);

// An operator by name, "relu", "mine::scale": overloads are chosen by the arguments.
class OperatorName final : public Sugared {
 public:
  explicit OperatorName(std::string n, Value* self = nullptr) : name(std::move(n)), bound(self) {}
  std::string kind() const override { return "operator '" + name + "'"; }
  Value* as_value(const Range& range, Lowering& lowering) override;
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  std::string name;
  Value* bound;
};

// torch, torch.nn.functional, ops.aten: attributes are operators, dtypes or further namespaces.
class Namespace final : public Sugared {
 public:
  explicit Namespace(std::string p) : path(std::move(p)) {}
  std::string kind() const override { return "namespace '" + path + "'"; }
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  SugaredPtr find(const Range& range, Lowering& lowering, const std::string& name);  // null if it has none of that name
  static SugaredPtr math(const std::string& name);  // of Python's module; null for what a script has not
  std::string path;
};

class TypeName final : public Sugared {
 public:
  explicit TypeName(TypePtr t) : type(std::move(t)) {}
  std::string kind() const override { return "type '" + type->text() + "'"; }
  // C.__new__(C), which archives hold in place of C(...).
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  // Members of an enum.
  bool items(const Range& range, Lowering& lowering, std::vector<SugaredPtr>& out) override;
  TypePtr as_type() const override { return type; }
  TypePtr type;
  std::map<std::string, IValue> defaults;  // of a named tuple's fields
};

// torch.no_grad() and its like, which `with` takes: what to switch gradients to, or what they were before; or the handle of a range that
// the profiler is told of.
class GradMode final : public Sugared {
 public:
  explicit GradMode(Value* o, Value* was = nullptr, std::vector<CallArg> l = {})
      : on(o), before(was), label(std::move(l)) {}
  std::string kind() const override { return "context manager"; }
  Value *on, *before;          // either may be null
  std::vector<CallArg> label;  // record_function's arguments
};

// A function of the language: range, len, isinstance, print, int, float, annotate, ...
class Special final : public Sugared {
 public:
  explicit Special(std::string n) : name(std::move(n)) {}
  std::string kind() const override { return "function '" + name + "'"; }
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  TypePtr as_type() const override;
  std::string name;
};

// slice(start, stop, step), which an index may be; each may be None.
class SliceOf final : public Sugared {
 public:
  explicit SliceOf(std::vector<SugaredPtr> p) : parts(std::move(p)) {}
  std::string kind() const override { return "slice"; }
  std::vector<SugaredPtr> parts;
};

// A compiled function or method.
class FunctionValue : public Sugared {
 public:
  FunctionValue(std::shared_ptr<graph::Function> f, Value* self = nullptr) : function(std::move(f)), bound(self) {}
  std::string kind() const override { return "function '" + function->name + "'"; }
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  std::shared_ptr<graph::Function> function;
  Value* bound;
};

// Functions of one name: the first that takes the arguments is called.
class Overloads final : public Sugared {
 public:
  Overloads(std::vector<std::shared_ptr<graph::Function>> f, Value* self = nullptr)
      : functions(std::move(f)), bound(self) {}
  std::string kind() const override { return "overloaded function '" + functions[0]->name + "'"; }
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  std::vector<std::shared_ptr<graph::Function>> functions;  // never empty
  Value* bound;
};
// The body of `body` under the signature of `signature`: one overload of a function.
std::shared_ptr<const Stmt> with_signature(const Stmt& signature, const Stmt& body);

// Two functions behind one name: a constant argument says which is called, so that their results may differ in type.
class Dispatched final : public Sugared {
 public:
  Dispatched(std::string argument, size_t position, SugaredPtr when_true, SugaredPtr when_false)
      : argument_(std::move(argument)), position_(position), sides_{std::move(when_false), std::move(when_true)} {}
  std::string kind() const override { return "function"; }
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;

 private:
  std::string argument_;
  size_t position_;
  SugaredPtr sides_[2];
};

// Name of the constant that says of a module's class what going through it gives: "modules", "named modules", "parameters", "named
// parameters", or "" for a module that is no container.
constexpr const char* kContainer = "$container";

// Before the name of an attribute: the constant that says why a script's class has it not.
constexpr const char* kHints = "$hint ";

// Name of the constant that says how many overloads a method has: they are methods name__0, name__1, ...
constexpr const char* kOverloads = "$overloads ";

// What operators mean: that of today (0), or of an archive's version; see upgraders.cpp.
struct OperatorVersion {
  int number = 0;
  bool truncates = false;  // floor_divide rounds towards zero
};
// What stands for a call of the operator there. Null for the operator itself.
SugaredPtr upgraded(const std::string& name, const std::vector<CallArg>& args, const OperatorVersion& version);
// An operator that archives name and that is none here: a function over others. Null for other names.
SugaredPtr old_operator(const std::string& name);

// Where names that the text does not define come from: a Python function's globals, or an archive's classes and constants.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual SugaredPtr resolve(const std::string& name, const Range& range) = 0;  // null if unknown
  // The value of a parameter's default, where the function is one of a running program. False: its text says it.
  virtual bool default_value(const std::string&, const Type&, IValue&) { return false; }
  virtual OperatorVersion version() const { return {}; }
};

// A Python function that is lowered where it is called, for what its arguments are there: types that its text leaves open (Any, a
// Callable, a Module) are theirs, and what is known of them while compiling decides its branches.
class InlineFunction final : public Sugared {
 public:
  InlineFunction(std::shared_ptr<const Stmt> d, Resolver* r, std::shared_ptr<Resolver> keep, Lowering* where = nullptr)
      : def(std::move(d)), resolver(r), definer(where), keep_(std::move(keep)) {}
  std::string kind() const override { return "function '" + def->text + "'"; }
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  SugaredPtr bind(const Range&, Lowering&, Value* object) override;
  std::shared_ptr<const Stmt> def;
  Resolver* resolver;
  Lowering* definer;  // of a function inside of another: whose names it sees
  SugaredPtr self;    // of a method

 private:
  std::shared_ptr<Resolver> keep_;
};

// A constant of a class that is no value, as a function that an attribute holds.
struct SugaredCapsule final : RefCounted {
  explicit SugaredCapsule(SugaredPtr v) : value(std::move(v)) {}
  SugaredPtr value;
};

}  // namespace rushlight::script
