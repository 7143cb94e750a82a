// Memory that an accelerator copies from while the program goes on: is_pinned, pin_memory.
#include "rushlight/core/device_interface.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_pin_memory.h"
#include "rushlight/fn/copy_.h"

namespace rushlight {
namespace {

bool is_pinned_op(const Tensor& self, std::optional<Device>) {
  if (self.impl()->flags() & kInParts) return false;
  const Allocator* from = self.storage().allocator();
  for (int i = 0; from && i < kDeviceTypes; i++)
    if (DeviceInterface* device = find_device(DeviceType(i)); device && device->pinned_allocator() == from) return true;
  return false;
}

Allocator& pinned_allocator(const Tensor& self, std::optional<Device> given) {
  Device d = given ? *given : Device{accelerator_type()};
  RL_CHECK(RuntimeError, !d.is_cpu(), "Cannot access accelerator device when none is available.");
  Allocator* pinned = device_interface(d.type).pinned_allocator();
  RL_CHECK(RuntimeError, pinned, "pin_memory: device ", d, " has no pinned memory");
  RL_CHECK(RuntimeError, self.device().is_cpu() && !(self.impl()->flags() & kInParts), "cannot pin a tensor on ",
           self.device(), ": only dense CPU tensors can be pinned");
  return *pinned;
}

Tensor pinned_copy(const Tensor& self, std::optional<Device> device) {
  Allocator& pinned = pinned_allocator(self, device);
  Dims strides = preserved_strides(self);
  Tensor out(make_ref<TensorImpl>(make_ref<Storage>(size_t(self.nbytes()), Device(), pinned), self.dtype(),
                                  self.sizes(), strides, 0));
  NoGradGuard no_grad;
  copy_(out, self);
  return out;
}

Tensor pin_memory_op(const Tensor& self, std::optional<Device> device) {
  return self.storage().allocator() == &pinned_allocator(self, device) ? self : _pin_memory(self, device);
}

}  // namespace

OP(is_pinned, {.schema = "is_pinned(Tensor self, Device? device=None) -> bool",
               .doc = "Whether the memory is pinned for an accelerator. >>> torch.ones(2).is_pinned()\nFalse",
               .kernel = function<is_pinned_op>(),
               .forms = kMethod,
               .any_device = true,
               .sparse = takes_sparse});
OP(_pin_memory, {.schema = "_pin_memory(Tensor self, Device? device=None) -> Tensor",
                 .doc = "A copy in pinned memory.",
                 .kernel = function<pinned_copy>(),
                 .forms = kFunction});
OP(pin_memory,
   {.schema = "pin_memory(Tensor(a) self, Device? device=None) -> Tensor(a)",
    .doc = "A copy in memory that the accelerator copies from while the program goes on; itself where it is "
           "there already. RuntimeError where there is no accelerator.",
    .kernel = composite<pin_memory_op>(),
    .forms = kMethod});
}  // namespace rushlight
