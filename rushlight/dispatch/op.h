// The operator record (OpDef), the operators made from it (Op), and how they are called. See docs/add-an-operator.md.
//
//   OP(logaddexp, {.schema = "logaddexp(Tensor self, Tensor other) -> Tensor", .doc = "...", .kernel = pointwise<LogAddExp>(...),
//                  .grad = {{"self", "other"}, [](const Saved& s, const Tensor& g) { ... return Grads{g * p, g * (1 - p)}; }}});
//
// `OP(` at the start of a line is what the build collects into the table; no other list names the operator.
#pragma once
#include <array>
#include <atomic>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/core/ivalue.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/schema.h"

namespace rushlight {

class Op;
struct DeviceKernel;  // dispatch/device_kernels.h

// ---- kernels -----------------------------------------------------------------------------------------------------

// What a structured operator will return: enough to make the tensor, or to check the one given as out=.
struct TensorSpec {
  Dims sizes;
  DType dtype = DType::Float32;
  Device device = {};
  Dims strides = {};                // empty: contiguous
  Layout layout = Layout::Strided;  // another: the record's sparse form makes the result
};
constexpr int kMaxResults = 8;
// Of an operator that a library defines.
constexpr size_t kMaxArguments = 32;

struct PointwiseInfo;  // kernels/pointwise.h: the functor behind a pointwise operator, for other back ends

// How an operator computes. Made by the functions in dispatch/kernel.h (structured, composite, function, view, mutation) and
// kernels/pointwise.h (pointwise), never by hand.
struct Kernel {
  enum class Kind : uint8_t {
    None,
    Structured,  // `meta` says what comes out, `cpu` fills it: gives function, in-place, out= and meta device
    Composite,   // a function over other operators: gradient, devices and meta come from those
    Function,    // makes its own result (data-dependent shape, no tensor result, ...); differentiable only by a rule
    View,        // shares its first argument's memory
    Mutation,    // writes to its first argument, which the schema marks (a!)
  };
  Kind kind = Kind::None;
  // All are told the operator that is called: to name it in errors, and for what a library keeps with it.
  void (*call)(const Op& op, IValue* args, IValue* rets) = nullptr;
  int (*meta)(const Op& op, IValue* args, TensorSpec* specs) = nullptr;  // returns the number of results
  void (*cpu)(const Op& op, IValue* args, const Tensor* outs) = nullptr;
  bool outs_may_alias = false;  // element i of the result depends on elements i of the arguments only
  bool updates_self = false;    // the result starts as a copy of the first argument; in place it is that argument
  bool any_memory = false;      // `cpu` and `call` go through the device's interface: they take tensors of every device
  const PointwiseInfo* pointwise = nullptr;
  int arity = 0;  // C++ parameters, checked against the schema when the table is built
};

// ---- gradients -----------------------------------------------------------------------------------------------------

// One gradient per tensor argument, in schema order, a tensor list counting as its items; undefined: zero.
class Grads {
 public:
  Grads() = default;
  Grads(std::initializer_list<Tensor> items) {
    for (const Tensor& t : items) push_back(t);
  }
  Grads(Tensors items) : many_(std::move(items)) { size_ = many_.size(); }
  void push_back(Tensor t) {
    if (size_ < kInline && many_.empty()) few_[size_++] = std::move(t);
    else {
      if (many_.empty())
        for (Tensor& f : few_) many_.push_back(std::move(f));
      many_.push_back(std::move(t));
      size_++;
    }
  }
  size_t size() const { return size_; }
  Tensor& operator[](size_t i) { return many_.empty() ? few_[i] : many_[i]; }

 private:
  static constexpr size_t kInline = 4;
  std::array<Tensor, kInline> few_;
  Tensors many_;
  size_t size_ = 0;
};

// What a gradient rule sees: the values it asked to have saved, the plain arguments, and facts about the inputs.
class Saved {
 public:
  virtual ~Saved() = default;
  // The operator whose gradient this is.
  virtual const Op& op() const = 0;
  // A saved argument or result ("result", or its name in the schema). Throws AutogradError if it was changed since. An argument
  // that was a number comes as a 0-d tensor; None comes undefined.
  virtual Tensor operator[](std::string_view name) const = 0;
  virtual Tensors list(std::string_view name) const = 0;  // a saved Tensor[] argument
  // An argument that is no tensor.
  virtual const IValue& arg(std::string_view name) const = 0;
  // False where nobody wants this argument's gradient: the rule may return an undefined tensor for it.
  virtual bool needs(std::string_view name) const = 0;
  virtual const Dims& sizes(std::string_view name) const = 0;
  virtual DType dtype(std::string_view name) const = 0;
  virtual Device device(std::string_view name) const = 0;
  // The number of tensors in a list argument, and the shapes of its items.
  virtual size_t list_size(std::string_view name) const = 0;
  virtual const Dims& list_item_sizes(std::string_view name, size_t i) const = 0;
};

struct Grad {
  using One = Grads (*)(const Saved& s, const Tensor& g);    // g: gradient of the only (differentiable) result
  using Many = Grads (*)(const Saved& s, const Tensors& g);  // undefined where no gradient came
  Grad() = default;
  Grad(std::initializer_list<std::string_view> saves, One fn) : saves(saves), one(fn) {}
  Grad(std::initializer_list<std::string_view> saves, Many fn) : saves(saves), many(fn) {}
  explicit operator bool() const { return one || many; }
  std::vector<std::string_view> saves;
  One one = nullptr;
  Many many = nullptr;
};

// ---- the record ------------------------------------------------------------------------------------------------------

enum class Level : uint8_t { Stable, Beta, Prototype };

enum Forms : uint8_t {
  kFunction = 1,
  kMethod = 2,
  kInPlace = 4,
  kOut = 8,
  kDefaultForms =
      0,  // by kind: structured, updating and pointwise have out=, the last two in-place too, views and composites neither
};
constexpr Forms operator|(Forms a, Forms b) { return Forms(uint8_t(a) | uint8_t(b)); }

// To the dtype of the region, to float32, or to the widest among the arguments.
enum class Autocast : uint8_t { None, Lower, Float32, Promote };

// Where a Python number may stand for a tensor argument, besides those whose overloads say Scalar.
enum class Numbers : uint8_t {
  Never,
  Fallback,  // for any but self, where no overload takes the number as it is
  Always,    // for any
};

enum class OnExpanded : uint8_t { Refuses, Writes, Warns };

struct OpDef {
  const char* schema;
  const char* doc;
  Kernel kernel;
  Grad grad = {};  // none: the result needs no gradient (a composite's comes from what it calls)
  Forms forms = kDefaultForms;
  const char* module = "";  // "nn": _C._nn only; "linalg", "special", "fft": rushlight.<module>.<name without prefix>
  std::vector<const char*> overloads =
      {};  // further schemas of the same kernel: "add.Scalar(Tensor self, Scalar other, ...)"
  std::vector<const char*> aliases = {};  // other names: "absolute"
  Level level = Level::Stable;
  // The name of grad_fn where PyTorch doesn't call it after the operator ("AddmmBackward0"). Of a composite it names the last node recorded.
  const char* node = nullptr;
  // Reads no element of its arguments, or looks at their devices itself (empty_like, copy_): they may be on any, also on several.
  bool any_device = false;
  // May do what its schema does not say: no pass drops, moves or merges a call of it.
  bool opaque = false;
  // What torch.autocast makes of floating point arguments on the CPU.
  Autocast autocast = Autocast::None;
  Numbers numbers = Numbers::Never;
  // What PyTorch's schema doesn't say of memory and random numbers; a test compares with what each record does. "name:condition" is so
  // only where the argument `condition` isn't False, 0 or None.
  std::vector<const char*> writes = {};  // arguments that change without the mark (a!): "running_mean:training"
  std::vector<const char*> shares = {};  // arguments without the mark (a) whose memory a result may be in
  bool reshapes = false;                 // changes sizes or strides of what it writes to (t_, resize_)
  // What its in-place form makes of a tensor that shows one element several times (expand): most refuse it, as what they leave there
  // depends on their order; one value everywhere doesn't; Warns is for those that PyTorch has always let through.
  OnExpanded on_expanded = OnExpanded::Refuses;
  // Draws random numbers: "always", or "train" where argument `train` isn't False, 0 or None. What takes a generator draws always.
  const char* draws = nullptr;
  // How a call runs that has a sparse tensor among its arguments (Note [Sparse forms] in dispatch/sparse.cpp).
  void (*sparse)(const Op& op, IValue* args, IValue* rets) = nullptr;
  // For devices whose libraries brought some; see dispatch/device_kernels.h.
  mutable std::atomic<const DeviceKernel*> device_kernels{nullptr};
};

#define OP(name, ...) \
  ::rushlight::OpDef rl_op_##name() { return ::rushlight::OpDef __VA_ARGS__; }

// ---- operators -------------------------------------------------------------------------------------------------------

class Registered;  // dispatch/library.h: the kernels that libraries gave an operator at run time

class Op {
 public:
  enum class Form : uint8_t { Function, InPlace, Out };

  const Schema& schema() const { return schema_; }
  const OpDef& def() const { return *def_; }
  Form form() const { return form_; }
  // "add"; with its namespace where that is not PyTorch's own: "mine::add".
  const std::string& name() const { return schema_.name; }
  // "aten::add", "mine::add": as graphs, profiles and other programs name it.
  std::string symbol() const { return schema_.symbol(); }
  std::string qualified_name() const { return schema_.qualified_name(); }
  bool is_method() const { return method_; }
  bool is_function() const { return function_; }
  // True if results of this operator are differentiated by the record's rule.
  bool differentiable() const { return differentiable_.load(std::memory_order_relaxed); }
  bool mutates() const { return mutates_; }
  int num_args() const { return int(schema_.args.size()); }
  int num_returns() const { return int(schema_.returns.size()); }
  // Position of the functional form's schema arguments that are tensors or tensor lists.
  const std::vector<uint8_t>& tensor_args() const { return tensor_args_; }
  // Bit i: argument i must be a tensor, or a list without gaps; None and undefined tensors are refused.
  uint64_t required_tensors() const { return required_tensors_; }
  // A fact about argument `arg` (-1: about the call), true where argument `when` isn't False, 0 or None (-1: always).
  struct Effect { int arg, when; };
  // Arguments that are written to, that share memory with a result, and whether random numbers are drawn: of schema and record.
  const std::vector<Effect>& writes() const { return writes_; }
  const std::vector<Effect>& shares() const { return shares_; }
  const std::vector<Effect>& draws() const { return draws_; }
  // autograd's notes on the operator, made at the first recorded call.
  mutable std::atomic<const void*> gradient_plan{nullptr};
  // Kernel only: no interceptor, no autograd.
  void run(IValue* args, IValue* rets) const { run_.load(std::memory_order_relaxed)(*this, args, rets); }
  // Null unless a library defined the operator or gave it a kernel.
  Registered* registered() const { return registered_.load(std::memory_order_acquire); }

 private:
  friend class OpTable;
  friend class Registered;
  using Runner = void (*)(const Op&, IValue*, IValue*);
  Schema schema_;
  const OpDef* def_ = nullptr;
  std::atomic<Runner> run_{nullptr};
  Runner record_run_ = nullptr;  // what runs the record; null for operators of libraries
  std::atomic<Registered*> registered_{nullptr};
  std::vector<uint8_t> tensor_args_;
  std::vector<Effect> writes_, shares_, draws_;
  uint64_t required_tensors_ = 0;
  Form form_ = Form::Function;
  std::atomic<bool> differentiable_{false};
  bool method_ = false, function_ = false, mutates_ = false;
};

// All operators: those of the records the build collected, and those that libraries add at run time and take away again
// (dispatch/library.h). Operators stay where they are for good: who keeps one that was taken away gets an error from calling it.
// Thread safety: all functions may run at once.
class OpTable {
 public:
  static const OpTable& get();
  // By "add.Tensor" or, if there is one overload without a name, "add"; "mine::add.Tensor". Null if there is none.
  const Op* find(std::string_view qualified_name) const;
  // Every overload of a name, in-place and out= forms being names and overloads of their own ("add_", "add.out"). A name
  // without a namespace is one of aten.
  std::vector<const Op*> overloads(std::string_view name) const;
  std::vector<const Op*> all() const;
  const std::vector<const OpDef*>& records() const { return records_; }
  // For the error of an unknown name: "" or "; did you mean mine::add or mine::and?".
  std::string near_misses(std::string_view name) const;
  // Grows whenever a library adds or takes away an operator.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  friend class Registered;
  struct Names;
  OpTable();
  static OpTable& mutable_table();
  void add(const OpDef& def);
  Op* add_form(const OpDef& def, Schema schema, Op::Form form, Forms forms);
  // Throws RuntimeError where there is one of that name already.
  void publish(Op* op);
  void withdraw(const Op* op);
  Names& names_;
  std::vector<const OpDef*> records_;
  std::atomic<uint64_t> generation_{0};
};

// ---- calling ---------------------------------------------------------------------------------------------------------

// What a program may do with what a tensor holds, or with its sizes, besides calling operators on it.
enum class Read : uint8_t { Number, Bool, Int, Float, Index, List, Length, Rows };

// Sees every call of this thread while it is pushed; innermost first. call() continues with `rushlight::call(op, args, rets)`, which
// then reaches the next one out and at last the kernel. The other functions are events: what a program learns of a tensor without a
// call. See docs/calls.md.
class Interceptor {
 public:
  // Those below autograd see what remains of a call once its gradient is recorded; they come after all that stand above it, whichever
  // was pushed first.
  enum class Place : uint8_t { AboveAutograd, BelowAutograd };
  explicit Interceptor(Place place = Place::AboveAutograd) : place(place) {}
  virtual ~Interceptor() = default;
  Interceptor(const Interceptor&) = delete;

  virtual void call(const Op& op, IValue* args, IValue* rets) = 0;
  // False for a composite (is_composite) that is to be run as the calls it is made of, which then come here one by one.
  virtual bool takes_whole(const Op&) const { return true; }

  // A size as a 0-d tensor that remembers where it is from; undefined: a number does. REQUIRES: 0 <= dim < t.dim().
  virtual Tensor size(const Tensor&, int64_t /*dim*/) { return {}; }
  virtual Tensor numel(const Tensor&) { return {}; }
  // What t holds is about to become a value of the program's own. May throw.
  virtual void reads(const Tensor& /*t*/, Read) {}
  // The number in t is about to stand for (the item `element` of) an argument of the next call.
  virtual void number(const Argument&, size_t /*element*/, const Tensor& /*t*/) {}
  // An object that is no operator is called, with these tensors among its arguments. True: leaves() is to be told of its results.
  virtual bool enters(const void* /*object*/, const Tensors&) { return false; }
  virtual void leaves(const Tensors&) {}

  const Place place;
  Interceptor* outer = nullptr;
};
// Puts an interceptor among the thread's; takes it out, wherever it stands.
void push_interceptor(Interceptor& i);
void pop_interceptor(Interceptor& i);
class InterceptorGuard {  // pushes for a scope
 public:
  explicit InterceptorGuard(Interceptor& i) : interceptor_(i) { push_interceptor(i); }
  ~InterceptorGuard() { pop_interceptor(interceptor_); }
  InterceptorGuard(const InterceptorGuard&) = delete;

 private:
  Interceptor& interceptor_;
};

// ---- events: what the front ends tell the interceptors, the innermost first ----

// The first that gives one; undefined almost always.
Tensor size_event(const Tensor& t, int64_t dim);
Tensor numel_event(const Tensor& t);
void read_event(const Tensor& t, Read how);
void number_event(const Argument& a, size_t element, const Tensor& t);
// The interceptor that wants to hear of the end; null if none does.
Interceptor* enter_event(const void* object, const Tensors& tensors);
// True where events have to be told, or where t's memory is not for everybody.
inline bool watched(const Tensor& t) {
  return thread_state.interceptor || t.impl()->flags() & (kWrapped | kPythonDispatch | kInParts);
}
inline bool watched() { return thread_state.interceptor; }

// Runs the operator and wires its results into the graph of gradients; installed by autograd/.
extern void (*record_gradient)(const Op& op, IValue* args, IValue* rets, uint8_t flags);
// Gives the nodes that made results the name of the operator's record; installed by autograd/.
extern void (*name_gradient)(const char* name, const IValue* rets, int count);
// Of a call with tensors whose Python class has a __torch_dispatch__; installed by the front end.
extern void (*call_python_dispatch)(const Op& op, IValue* args, IValue* rets);
void call_intercepted(const Op& op, IValue* args, IValue* rets);
// As `OpDef::sparse`: the record's own kernel and gradient take sparse tensors.
void takes_sparse(const Op& op, IValue* args, IValue* rets);
// What is left of a call once autograd has seen it: the interceptors below, then the kernel.
void call_below_slowly(const Op& op, IValue* args, IValue* rets, uint8_t flags);
inline void call_below_autograd(const Op& op, IValue* args, IValue* rets, uint8_t flags) {
  if (thread_state.interceptor || flags & (kPythonDispatch | kWrapped)) [[unlikely]]
    return call_below_slowly(op, args, rets, flags);
  op.run(args, rets);
}
// Throws for tensors whose memory is not for everybody: those of a transform, and those whose Python class keeps the values elsewhere.
void check_has_memory(const Tensor& t, const char* who);

// The TensorFlags of all arguments, and kMissing where one that has to be a tensor is undefined.
constexpr uint8_t kMissing = 128;
inline uint8_t argument_flags(const Op& op, const IValue* args) {
  uint8_t flags = 0;
  for (uint8_t i : op.tensor_args()) {
    auto missing = [&] { return op.required_tensors() >> i & 1 ? kMissing : 0; };
    if (args[i].is_tensor()) {
      flags |= args[i].tensor().impl()->flags();
    } else if (args[i].is_tensor_list()) {
      for (const Tensor& t : args[i].tensor_list()) flags |= t.defined() ? t.impl()->flags() : missing();
    } else if (args[i].is_none()) {
      flags |= missing();
    }
  }
  return flags;
}
// A call with a sparse tensor among its arguments, or of a factory that is to make one.
void call_sparse(const Op& op, IValue* args, IValue* rets);
// What flags ask for: checks of the arguments, then a node in the graph of gradients or the kernel.
void call_flagged(const Op& op, IValue* args, IValue* rets, uint8_t flags);

inline bool any_requires_grad(const Op& op, const IValue* args) {
  for (uint8_t i : op.tensor_args()) {
    if (args[i].is_tensor()) {
      if (args[i].tensor().requires_grad()) return true;
    } else if (args[i].is_tensor_list()) {
      for (const Tensor& t : args[i].tensor_list())
        if (t.defined() && t.requires_grad()) return true;
    }
  }
  return false;
}

// The one way in: `args` holds a value for every schema argument (defaults filled in), `rets` room for every result.
inline void call(const Op& op, IValue* args, IValue* rets) {
  if (thread_state.interceptor) [[unlikely]]
    return call_intercepted(op, args, rets);
  if (uint8_t flags = argument_flags(op, args)) return call_flagged(op, args, rets, flags);
  op.run(args, rets);
}

}  // namespace rushlight
