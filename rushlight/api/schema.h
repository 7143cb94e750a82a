// c10::FunctionSchema: what a function or an operator takes and gives.
#pragma once
#include "rushlight/api/ivalue.h"

namespace rushlight {
struct Schema;
struct Argument;
}  // namespace rushlight

namespace rushlight::api {

struct OperatorName {
  OperatorName(std::string name, std::string overload = {})
      : name(std::move(name)), overload_name(std::move(overload)) {}
  std::string name, overload_name;
  friend bool operator==(const OperatorName& a, const OperatorName& b) {
    return a.name == b.name && a.overload_name == b.overload_name;
  }
};
std::ostream& operator<<(std::ostream& out, const OperatorName& n);

class Argument {
 public:
  explicit Argument(const rushlight::Argument& a);
  const std::string& name() const { return name_; }
  const TypePtr& type() const { return type_; }
  const std::optional<IValue>& default_value() const { return default_; }
  bool kwarg_only() const { return kwarg_only_; }
  bool is_out() const { return is_out_; }
  std::optional<int32_t> N() const { return size_; }  // of int[2]

 private:
  std::string name_;
  TypePtr type_;
  std::optional<IValue> default_;
  std::optional<int32_t> size_;
  bool kwarg_only_, is_out_;
};

class FunctionSchema {
 public:
  // A script's function has the name it was given, an operator's stands in a namespace.
  explicit FunctionSchema(const rushlight::Schema& s, bool of_script = false);
  const std::string& name() const { return name_.name; }
  const std::string& overload_name() const { return name_.overload_name; }
  const OperatorName& operator_name() const { return name_; }
  const std::vector<Argument>& arguments() const { return arguments_; }
  const std::vector<Argument>& returns() const { return returns_; }
  bool is_mutable() const { return is_mutable_; }
  std::optional<int> argumentIndexWithName(std::string_view name) const;
  const std::string& text() const { return text_; }

 private:
  OperatorName name_;
  std::vector<Argument> arguments_, returns_;
  std::string text_;
  bool is_mutable_ = false;
};
std::ostream& operator<<(std::ostream& out, const FunctionSchema& s);
inline std::string toString(const FunctionSchema& s) { return s.text(); }
inline bool operator==(const FunctionSchema& s, const std::string& text) { return s.text() == text; }

namespace torch_jit_stack {
using Stack = std::vector<IValue>;
}
namespace jit {
using torch_jit_stack::Stack;
// Throws RuntimeError for what is no schema.
FunctionSchema parseSchema(const std::string& text);

template <class... Ts>
void push(Stack& stack, Ts&&... values) {
  (stack.emplace_back(std::forward<Ts>(values)), ...);
}
template <class... Ts>
void push(Stack* stack, Ts&&... values) {
  push(*stack, std::forward<Ts>(values)...);
}
// Each throws RuntimeError where there are fewer values than it needs.
void need_values(const Stack& stack, size_t n);
IValue pop(Stack& stack);
inline IValue pop(Stack* stack) { return pop(*stack); }
void drop(Stack& stack, size_t n);
inline void drop(Stack* stack, size_t n) { drop(*stack, n); }
// The last values, in the order in which they were pushed: pop(stack, a, b).
template <class... Ts>
void pop(Stack& stack, Ts&... values) {
  need_values(stack, sizeof...(Ts));
  size_t at = stack.size() - sizeof...(Ts);
  ((values = stack[at++].template to<Ts>()), ...);
  drop(stack, sizeof...(Ts));
}
template <class... Ts>
void pop(Stack* stack, Ts&... values) {
  pop(*stack, values...);
}
std::vector<IValue> pop(Stack& stack, size_t n);
// Of the last n the i-th.
IValue& peek(Stack& stack, size_t i, size_t n);
const IValue& peek(const Stack& stack, size_t i, size_t n);
}  // namespace jit

}  // namespace rushlight::api
