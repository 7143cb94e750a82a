// Operators and kernels that libraries add at run time, from C++ (torch/library.h) or Python (torch.library), and take away again.
//
//   OpLibrary lib(OpLibrary::Kind::Def, "mine", "here.cpp:3");
//   lib.define("scale(Tensor x, float by) -> Tensor");
//   lib.impl("scale", DispatchKey::CPU, kernel);
//
// Which kernel runs: one for autograd, unless the thread is below autograd; that of the tensors' device; CompositeExplicit;
// CompositeImplicit; that of the record, for the operators that have one. Gradients flow through what a CompositeImplicit kernel
// calls; a kernel for autograd makes them itself; below any other kernel they end, with a warning.
//
// Thread safety: everything here may run at once with calls of the operators. C++17: programs include it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rushlight/core/device.h"
#include "rushlight/core/ivalue.h"

namespace rushlight {

class Op;
class Registered;
struct Schema;

// Whether a ScalarType may have that value.
inline bool is_dtype_number(int64_t i) { return i >= 0 && i < kDTypeSlots && item_size(DType(i)) > 0; }

// PyTorch's names of what a kernel is for.
enum class DispatchKey : uint8_t {
  Undefined,
  CPU,
  CUDA,
  PrivateUse1,
  Meta,
  BackendSelect,  // for all devices, above the kernels of each: chooses where no tensor tells
  AutogradOther,
  AutogradCPU,
  AutogradCUDA,
  AutogradPrivateUse1,
  AutogradMeta,
  Autograd,
  AutocastCPU,
  AutocastCUDA,
  AutocastPrivateUse1,
  FuncTorchBatched,
  ADInplaceOrView,
  CompositeExplicitAutograd,
  CompositeExplicitAutogradNonFunctional,
  CompositeImplicitAutograd,
  CatchAll = CompositeImplicitAutograd,
};
const char* name_of(DispatchKey key);
// Throws RuntimeError for what is no name of a key.
DispatchKey parse_dispatch_key(std::string_view name);
// Undefined for a device that has no key.
DispatchKey dispatch_key_of(DeviceType device);

// A kernel with what belongs to it.
class BoxedKernel : public RefCounted {
 public:
  // Fills `rets`, which come as None: one for each return of the schema, of its type.
  virtual void call(const Op& op, IValue* args, IValue* rets) = 0;
  // Throws RuntimeError if calls of such an operator don't fit.
  virtual void check(const Op&) const {}
  // Stands for no kernel: the next one in order runs.
  virtual bool falls_through() const { return false; }
};

// What one library registered. Dropping it takes all of that away: operators that it defined are errors from then on.
class OpLibrary {
 public:
  // Def: the only one to define a namespace. Fragment: adds to one. Impl: gives kernels only.
  enum class Kind : uint8_t { Def, Fragment, Impl };

  // `where` is named in errors. Throws RuntimeError for a second Def of a namespace.
  OpLibrary(Kind kind, std::string ns, std::string where);
  ~OpLibrary() { drop(); }
  OpLibrary(const OpLibrary&) = delete;

  // Returns the name with the overload. Throws RuntimeError for a schema that is none, or one of a name that is taken.
  // `opaque`: see OpDef.
  std::string define(std::string_view schema, bool opaque = false);
  // `name` with or without namespace, of an operator that may come later.
  void impl(std::string_view name, DispatchKey key, Ref<BoxedKernel> kernel);
  // Waits for calls of its kernels in other threads if `wait`, as code that is unloaded needs it.
  void drop(bool wait = false);

  Kind kind() const { return kind_; }
  const std::string& ns() const { return ns_; }
  const std::string& where() const { return where_; }

 private:
  friend class Registered;
  std::string full_name(std::string_view name) const;  // checks the namespace
  Kind kind_;
  std::string ns_, where_;
  bool owns_namespace_ = false;
  std::vector<Registered*> touched_;
};

// Runs the kernel for one key, as the operators that libraries register do between them. Null: there is none.
Ref<BoxedKernel> find_kernel(const Op& op, DispatchKey key);
std::vector<DispatchKey> kernel_keys(const Op& op);
bool is_defined(const Op& op);

// For the error of a name that no operator has, behind that name: what is near, and what to do for another namespace than ours.
std::string missing_operator(std::string_view symbol);

// Loads a shared library that registers operators (TORCH_LIBRARY). Throws OsError if it can't be loaded, and RuntimeError if it registers
// what can't be: then nothing of it stays.
void load_library(const std::string& path);
// Starts the plug-in that a library's symbol `rl_plugin` describes (rushlight/c_api.h); installed by capi/.
extern void (*start_plugin)(const void* symbol, const std::string& path);
// Loads the library of rushlight's own that has the namespace of such a symbol ("torchvision::nms"), once. False: there is none.
bool load_provided(std::string_view symbol);
// While true, this thread looks names up without that.
extern thread_local bool only_what_is_loaded;
// For the initialisers of such libraries: says so where load_library was called, otherwise on the standard error stream.
void registration_failed(std::string text);
// The library that holds this code is never unloaded from here on.
void keep_loaded(const void* address);

// Told of kernels that replace others; the Python front end makes them warnings of Python.
extern void (*registration_warning)(const std::string& text);

// A call of an operator that has kernels from libraries, its gradient not yet looked after: what they have for autograd comes before
// the interceptors below autograd and the classes of Python that answer calls.
void call_registered(const Op& op, IValue* args, IValue* rets, uint8_t flags);

// Runs `kernel`, whose gradient nobody knows, and warns who asks for it; installed by autograd/.
extern void (*record_unknown_gradient)(const Op& op, BoxedKernel& kernel, IValue* args, IValue* rets);

// Runs the kernel below autograd of an operator whose gradient is an error for who asks for it; installed by autograd/.
extern void (*record_missing_gradient)(const Op& op, IValue* args, IValue* rets);

}  // namespace rushlight
