// Operators as Python callables: one object per name holds its overloads and parses the arguments by their schemas.
#pragma once
#include "py_convert.h"
#include "rushlight/dispatch/op.h"

namespace rushlight::py {

// One overload of an operator, prepared for parsing.
struct Overload;
struct PyOpName;

// Calls one operator with arguments that are in place already; shows its only result. Throws.
inline PyObject* call_one(const Op& op, IValue* args) {
  IValue ret;
  call(op, args, &ret);
  return wrap(ret.take_tensor());
}
inline Tensor call_tensor(const Op& op, IValue* args) {
  IValue ret;
  call(op, args, &ret);
  return ret.take_tensor();
}

// An operator by its qualified name, looked up at the first use. Throws NotImplementedError if no record names it.
class OpRef {
 public:
  explicit constexpr OpRef(const char* name) : name_(name) {}
  const Op& operator*() { return op_ ? *op_ : find(); }

 private:
  const Op& find();
  const char* name_;
  const Op* op_ = nullptr;
};

// Releases the GIL while an operator runs over that many elements or more; below, switching costs more than it gives.
constexpr int64_t kReleaseGilFrom = 10000;

// Whether its arguments are that big.
bool is_big(const Op& op, const IValue* args);

// The function object of a name ("add"), with the overloads that fit; null without an error if there are none.
enum class Placed { Anywhere, Function, Method };
PyObject* make_op(std::string_view name, Placed placed);

void bind_ops(PyObject* module);

}  // namespace rushlight::py
