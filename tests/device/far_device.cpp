// A device for tests: PyTorch's `privateuseone`, two of them, whose memory the CPU cannot touch under the addresses that tensors have:
// those lie in pages without access, and the bytes are elsewhere. Its processor is the CPU on the other side of that fence: a kernel
// translates addresses and runs there, some written here, most the CPU's own. So results are the CPU's to the bit, and whatever
// reads or writes a tensor without asking the device's interface is a fault.
#include <sys/mman.h>

#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "rushlight/core/device_memory.h"
#include "rushlight/dispatch/device_kernels.h"

using namespace rushlight;

namespace {

constexpr size_t kMemory = size_t(4) << 30;  // of each device
constexpr int kDevices = 2;

std::mutex counting;
std::map<std::string, int64_t> kernel_calls;
void count(const std::string& name) {
  std::lock_guard lock(counting);
  kernel_calls[name]++;
}

// ---- memory ----

class FarMemory final : public Allocator {
 public:
  FarMemory() {
    auto reserve = [](int access) {
      void* p = mmap(nullptr, kMemory, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
    };
    shown_ = reserve(PROT_NONE);
    real_ = reserve(PROT_READ | PROT_WRITE);
  }
  bool ready() const { return shown_ && real_; }
  char* real(const void* shown) const { return real_ + (static_cast<const char*>(shown) - shown_); }
  bool holds(const void* p) const { return p >= shown_ && p < shown_ + kMemory; }

  void* allocate(size_t bytes) override {
    if (!bytes) return nullptr;
    size_t size = (bytes + 255) / 256 * 256;
    std::lock_guard lock(mutex_);
    size_t at;
    if (auto found = free_.find(size); found != free_.end()) {
      at = found->second;
      free_.erase(found);
    } else {
      if (size > kMemory - end_) {
        stats_.out_of_memory++;
        throw OutOfMemory(str("the far device has no ", bytes, " bytes left"));
      }
      at = end_;
      end_ += size;
      stats_.reserved.current = stats_.reserved.peak = int64_t(end_);
    }
    stats_.bytes.current += int64_t(size);
    stats_.bytes.peak = std::max(stats_.bytes.peak, stats_.bytes.current);
    stats_.bytes.allocated += int64_t(size);
    stats_.blocks.current++;
    std::memset(real_ + at, 0xFF, size);  // what nobody wrote shows
    return shown_ + at;
  }
  void deallocate(void* p, size_t bytes) override {
    if (!p) return;
    size_t size = (bytes + 255) / 256 * 256;
    std::lock_guard lock(mutex_);
    free_.emplace(size, size_t(static_cast<char*>(p) - shown_));
    stats_.bytes.current -= int64_t(size);
    stats_.bytes.freed += int64_t(size);
    stats_.blocks.current--;
  }
  AllocatorStats stats() const override {
    std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  mutable std::mutex mutex_;
  char *shown_ = nullptr, *real_ = nullptr;
  size_t end_ = 0;
  std::multimap<size_t, size_t> free_;
  AllocatorStats stats_;
};

class PinnedMemory final : public Allocator {
 public:
  void* allocate(size_t bytes) override { return cpu_allocator().allocate(bytes); }
  void deallocate(void* p, size_t bytes) override { cpu_allocator().deallocate(p, bytes); }
};

// ---- the interface ----

struct FarEvent {
  bool timing;
  std::chrono::steady_clock::time_point when;
};

thread_local int current_device = 0;
thread_local int64_t current_streams[kDevices] = {};

class Far final : public DeviceInterface {
 public:
  int count() override { return kDevices; }
  int current() override { return current_device; }
  void set_current(int index) override { current_device = index; }
  DeviceProperties properties(int index) override {
    return {
        .name = str("far ", index), .total_memory = int64_t(kMemory), .multi_processors = 1, .major = 1, .minor = 0};
  }
  FarMemory& allocator(int index) override { return memory_[index]; }
  Allocator* pinned_allocator() override { return &pinned_; }
  void copy_to(int index, void* to, const void* host, size_t bytes, bool non_blocking) override {
    ::count(non_blocking ? "copy_to, not blocking" : "copy_to");
    std::memcpy(memory_[index].real(to), host, bytes);
  }
  void copy_from(int index, void* host, const void* from, size_t bytes, bool) override {
    ::count("copy_from");
    std::memcpy(host, memory_[index].real(from), bytes);
  }
  void copy_within(int to_index, void* to, int from_index, const void* from, size_t bytes) override {
    ::count("copy_within");
    std::memmove(memory_[to_index].real(to), memory_[from_index].real(from), bytes);
  }
  void synchronize(int) override { ::count("synchronize"); }

  // Work is done when it is given, on whichever stream.
  int64_t current_stream(int index) override { return current_streams[index]; }
  void set_current_stream(int index, int64_t id) override { current_streams[index] = id; }
  int64_t new_stream(int, int) override { return ++streams_; }
  void wait_for_stream(int, int64_t) override { ::count("wait_for_stream"); }
  void* new_event(int, bool timing) override { return new FarEvent{timing, {}}; }
  void free_event(int, void* event) override { delete static_cast<FarEvent*>(event); }
  void record_event(int, void* event, int64_t) override {
    static_cast<FarEvent*>(event)->when = std::chrono::steady_clock::now();
  }
  bool event_done(int, void*) override { return true; }
  void wait_for_event(int, void*) override { ::count("wait_for_event"); }
  void stream_waits(int, int64_t, void*) override { ::count("stream_waits"); }
  double milliseconds_between(int, void* begin, void* end) override {
    return std::chrono::duration<double, std::milli>(static_cast<FarEvent*>(end)->when -
                                                     static_cast<FarEvent*>(begin)->when)
        .count();
  }

  FarMemory memory_[kDevices];

 private:
  PinnedMemory pinned_;
  std::atomic<int64_t> streams_{0};
};
Far* far_device = nullptr;

// ---- kernels ----

bool is_far(const Tensor& t) { return t.defined() && t.device().type == DeviceType::PrivateUse1; }

// The tensor under the address that the device's processor knows it by.
Tensor inside(const Tensor& t) {
  if (!is_far(t)) return t;
  FarMemory& memory = far_device->memory_[t.device().index];
  Storage& s = t.storage();
  auto keep = std::make_shared<Tensor>(t);
  void* real = s.data() ? memory.real(s.data()) : nullptr;
  auto storage = make_ref<Storage>(real, s.bytes(), Device(), keep);
  return Tensor(make_ref<TensorImpl>(std::move(storage), t.dtype(), t.sizes(), t.strides(), t.storage_offset()));
}

// Arguments translated; tensors that are the same stay the same.
struct Inside {
  std::vector<IValue> values;
  std::vector<std::pair<Tensor, Tensor>> pairs;

  Tensor get(const Tensor& t) {
    if (!is_far(t)) return t;
    for (auto& [there, here] : pairs)
      if (there.is_same(t)) return here;
    pairs.emplace_back(t, inside(t));
    return pairs.back().second;
  }
  Inside(const Op& op, const IValue* args) {
    for (int i = 0; i < op.num_args(); i++) {
      if (args[i].is_tensor()) {
        values.push_back(IValue(get(args[i].tensor())));
      } else if (args[i].is_tensor_list()) {
        Tensors all;
        for (const Tensor& t : args[i].tensor_list()) all.push_back(get(t));
        values.push_back(IValue(std::move(all)));
      } else {
        values.push_back(args[i]);
      }
    }
  }
};

// The record's own kernel on this side of the fence.
bool fill_inside(const Op& op, IValue* args, const Tensor* outs) {
  count(op.name());
  Inside here(op, args);
  if (op.def().kernel.kind == Kernel::Kind::Mutation) {
    IValue ret;
    op.def().kernel.call(op, here.values.data(), &ret);
    return true;
  }
  TensorSpec specs[kMaxResults];
  Tensor results[kMaxResults];
  int n = op.def().kernel.meta(op, here.values.data(), specs);
  for (int i = 0; i < n; i++) results[i] = here.get(outs[i]);
  op.def().kernel.cpu(op, here.values.data(), results);
  return true;
}
bool call_inside(const Op& op, IValue* args, IValue* rets) {
  count(op.name());
  if (op.num_returns() > 0) return false;
  Inside here(op, args);
  op.def().kernel.call(op, here.values.data(), rets);
  return true;
}

// Two that are written here, as a library writes its own.
bool plain(const Tensor& t, const Tensor& like) {
  return t.dtype() == DType::Float32 && t.is_contiguous() && t.sizes() == like.sizes();
}
float* real(const Tensor& t) { return reinterpret_cast<float*>(far_device->memory_[t.device().index].real(t.raw())); }
bool add(const Tensor& self, const Tensor& other, const Scalar& alpha, const Tensor& out) {
  if (out.dtype() == DType::Int64) {
    IValue args[3] = {IValue(self), IValue(other), IValue(alpha)};
    return fill_inside(*OpTable::get().find("add.Tensor"), args, &out);
  }
  if (!is_far(self) || !is_far(other) || !plain(out, out) || !plain(self, out) || !plain(other, out)) return false;
  count("add, its own");
  float *a = real(self), *b = real(other), *o = real(out), factor = alpha.to<float>();
  for (int64_t i = 0; i < out.numel(); i++) o[i] = a[i] + factor * b[i];
  return true;
}
void relu(const Tensor& self, const Tensor& out) {
  count("relu, its own");
  Tensor a = inside(self), o = inside(out);
  IValue args[1] = {IValue(a)};
  const Op& op = *OpTable::get().find("relu");
  op.def().kernel.cpu(op, args, &o);
}

std::string error;
// Null, or why not.
template <class F>
const char* tried(const F& f) {
  try {
    f();
    return nullptr;
  } catch (const Error& e) { return (error = e.what()).c_str(); }
}

constexpr const char* kFills[] = {"_conv",
                                  "_conv_input",
                                  "_conv_weight",
                                  "_native_batch_norm",
                                  "_batch_norm_backward",
                                  "_log_softmax",
                                  "_log_softmax_backward_data",
                                  "_max_pool",
                                  "threshold_backward",
                                  "linear",
                                  "linear_backward",
                                  "nll_loss_forward",
                                  "nll_loss_backward",
                                  "mul.Tensor",
                                  "div.Tensor",
                                  "eq.Tensor",
                                  "sum",
                                  "sum.dim_IntList",
                                  "argmax",
                                  "bernoulli_.float",
                                  "scatter_add",
                                  "mm",
                                  "copy_"};
constexpr const char* kCalls[] = {"_fused_adam_", "_foreach_add_.Scalar"};

void start(bool with_kernels) {
  auto* device = new Far;
  for (FarMemory& m : device->memory_) RL_CHECK(OutOfMemory, m.ready(), "the far device found no address space");
  register_device(DeviceType::PrivateUse1, device);
  far_device = device;
  if (!with_kernels) return;
  DeviceKernels kernels(DeviceType::PrivateUse1);
  kernels.fill<add>("add.Tensor").fill<relu>("relu");
  for (const char* name : kFills) kernels.add(name, {.fill = fill_inside});
  for (const char* name : kCalls) kernels.add(name, {.call = call_inside});
  kernels.publish();
}
#ifdef FAR_AT_LOAD  // as libraries for users do
RL_DEVICE_LIBRARY([] { start(true); })
#endif

}  // namespace

// ---- what the tests call ----

extern "C" {

// The device without kernels, or with those that the digits need. The text of an error, or null.
const char* far_start(bool with_kernels) {
  return tried([&] { start(with_kernels); });
}

// Registrations that have to be refused.
const char* far_refused(const char* what) {
  return tried([&] {
    std::string_view w = what;
    DeviceKernels kernels(DeviceType::PrivateUse1);
    if (w == "device twice") return register_device(DeviceType::PrivateUse1, new Far);
    if (w == "cpu") return register_device(DeviceType::Cpu, new Far);
    if (w == "null device") return register_device(DeviceType::Xpu, nullptr);
    if (w == "no interface") return DeviceKernels(DeviceType::Xpu).add("exp", {.fill = fill_inside}).publish();
    if (w == "unknown operator")
      kernels.add("exp", {.fill = fill_inside}).add("no_such_operator", {.fill = fill_inside});
    if (w == "kernel twice") kernels.add("exp", {.fill = fill_inside}).add("relu", {.fill = fill_inside});
    if (w == "twice in one") kernels.add("exp", {.fill = fill_inside}).add("exp", {.fill = fill_inside});
    if (w == "composite") kernels.add("exp", {.fill = fill_inside}).add("conv2d", {.fill = fill_inside});
    if (w == "view") kernels.add("exp", {.fill = fill_inside}).add("view", {.fill = fill_inside});
    if (w == "null kernel") kernels.add("exp", {});
    if (w == "wrong kind") kernels.add("exp", {.call = call_inside});
    kernels.publish();
  });
}

int64_t far_calls(const char* name) {
  std::lock_guard lock(counting);
  auto found = kernel_calls.find(name);
  return found == kernel_calls.end() ? 0 : found->second;
}

// A CPU kernel on the device's memory, as if nothing kept it off. Does not come back.
void far_touch_from_cpu() {
  Tensor t = empty_tensor({4}, DType::Float32, {DeviceType::PrivateUse1, 0});
  IValue args[1] = {IValue(t)};
  const Op& op = *OpTable::get().find("relu");
  op.def().kernel.cpu(op, args, &t);
}
}
