#include "rushlight/dispatch/device_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <unordered_set>

#include "rushlight/core/device_memory.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/kernels/copying.h"

namespace rushlight {

const DeviceKernel* find_device_kernel(const OpDef& def, DeviceType type) {
  const DeviceKernel* k = def.device_kernels.load(std::memory_order_acquire);
  while (k && k->type != type) k = k->next;
  return k;
}

void DeviceKernels::publish() {
  Device device{type_};
  RL_CHECK(RuntimeError, find_device(type_), "kernels for device ", device,
           ": no interface is registered for it (register_device comes first)");
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::vector<const OpDef*> defs;
  std::unordered_set<const OpDef*> seen;
  for (auto& [name, kernel] : kernels_) {
    const Op* op = OpTable::get().find(name);
    RL_CHECK(RuntimeError, op, "kernels for device ", device, ": there is no operator '", name, "'");
    const OpDef& def = op->def();
    using enum Kernel::Kind;
    Kernel::Kind kind = def.kernel.kind;
    bool fills = kind == Structured || kind == Mutation, calls = kind == Function || kind == Mutation;
    RL_CHECK(RuntimeError, fills || calls, "kernels for device ", device, ": '", name,
             "' takes none; it is made of other operators, or reads no memory");
    RL_CHECK(RuntimeError, (kernel.fill && fills) || (kernel.call && calls), "kernels for device ", device, ": '", name,
             "' needs one that ", fills ? "fills its results" : "makes its results", ", got ",
             kernel.fill || kernel.call ? "the other kind" : "null");
    RL_CHECK(RuntimeError, seen.insert(&def).second && !find_device_kernel(def, type_), "kernels for device ", device,
             ": '", name, "' has a kernel for it already");
    defs.push_back(&def);
  }
  for (size_t i = 0; i < defs.size(); i++) {
    DeviceKernel* k = new DeviceKernel(kernels_[i].second);  // stays: a call may be running it
    k->type = type_;
    keep_loaded(k->fill ? reinterpret_cast<const void*>(k->fill) : reinterpret_cast<const void*>(k->call));
    k->next = defs[i]->device_kernels.load();
    defs[i]->device_kernels.store(k, std::memory_order_release);
  }
  kernels_.clear();
}

DeviceLibrary::DeviceLibrary(void (*start)()) {
  try {
    start();
  } catch (const std::exception& e) { registration_failed(e.what()); }
}

// ---- Note [Fall-back] ----

namespace {

struct Counts {
  std::atomic<bool> allowed{true};
  std::mutex mutex;
  std::map<std::string, int64_t, std::less<>> by_name;
  Counts() {
    const char* set = std::getenv("RUSHLIGHT_CPU_FALLBACK");
    allowed = !set || std::string_view(set) != "0";
  }
};
Counts& counts() {
  static Counts* made = new Counts;
  return *made;
}

bool elsewhere(const Tensor& t) { return t.defined() && !t.device().is_cpu() && !t.device().is_meta(); }

// The arguments of a call with copies on the CPU in place of the device's tensors; one copy for each tensor.
class HostArguments {
 public:
  HostArguments(const Op& op, const IValue* args, Device device) : op_(op) {
    const auto& all = op.schema().args;
    values_.reserve(all.size());
    for (size_t i = 0; i < all.size(); i++) {
      // What draws without being given a generator draws from the device's.
      if (all[i].base_type().is(Type::Kind::Generator) && args[i].is_none())
        values_.push_back(IValue(Ref<Generator>(&default_generator(device))));
      else values_.push_back(convert(args[i]));
    }
  }
  IValue* values() { return values_.data(); }

  Tensor host(const Tensor& t) {
    if (!elsewhere(t)) return t;
    for (auto& [there, here] : pairs_)
      if (there.is_same(t)) return here;
    Tensor copy = host_span(t);
    pairs_.emplace_back(t, copy);
    return copy;
  }
  // The other way; undefined for a tensor that is no copy of an argument.
  Tensor original(const Tensor& host) const {
    for (auto& [there, here] : pairs_)
      if (here.is_same(host)) return there;
    return {};
  }
  // What was written goes back: what the schema says, and what operators inside of the kernel wrote to (a batch norm's statistics).
  void send_written(size_t from = 0) const {
    for (size_t i = from; i < values_.size(); i++) {
      const Argument& a = op_.schema().args[i];
      if (a.is_out) continue;
      auto send = [&](const Tensor& here) {
        if (Tensor there = original(here); there.defined() && (a.is_mutated || here.impl()->version() > 0))
          copy_elements(there, here);
      };
      if (values_[i].is_tensor()) send(values_[i].tensor());
      else if (values_[i].is_tensor_list())
        for (const Tensor& t : values_[i].tensor_list()) send(t);
    }
  }

 private:
  IValue convert(const IValue& v) {
    if (v.is_tensor()) return elsewhere(v.tensor()) ? IValue(host(v.tensor())) : v;
    if (!v.is_tensor_list()) return v;
    Tensors all;
    for (const Tensor& t : v.tensor_list()) all.push_back(host(t));
    return IValue(std::move(all));
  }
  const Op& op_;
  std::vector<IValue> values_;
  std::vector<std::pair<Tensor, Tensor>> pairs_;
};

}  // namespace

void allow_cpu_fallback(bool on) { counts().allowed = on; }
bool cpu_fallback_allowed() { return counts().allowed; }
std::vector<std::pair<std::string, int64_t>> cpu_fallback_counts() {
  std::lock_guard lock(counts().mutex);
  return {counts().by_name.begin(), counts().by_name.end()};
}
void reset_cpu_fallback_counts() {
  std::lock_guard lock(counts().mutex);
  counts().by_name.clear();
}
void note_cpu_fallback(std::string_view op, Device device) {
  RL_CHECK(NotImplementedError, cpu_fallback_allowed(), op, ": there is no kernel for device ", device,
           ", and copying to the CPU and back instead is switched off (rushlight.backends.cpu_fallback.enabled)");
  std::lock_guard lock(counts().mutex);
  auto found = counts().by_name.find(op);
  if (found == counts().by_name.end()) counts().by_name.emplace(op, 1);
  else found->second++;
}

void fill_on_device(const Op& op, IValue* args, const Tensor* outs, int count) {
  Device device = outs[0].device();
  DeviceGuard guard(device);
  const DeviceKernel* k = find_device_kernel(op.def(), device.type);
  if (k && k->fill && k->fill(op, args, outs)) return;
  note_cpu_fallback(op.name(), device);
  HostArguments host(op, args, device);
  Tensor results[kMaxResults];
  for (int i = 0; i < count; i++) {
    for (uint8_t a : op.tensor_args())  // in place: the result is an argument
      if (args[a].is_tensor() && args[a].tensor().is_same(outs[i]) && !op.schema().args[a].is_out)
        results[i] = host.host(outs[i]);
    if (!results[i].defined()) results[i] = host_like(outs[i]);
  }
  op.def().kernel.cpu(op, host.values(), results);
  host.send_written(op.form() == Op::Form::InPlace ? size_t(count) : 0);  // those are the results
  for (int i = 0; i < count; i++) copy_elements(outs[i], results[i]);
}

void call_on_device(const Op& op, IValue* args, IValue* rets, Device device) {
  DeviceGuard guard(device);
  const DeviceKernel* k = find_device_kernel(op.def(), device.type);
  if (k && k->call && k->call(op, args, rets)) return;
  if (k && k->fill && op.def().kernel.kind == Kernel::Kind::Mutation && k->fill(op, args, &args[0].tensor())) {
    rets[0] = args[0];
    return;
  }
  note_cpu_fallback(op.name(), device);
  HostArguments host(op, args, device);
  op.def().kernel.call(op, host.values(), rets);
  host.send_written();
  auto there = [&](const Tensor& t) {
    if (!t.defined() || !t.device().is_cpu()) return t;
    if (Tensor original = host.original(t); original.defined()) return original;
    Tensor made = empty_strided_tensor(t.sizes(), preserved_strides(t), t.dtype(), device);
    copy_elements(made, t);
    return made;
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) {
      rets[i] = IValue(there(rets[i].tensor()));
    } else if (rets[i].is_tensor_list()) {
      Tensors all;
      for (const Tensor& t : rets[i].tensor_list()) all.push_back(there(t));
      rets[i] = IValue(std::move(all));
    }
  }
}

bool copy_on_device(const Tensor& to, const Tensor& from) {
  static const Op* copy = OpTable::get().find("copy_");
  const DeviceKernel* k = find_device_kernel(copy->def(), to.device().type);
  if (!k || !k->fill) return false;
  DeviceGuard guard(to.device());
  IValue args[3] = {IValue::borrow(to), IValue::borrow(from), false};
  return k->fill(*copy, args, &to);
}

}  // namespace rushlight
