#include "rushlight/api/schema.h"

#include <ostream>
#include <utility>

#include "rushlight/dispatch/schema.h"

namespace rushlight::api {

std::ostream& operator<<(std::ostream& out, const OperatorName& n) {
  return out << n.name << (n.overload_name.empty() ? "" : ".") << n.overload_name;
}
Argument::Argument(const rushlight::Argument& a)
    : name_(a.name), type_(a.type), kwarg_only_(a.kwarg_only), is_out_(a.is_out) {
  if (a.has_default) default_ = IValue(a.default_value);
  if (a.list_size) size_ = a.list_size;
}
FunctionSchema::FunctionSchema(const rushlight::Schema& s, bool of_script)
    : name_(of_script ? s.name : s.symbol(), s.overload), text_(of_script ? s.text() : s.full_text()) {
  for (const rushlight::Argument& a : s.args) {
    arguments_.emplace_back(a);
    is_mutable_ |= a.is_mutated;
  }
  for (const rushlight::Argument& a : s.returns) returns_.emplace_back(a);
}
std::optional<int> FunctionSchema::argumentIndexWithName(std::string_view name) const {
  for (size_t i = 0; i < arguments_.size(); i++)
    if (arguments_[i].name() == name) return int(i);
  return std::nullopt;
}
std::ostream& operator<<(std::ostream& out, const FunctionSchema& s) { return out << s.text(); }
FunctionSchema jit::parseSchema(const std::string& text) { return FunctionSchema(Schema::parse(text)); }

namespace jit {

void need_values(const Stack& stack, size_t n) {
  if (stack.size() < n)
    throw RuntimeError(rushlight::str("expected at least ", n, " values on the stack, got ", stack.size()));
}
IValue pop(Stack& stack) {
  need_values(stack, 1);
  IValue last = std::move(stack.back());
  stack.pop_back();
  return last;
}
void drop(Stack& stack, size_t n) {
  need_values(stack, n);
  stack.erase(stack.end() - ptrdiff_t(n), stack.end());
}
std::vector<IValue> pop(Stack& stack, size_t n) {
  need_values(stack, n);
  std::vector<IValue> out(stack.end() - ptrdiff_t(n), stack.end());
  drop(stack, n);
  return out;
}
IValue& peek(Stack& stack, size_t i, size_t n) { return const_cast<IValue&>(peek(std::as_const(stack), i, n)); }
const IValue& peek(const Stack& stack, size_t i, size_t n) {
  need_values(stack, n);
  RL_CHECK(IndexError, i < n, "peek: expected a place below ", n, ", got ", i);
  return *(stack.end() - ptrdiff_t(n) + ptrdiff_t(i));
}

}  // namespace jit

}  // namespace rushlight::api
