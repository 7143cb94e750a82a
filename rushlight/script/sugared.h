// Sugared values: what a name in script text can stand for besides a graph value: a function, a module, a namespace, a type. They live while text
// is compiled and leave graph values behind.
#pragma once
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
  virtual void set_attribute(const Range& range, Lowering& lowering, const std::string& name, Value* value);
  // The type it names, for annotations; null if it names none.
  virtual TypePtr as_type() const { return nullptr; }
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
  void set_attribute(const Range& range, Lowering& lowering, const std::string& name, Value* v) override;
  int is_none() const override;
  Value* value;
};

// Items side by side, not yet a graph tuple.
class TupleOf final : public Sugared {
 public:
  explicit TupleOf(std::vector<SugaredPtr> v) : parts(std::move(v)) {}
  std::string kind() const override { return "tuple"; }
  Value* as_value(const Range& range, Lowering& lowering) override;
  bool items(const Range&, Lowering&, std::vector<SugaredPtr>& out) override { return out = parts, true; }
  int is_none() const override { return 0; }
  std::vector<SugaredPtr> parts;
};

class ConstantValue final : public Sugared {
 public:
  explicit ConstantValue(IValue v) : constant(std::move(v)) {}
  std::string kind() const override { return "constant"; }
  Value* as_value(const Range& range, Lowering& lowering) override;
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  bool items(const Range& range, Lowering& lowering, std::vector<SugaredPtr>& out) override;
  int is_none() const override { return constant.is_none(); }
  IValue constant;
};

// An operator by name, "relu": overloads are chosen by the arguments.
class OperatorName final : public Sugared {
 public:
  explicit OperatorName(std::string n, Value* self = nullptr) : name(std::move(n)), bound(self) {}
  std::string kind() const override { return "operator '" + name + "'"; }
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
  std::string path;
};

class TypeName final : public Sugared {
 public:
  explicit TypeName(TypePtr t) : type(std::move(t)) {}
  std::string kind() const override { return "type '" + type->text() + "'"; }
  // C.__new__(C), which archives hold in place of C(...).
  SugaredPtr attribute(const Range& range, Lowering& lowering, const std::string& name) override;
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  TypePtr as_type() const override { return type; }
  TypePtr type;
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

// A compiled function or method.
class FunctionValue final : public Sugared {
 public:
  FunctionValue(std::shared_ptr<graph::Function> f, Value* self = nullptr) : function(std::move(f)), bound(self) {}
  std::string kind() const override { return "function '" + function->name + "'"; }
  SugaredPtr call(const Range& range, Lowering& lowering, const std::vector<CallArg>& args) override;
  std::shared_ptr<graph::Function> function;
  Value* bound;
};

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

// Where names that the text does not define come from: a Python function's globals, or an archive's classes and constants.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual SugaredPtr resolve(const std::string& name, const Range& range) = 0;  // null if unknown
};

}  // namespace rushlight::script
