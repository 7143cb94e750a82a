#include "rushlight/dispatch/library.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>

#include "rushlight/dispatch/op.h"
#include "rushlight/dispatch/values.h"

namespace rushlight {

void (*record_unknown_gradient)(const Op&, BoxedKernel&, IValue*, IValue*) = nullptr;
void (*record_missing_gradient)(const Op&, IValue*, IValue*) = nullptr;
void (*registration_warning)(const std::string&) = [](const std::string& text) {
  std::fprintf(stderr, "Warning: %s\n", text.c_str());
};

// ---- keys ------------------------------------------------------------------------------------------------------------------

namespace {

constexpr std::pair<DispatchKey, const char*> kKeyNames[] = {
    {DispatchKey::Undefined, "Undefined"},
    {DispatchKey::CPU, "CPU"},
    {DispatchKey::CUDA, "CUDA"},
    {DispatchKey::PrivateUse1, "PrivateUse1"},
    {DispatchKey::Meta, "Meta"},
    {DispatchKey::BackendSelect, "BackendSelect"},
    {DispatchKey::AutogradOther, "AutogradOther"},
    {DispatchKey::AutogradCPU, "AutogradCPU"},
    {DispatchKey::AutogradCUDA, "AutogradCUDA"},
    {DispatchKey::AutogradPrivateUse1, "AutogradPrivateUse1"},
    {DispatchKey::AutogradMeta, "AutogradMeta"},
    {DispatchKey::Autograd, "Autograd"},
    {DispatchKey::AutocastCPU, "AutocastCPU"},
    {DispatchKey::AutocastCUDA, "AutocastCUDA"},
    {DispatchKey::AutocastPrivateUse1, "AutocastPrivateUse1"},
    {DispatchKey::FuncTorchBatched, "FuncTorchBatched"},
    {DispatchKey::ADInplaceOrView, "ADInplaceOrView"},
    {DispatchKey::CompositeExplicitAutograd, "CompositeExplicitAutograd"},
    {DispatchKey::CompositeExplicitAutogradNonFunctional, "CompositeExplicitAutogradNonFunctional"},
    {DispatchKey::CompositeImplicitAutograd, "CompositeImplicitAutograd"},
};

}  // namespace

const char* name_of(DispatchKey key) { return kKeyNames[size_t(key)].second; }

DispatchKey parse_dispatch_key(std::string_view name) {
  if (name.empty() || name == "CatchAll") return DispatchKey::CatchAll;
  for (auto [key, text] : kKeyNames)
    if (name == text) return key;
  std::string known;
  for (auto [key, text] : kKeyNames) known += (known.empty() ? "" : ", ") + std::string(text);
  throw RuntimeError(str("could not parse dispatch key: ", name, "; the keys are ", known));
}

DispatchKey dispatch_key_of(DeviceType device) {
  switch (int(device)) {
    case 0: return DispatchKey::CPU;
    case 1: return DispatchKey::CUDA;
    case 14: return DispatchKey::Meta;
    case 20: return DispatchKey::PrivateUse1;
    default: return DispatchKey::Undefined;
  }
}

static DispatchKey autograd_key_of(DispatchKey backend) {
  switch (backend) {
    case DispatchKey::CPU: return DispatchKey::AutogradCPU;
    case DispatchKey::CUDA: return DispatchKey::AutogradCUDA;
    case DispatchKey::PrivateUse1: return DispatchKey::AutogradPrivateUse1;
    case DispatchKey::Meta: return DispatchKey::AutogradMeta;
    default: return DispatchKey::AutogradOther;
  }
}

// ---- what is registered under a name ----------------------------------------------------------------------------------------

namespace {

// One registration after the other; calls only take the lock of their operator.
std::mutex& registering() {
  static auto* m = new std::mutex;
  return *m;
}
std::map<std::string, const OpLibrary*>& namespaces() {
  static auto* all = new std::map<std::string, const OpLibrary*>;
  return *all;
}

// An operator's definition at run time; kept for good, as operators are.
struct LibraryDef {
  std::string text;
  OpDef def;
};

// The kernels that this thread is inside of, innermost first.
struct Running {
  const BoxedKernel* kernel;
  const Running* outer;
  int depth = outer ? outer->depth + 1 : 0;
};
// Kernels within kernels. One for autograd that does not go below it calls itself, and would until the stack ends.
constexpr int kMaxDepth = 500;
thread_local const Running* running = nullptr;

bool runs_here(const BoxedKernel* k) {
  for (const Running* r = running; r; r = r->outer)
    if (r->kernel == k) return true;
  return false;
}

}  // namespace

class Registered {
 public:
  static Registered& of(const std::string& name);  // REQUIRES: registering() is held
  static void run(const Op& op, IValue* args, IValue* rets);
  static bool has_record(const Op& op) { return op.record_run_; }
  static void run_withdrawn(const Op& op, IValue*, IValue*);

  // All three: registering() is held.
  void define(Schema schema, bool opaque, const OpLibrary* by);
  std::string add(DispatchKey key, Ref<BoxedKernel> kernel, const OpLibrary* by);  // a text to warn with, or ""
  void remove(const OpLibrary* by, std::vector<Ref<BoxedKernel>>& removed);

  Ref<BoxedKernel> find(DispatchKey key) const {
    std::lock_guard guard(lock_);
    return find_locked(key);
  }
  std::vector<DispatchKey> keys() const {
    std::lock_guard guard(lock_);
    std::vector<DispatchKey> out;
    for (const Entry& e : entries_)
      if (std::find(out.begin(), out.end(), e.key) == out.end()) out.push_back(e.key);
    return out;
  }
  bool defines(const Op& op) const {
    std::lock_guard guard(lock_);
    return op_ == &op;
  }

 private:
  explicit Registered(std::string name) : name_(std::move(name)) {}

  struct Entry {
    DispatchKey key;
    Ref<BoxedKernel> kernel;
    const OpLibrary* by;
  };
  Ref<BoxedKernel> find_locked(DispatchKey key) const {  // the last one registered
    for (size_t i = entries_.size(); i-- > 0;)
      if (entries_[i].key == key && !entries_[i].kernel->falls_through()) return entries_[i].kernel;
    return nullptr;
  }
  void settle();
  [[noreturn]] void fail(const Op& op, DispatchKey backend) const;

  const std::string name_;
  mutable std::mutex lock_;
  std::vector<Entry> entries_;
  Op* op_ = nullptr;                    // null while nothing defines the name
  const OpLibrary* definer_ = nullptr;  // null for records
  std::string defined_at_;
  bool record_differentiable_ = false;
  std::vector<Op*> made_;  // by libraries, also earlier ones
};

Registered& Registered::of(const std::string& name) {
  static auto* all = new std::map<std::string, Registered*>;
  Registered*& r = (*all)[name];
  if (r) return *r;
  r = new Registered(name);
  Scoped<bool> here(only_what_is_loaded, true);  // a library that is loaded now would wait for the lock that is held
  r->op_ = const_cast<Op*>(OpTable::get().find(name));
  if (r->op_) r->record_differentiable_ = r->op_->differentiable();
  return *r;
}

void Registered::define(Schema schema, bool opaque, const OpLibrary* by) {
  RL_CHECK(
      RuntimeError, !op_, "Tried to register an operator (", schema.full_text(),
      ") with the same name and overload name multiple times. Each overload's schema should only be registered with a "
      "single call to def(). Duplicate registration: ",
      by->where(),
      ". Original registration: ", definer_ ? defined_at_ : std::string("an operator of rushlight itself"));
  std::string text = schema.text();
  Op* op = nullptr;
  for (Op* old : made_)
    if (old->schema().text() == text && old->def().opaque == opaque) op = old;
  if (!op) {
    auto* kept = new LibraryDef{text, {}};
    kept->def.schema = kept->text.c_str();
    kept->def.doc = "";
    kept->def.kernel.kind = Kernel::Kind::Function;
    kept->def.kernel.arity = int(schema.args.size());
    kept->def.any_device = true;
    kept->def.sparse = takes_sparse;
    kept->def.opaque = opaque;
    op = OpTable::mutable_table().add_form(kept->def, std::move(schema), Op::Form::Function, kFunction);
    op->required_tensors_ = 0;
    op->record_run_ = nullptr;
    op->mutates_ = false;
    for (const Argument& a : op->schema().args) op->mutates_ |= a.is_mutated;
    op->registered_.store(this, std::memory_order_release);
  }
  for (const Entry& e : entries_) e.kernel->check(*op);
  op->differentiable_.store(false, std::memory_order_relaxed);
  op->run_.store(run, std::memory_order_release);
  OpTable::mutable_table().publish(op);
  if (std::find(made_.begin(), made_.end(), op) == made_.end()) made_.push_back(op);
  std::lock_guard guard(lock_);
  op_ = op;
  definer_ = by;
  defined_at_ = by->where();
}

// An operator of a record runs that as long as no library has a kernel for it.
void Registered::settle() {
  if (!op_ || !op_->record_run_) return;
  bool own_gradient = false;
  for (const Entry& e : entries_) own_gradient |= e.key >= DispatchKey::AutogradOther && e.key <= DispatchKey::Autograd;
  op_->registered_.store(this, std::memory_order_release);
  op_->differentiable_.store(record_differentiable_ && !own_gradient, std::memory_order_relaxed);
  op_->run_.store(entries_.empty() ? op_->record_run_ : run, std::memory_order_release);
}

std::string Registered::add(DispatchKey key, Ref<BoxedKernel> kernel, const OpLibrary* by) {
  if (op_) kernel->check(*op_);
  bool replaces = false;
  {
    std::lock_guard guard(lock_);
    for (const Entry& e : entries_) replaces |= e.key == key;
    entries_.push_back({key, std::move(kernel), by});
    settle();
  }
  return !replaces ? ""
                   : str("Overriding a previously registered kernel for the same operator and the same dispatch key\n"
                         "  operator: ",
                         op_ ? op_->schema().full_text() : name_, "\n  dispatch key: ", name_of(key),
                         "\n  new kernel: ", by->where());
}

void Registered::remove(const OpLibrary* by, std::vector<Ref<BoxedKernel>>& removed) {
  std::lock_guard guard(lock_);
  for (size_t i = 0; i < entries_.size();) {
    if (entries_[i].by != by) {
      i++;
      continue;
    }
    removed.push_back(std::move(entries_[i].kernel));
    entries_.erase(entries_.begin() + ptrdiff_t(i));
  }
  settle();
  if (definer_ != by) return;
  op_->run_.store(run_withdrawn, std::memory_order_release);
  OpTable::mutable_table().withdraw(op_);
  op_ = nullptr;
  definer_ = nullptr;
}

void Registered::run_withdrawn(const Op& op, IValue*, IValue*) {
  throw RuntimeError(str(op.symbol(),
                         ": the library that defined this operator was taken away (its torch.library.Library "
                         "was destroyed, or the shared library unloaded); load it again and look the "
                         "operator up anew"));
}

void Registered::fail(const Op& op, DispatchKey backend) const {
  std::string name = op.schema().ns() == "aten" ? "aten::" + op.qualified_name() : op.qualified_name();
  if (backend == DispatchKey::Meta)
    throw NotImplementedError(
        str(name,
            ": attempted to run this operator with Meta tensors, but there was no fake impl or Meta kernel registered. "
            "Register one with torch.library.register_fake, or TORCH_LIBRARY_IMPL for Meta"));
  std::string have;
  for (DispatchKey k : keys()) have += (have.empty() ? "" : ", ") + std::string(name_of(k));
  throw NotImplementedError(str("Could not run '", name, "' with arguments from the '", name_of(backend),
                                "' backend. '", name, "' is only available for these backends: [", have,
                                "]. Load the library that implements it, or register a kernel with torch.library or "
                                "TORCH_LIBRARY_IMPL"));
}

namespace {

// Where the kernel has to run: what is no CPU tensor decides, meta before all else.
DispatchKey backend_of(const Op& op, const IValue* args) {
  Device device;
  bool any = false;
  for (uint8_t i : op.tensor_args())
    any |= args[i].is_tensor() || (args[i].is_tensor_list() && !args[i].tensor_list().empty());
  each_tensor(op, args, [&](const Tensor& t) {
    if (!device.is_meta() && !t.device().is_cpu()) device = t.device();
  });
  for (int i = 0; !any && i < op.num_args(); i++)
    if (args[i].is_device()) device = args[i].to_device();
  return dispatch_key_of(device.type);
}

// Counts writes that the kernel itself did not count, as they may have gone through a pointer; `always`: those too that it did.
class WriteCount {
 public:
  WriteCount(const Op& op, const IValue* args, bool always) : always_(always) {
    if (!op.mutates()) return;
    const auto& schema = op.schema().args;
    for (size_t i = 0; i < schema.size(); i++) {
      if (!schema[i].is_mutated) continue;
      if (args[i].is_tensor()) add(args[i].tensor());
      else if (args[i].is_tensor_list())
        for (const Tensor& t : args[i].tensor_list()) add(t);
    }
  }
  void done() {
    for (auto& [t, version] : written_)
      if ((always_ || t.impl()->version() == version) && !t.impl()->inference) t.impl()->bump_version();
  }

 private:
  void add(const Tensor& t) {
    if (t.defined()) written_.emplace_back(t, t.impl()->version());
  }
  bool always_;
  std::vector<std::pair<Tensor, uint32_t>> written_;
};

}  // namespace

void Registered::run(const Op& op, IValue* args, IValue* rets) {
  const Registered& r = *op.registered();
  DispatchKey backend = backend_of(op, args);
  Ref<BoxedKernel> kernel;
  bool track = false, at_autograd = false, counts = false;
  {
    std::lock_guard guard(r.lock_);
    if (r.op_ != &op) run_withdrawn(op, args, rets);  // while this call was on its way
    if (!thread_state.below_autograd) {
      kernel = r.find_locked(autograd_key_of(backend));
      if (!kernel) kernel = r.find_locked(DispatchKey::Autograd);
      at_autograd = bool(kernel);
    }
    if (!kernel) {
      kernel = r.find_locked(DispatchKey::BackendSelect);
      if (!kernel || runs_here(kernel.get())) kernel = r.find_locked(backend);
      if (!kernel) kernel = r.find_locked(DispatchKey::CompositeExplicitAutograd);
      if (!kernel && backend != DispatchKey::Meta)
        kernel = r.find_locked(DispatchKey::CompositeExplicitAutogradNonFunctional);
      track = kernel && !op.record_run_ && !thread_state.below_autograd;
      if (!kernel) kernel = r.find_locked(DispatchKey::CompositeImplicitAutograd);
    }
    for (const Entry& e : r.entries_) {
      counts |= e.key == DispatchKey::ADInplaceOrView;
      // Who registers nothing for autograd knows that gradients end here.
      if (e.key >= DispatchKey::AutogradOther && e.key <= DispatchKey::Autograd && e.kernel->falls_through())
        track = false;
    }
  }
  if (!kernel) {
    if (op.record_run_) return op.record_run_(op, args, rets);
    // What only writes to its arguments leaves their shapes as they are.
    if (backend == DispatchKey::Meta && op.schema().returns.empty() && !op.writes().empty()) return;
    r.fail(op, backend);
  }
  Running here{kernel.get(), running};
  RL_CHECK(
      RuntimeError, here.depth < kMaxDepth, op.symbol(),
      ": its kernel calls itself without end; one for Autograd has to go below it, with AutoDispatchBelowAutograd");
  Scoped<const Running*> inside(running, &here);
  // An operator that counts its writes (custom_op) does so once: below its kernel for autograd, if it has one.
  WriteCount writes(op, args, counts && !at_autograd);
  if (track && thread_state.grad_enabled && any_requires_grad(op, args))
    record_unknown_gradient(op, *kernel, args, rets);
  else kernel->call(op, args, rets);
  writes.done();
}

namespace {

// What stands below autograd, as a kernel.
class Below final : public BoxedKernel {
 public:
  explicit Below(uint8_t flags) : flags_(flags) {}
  void call(const Op& op, IValue* args, IValue* rets) override {
    NoGradGuard off;
    call_below_slowly(op, args, rets, flags_);
  }

 private:
  uint8_t flags_;
};

}  // namespace

void call_registered(const Op& op, IValue* args, IValue* rets, uint8_t flags) {
  bool seen = flags & (kPythonDispatch | kWrapped);
  for (Interceptor* i = thread_state.interceptor; i; i = i->outer)
    seen |= i->place == Interceptor::Place::BelowAutograd;
  bool at_autograd = !thread_state.below_autograd && has_autograd_kernel(op);
  if (!seen || at_autograd || is_composite(op)) return op.run(args, rets);
  if (Registered::has_record(op) || thread_state.below_autograd || !thread_state.grad_enabled ||
      !any_requires_grad(op, args))
    return call_below_slowly(op, args, rets, flags);
  Ref<BoxedKernel> below = make_ref<Below>(flags);
  record_unknown_gradient(op, *below, args, rets);
}

// ---- libraries -----------------------------------------------------------------------------------------------------------------

OpLibrary::OpLibrary(Kind kind, std::string ns, std::string where)
    : kind_(kind), ns_(std::move(ns)), where_(std::move(where)) {
  bool name = !ns_.empty() && !std::isdigit(static_cast<unsigned char>(ns_[0]));
  for (char c : ns_) name &= c == '_' || std::isalnum(static_cast<unsigned char>(c));
  RL_CHECK(RuntimeError, name, "the namespace of a library has to be a name, got \"", ns_, "\" (", where_, ")");
  if (kind_ != Kind::Def) return;
  std::lock_guard guard(registering());
  bool own = ns_ == "aten" || ns_ == "prim";
  auto at = namespaces().find(ns_);
  RL_CHECK(
      RuntimeError, !own && at == namespaces().end(),
      "Only a single TORCH_LIBRARY can be used to register the namespace ", ns_,
      "; please put all of your definitions in a single TORCH_LIBRARY block. If you were trying to specify "
      "implementations, consider using TORCH_LIBRARY_IMPL (which can be duplicated). If you really intended to define "
      "operators for a single namespace in a distributed way, you can use TORCH_LIBRARY_FRAGMENT to explicitly "
      "indicate this. Previous registration of TORCH_LIBRARY was ",
      own ? std::string("that of rushlight itself") : at->second->where(), "; latest registration was ", where_);
  namespaces().emplace(ns_, this);
  owns_namespace_ = true;
}

std::string OpLibrary::full_name(std::string_view name) const {
  size_t colon = name.find("::");
  if (colon == name.npos) return ns_ == "aten" ? std::string(name) : str(ns_, "::", name);
  RL_CHECK(RuntimeError, ns_ == "_" || name.substr(0, colon) == ns_, "the library of namespace ", ns_, " (", where_,
           ") can't register ", name, ": that is of another namespace");
  return std::string(name.starts_with("aten::") ? name.substr(6) : name);
}

std::string OpLibrary::define(std::string_view text, bool opaque) {
  RL_CHECK(RuntimeError, kind_ != Kind::Impl, "def(): can't define the operator ", text,
           " in a TORCH_LIBRARY_IMPL block (", where_,
           "); operators are defined in TORCH_LIBRARY or TORCH_LIBRARY_FRAGMENT");
  Schema schema = Schema::parse(text);
  schema.name = full_name(schema.name);
  RL_CHECK(RuntimeError, schema.args.size() <= kMaxArguments, schema.name, ": an operator takes at most ",
           kMaxArguments, " arguments, got ", schema.args.size());
  RL_CHECK(RuntimeError, ns_ != "aten" || schema.returns.size() <= kMaxResults, schema.name,
           ": an operator of aten returns at most ", kMaxResults, " values, got ", schema.returns.size());
  std::string name = schema.qualified_name();
  std::lock_guard guard(registering());
  Registered& r = Registered::of(name);
  r.define(std::move(schema), opaque, this);
  touched_.push_back(&r);
  return name;
}

void OpLibrary::impl(std::string_view name, DispatchKey key, Ref<BoxedKernel> kernel) {
  std::string full = full_name(name);
  std::string warning;
  {
    std::lock_guard guard(registering());
    Registered& r = Registered::of(full);
    warning = r.add(key, std::move(kernel), this);
    touched_.push_back(&r);
  }
  if (!warning.empty()) registration_warning(warning);
}

void OpLibrary::drop(bool wait) {
  std::vector<Ref<BoxedKernel>> removed;
  {
    std::lock_guard guard(registering());
    for (Registered* r : touched_) r->remove(this, removed);
    touched_.clear();
    if (owns_namespace_) namespaces().erase(ns_);
    owns_namespace_ = false;
  }
  if (!wait) return;
  using namespace std::chrono;
  // At most so long: at the end of a process, threads may never come back.
  auto until = steady_clock::now() + seconds(10);
  for (const Ref<BoxedKernel>& k : removed)
    while (k->refs() > 1 && !runs_here(k.get()) && steady_clock::now() < until)
      std::this_thread::sleep_for(milliseconds(1));
}

std::string missing_operator(std::string_view symbol) {
  std::string out = OpTable::get().near_misses(symbol);
  if (!out.empty() || symbol.starts_with("aten::") || symbol.starts_with("prim::") || symbol.find("::") == symbol.npos)
    return out;
  return out + str("; the library that defines it is not loaded: see torch.ops.load_library, or import the module that "
                   "registers it");
}

Ref<BoxedKernel> find_kernel(const Op& op, DispatchKey key) {
  return op.registered() ? op.registered()->find(key) : nullptr;
}
std::vector<DispatchKey> kernel_keys(const Op& op) {
  return op.registered() ? op.registered()->keys() : std::vector<DispatchKey>();
}
bool is_defined(const Op& op) { return !op.registered() || op.registered()->defines(op); }

}  // namespace rushlight
