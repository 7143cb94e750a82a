// Kernels for devices: a library that adds a device (core/device_interface.h) gives operators kernels for it, at run time.
//
//   void relu(const Tensor& self, const Tensor& out) { launch(...); }
//   DeviceKernels kernels(DeviceType::PrivateUse1);
//   kernels.fill<relu>("relu").fill<add>("add.Tensor");
//   kernels.publish();
//
// A kernel is the record's: "relu" serves relu, relu_ and relu.out, and all overloads that share the record. It runs below autograd,
// with the tensors' device current, and gives its work to the current stream (current_stream(device)). CPU tensors without dimensions
// may stand among its arguments as numbers. What has no kernel, or one that returns false, is done by the CPU: see
// Note [Fall-back].
// Thread safety: all of it may run at once with calls of the operators.
#pragma once
#include <string>
#include <vector>

#include "rushlight/core/device_interface.h"
#include "rushlight/dispatch/boxing.h"

namespace rushlight {

struct DeviceKernel {
  // Fills tensors of the sizes, dtypes and strides that the record's meta function gave (Structured), or writes to outs[0], which
  // is the first argument (Mutation). False: not this case, nothing was written.
  using Fill = bool (*)(const Op& op, IValue* args, const Tensor* outs);
  // For what makes its results itself (Function), and for what returns none.
  using Call = bool (*)(const Op& op, IValue* args, IValue* rets);
  Fill fill = nullptr;
  Call call = nullptr;
  DeviceType type = DeviceType::Cpu;
  const DeviceKernel* next = nullptr;  // of another device, for the same record
};

// Null: the record has none for the device.
const DeviceKernel* find_device_kernel(const OpDef& def, DeviceType type);

// Kernels of one library, which all become visible or none.
class DeviceKernels {
 public:
  explicit DeviceKernels(DeviceType type) : type_(type) {}
  DeviceKernels& add(std::string op, DeviceKernel kernel) {
    kernels_.emplace_back(std::move(op), kernel);
    return *this;
  }
  // F takes the operator's arguments, as kernels of structured() do (dispatch/kernel.h), and then its results; it may return a bool.
  template <auto F, int results = 1>
  DeviceKernels& fill(std::string op) {
    return add(std::move(op), {.fill = [](const Op&, IValue* args, const Tensor* outs) {
                 return apply<F>(args, outs, std::make_index_sequence<results>());
               }});
  }
  // Throws RuntimeError, and changes nothing, for names without an operator, for operators that have a kernel for the device
  // already, for kernels that don't suit the kind of operator or are null, and where no interface for the device is registered.
  void publish();

 private:
  template <auto F, size_t... I>
  static bool apply(IValue* args, const Tensor* outs, std::index_sequence<I...>) {
    using S = Signature<decltype(F)>;
    if constexpr (requires { bool(S::apply(F, args, outs[I]...)); }) return S::apply(F, args, outs[I]...);
    else return S::apply(F, args, outs[I]...), true;
  }
  DeviceType type_;
  std::vector<std::pair<std::string, DeviceKernel>> kernels_;
};

// RL_DEVICE_LIBRARY(function): what a library of a device runs while it is loaded. What the function throws,
// torch.ops.load_library raises (dispatch/library.h).
class DeviceLibrary {
 public:
  explicit DeviceLibrary(void (*start)());
};
#define RL_DEVICE_LIBRARY(function) static const ::rushlight::DeviceLibrary rl_device_library(function);

// ---- for the forms (run.cpp) ----

// Fills `outs`, which are on a device that is neither the CPU nor meta.
void fill_on_device(const Op& op, IValue* args, const Tensor* outs, int count);
// Runs the record's `call` for arguments there; `device` is theirs.
void call_on_device(const Op& op, IValue* args, IValue* rets, Device device);
// The device's own kernel for copies within it: in another order, dtype or shape. False: it has none for the case.
bool copy_on_device(const Tensor& to, const Tensor& from);

// ---- Note [Fall-back] ----
// A device need not have a kernel for every operator: what it lacks copies the arguments to the CPU, runs there, and copies back what was
// written. The copies cost more than most kernels; so they are counted by operator, and can be made errors.

// False: operators without a kernel raise NotImplementedError from now on. It is on at first, unless RUSHLIGHT_CPU_FALLBACK=0.
void allow_cpu_fallback(bool on);
bool cpu_fallback_allowed();
// How often each operator fell back since the start or the last reset.
std::vector<std::pair<std::string, int64_t>> cpu_fallback_counts();
void reset_cpu_fallback_counts();
// Counts one; throws NotImplementedError where the fall-back is off.
void note_cpu_fallback(std::string_view op, Device device);

}  // namespace rushlight
