// The one argument parser: Python arguments to IValues as an operator's schema says, with PyTorch's rules of what may stand where.
#pragma once
#include <memory>
#include <vector>

#include "py_op.h"
#include "rushlight/dispatch/schema_types.h"

namespace rushlight::py {

struct Param {
  PyObject* name;                 // interned
  PyObject* other_names[3] = {};  // numpy's: "axis", "keepdims", "x"; interned
  const Argument* arg;
  Want want;
  uint8_t list_size = 0;
  bool optional = false;
  bool kwarg_only = false;
  bool number_allowed = false;      // a Python number may stand for the tensor
  bool number_as_fallback = false;  // the same, if no other overload takes the number
  IValue default_value;
};

struct Overload {
  const Op* op;
  std::vector<Param> params;        // in schema order
  std::vector<uint8_t> positional;  // indices of params that may be given by position; a method's self first
  std::vector<uint8_t> outs;        // of an out= form
  uint32_t required = 0;            // bit per param without default
  int first_shown = 0;              // 1 for methods: self is not counted in messages
  bool factory = false;             // takes requires_grad= too
  int8_t device_at = -1;            // of a factory without tensors to follow: which param is the device
  bool spread_ints = false;         // x.view(2, 3): the only argument is a list of ints
  bool is_view = false;             // takes no time to speak of, whatever the size
  PyTypeObject* named_result = nullptr;
  std::string signature() const;  // as PyTorch prints it in messages
};

constexpr int kMaxArgs = 32;

// Values of one call; what arguments borrow lives here.
class CallArgs {
 public:
  CallArgs() {}
  ~CallArgs() { clear(); }
  CallArgs(const CallArgs&) = delete;
  IValue* values() { return reinterpret_cast<IValue*>(raw_); }
  void start(int count) {
    clear();
    count_ = count;
    for (int i = 0; i < count; i++) new (values() + i) IValue();
    ints_used_ = 0;
  }
  void clear() {
    for (int i = 0; i < count_; i++) values()[i].~IValue();
    count_ = 0;
  }
  int64_t* ints(size_t n) {
    if (ints_used_ + n <= kInts) {
      int64_t* p = ints_ + ints_used_;
      ints_used_ += n;
      return p;
    }
    more_.push_back(std::make_unique<int64_t[]>(n));
    return more_.back().get();
  }
  // Room for n borrowed tensors: one pointer each.
  TensorImpl** tensors(size_t n) {
    static_assert(sizeof(int64_t) == sizeof(TensorImpl*));
    return reinterpret_cast<TensorImpl**>(ints(n));
  }
  void keep(Object o) { kept_.push_back(std::move(o)); }

  bool requires_grad = false;

 private:
  static constexpr size_t kInts = 24;
  alignas(IValue) char raw_[sizeof(IValue) * kMaxArgs];
  int64_t ints_[kInts];
  size_t ints_used_ = 0;
  int count_ = 0;
  std::vector<std::unique_ptr<int64_t[]>> more_;
  std::vector<Object> kept_;
};

// Prepares an overload. `method`: self comes first, whatever its place in the schema.
Overload prepare(const Op& op, bool method);

// In the order in which they are tried.
void sort_overloads(std::vector<Overload>& all);

// True and `out` filled if the arguments fit. Throws only for values that fit in kind and fail in value (overflow).
bool parse(const Overload& o, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, CallArgs& out, bool fallback);
// Throws the TypeError that says why nothing fits.
[[noreturn]] void fail_parse(std::string_view name, const std::vector<Overload>& overloads, PyObject* const* args,
                             Py_ssize_t nargs, PyObject* kwnames);
// Why one overload does not fit, as torch.ops says it.
std::string explain_mismatch(const Overload& o, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

}  // namespace rushlight::py
