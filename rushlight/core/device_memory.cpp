#include "rushlight/core/device_memory.h"

#include "rushlight/core/device_interface.h"

namespace rushlight {

// No strides are negative: the first element lies lowest.
size_t span_bytes(const Tensor& t) {
  if (t.numel() == 0) return 0;
  int64_t last = 0;
  for (size_t i = 0; i < t.sizes().size(); i++) last += (t.sizes()[i] - 1) * t.strides()[i];
  return size_t((last + 1) * t.item_size());
}

Tensor host_like(const Tensor& t) {
  return Tensor(make_ref<TensorImpl>(make_ref<Storage>(span_bytes(t), Device()), t.dtype(), t.sizes(), t.strides(), 0));
}

Tensor host_span(const Tensor& t) {
  if (t.device().is_cpu()) return t;
  RL_CHECK(NotImplementedError, !t.device().is_meta(), "Cannot copy out of meta tensor; no data!");
  Tensor host = host_like(t);
  DeviceGuard guard(t.device());
  copy_bytes(Device(), host.raw(), t.device(), t.raw(), span_bytes(t));
  return host;
}

void send_span(const Tensor& t, const Tensor& host) {
  RL_INVARIANT(host.device().is_cpu() && host.strides() == t.strides() && host.sizes() == t.sizes());
  DeviceGuard guard(t.device());
  copy_bytes(t.device(), t.raw(), Device(), host.raw(), span_bytes(t));
}

}  // namespace rushlight
