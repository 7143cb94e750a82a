#include "rushlight/core/device_interface.h"

#include <dlfcn.h>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "rushlight/core/no_device.h"

namespace rushlight {
namespace {

std::array<std::atomic<DeviceInterface*>, kDeviceTypes> interfaces{};

}  // namespace

// ---- what a device need not have ----

void DeviceInterface::lacks(const char* what) const {
  throw NotImplementedError(str(Device{type_}.text(), ": the library of this device has no ", what));
}
void DeviceInterface::fill(int index, void* to, const void* item, size_t item_bytes, size_t count) {
  std::vector<char> host(item_bytes * count);
  for (size_t i = 0; i < count; i++) std::memcpy(host.data() + i * item_bytes, item, item_bytes);
  copy_to(index, to, host.data(), host.size(), false);
}
void DeviceInterface::set_current_stream(int, int64_t id) {
  if (id != 0) lacks("streams");
}
int64_t DeviceInterface::new_stream(int, int) { lacks("streams"); }
void* DeviceInterface::new_event(int, bool) { lacks("events"); }
void DeviceInterface::record_event(int, void*, int64_t) { lacks("events"); }
bool DeviceInterface::event_done(int, void*) { lacks("events"); }
void DeviceInterface::wait_for_event(int, void*) { lacks("events"); }
void DeviceInterface::stream_waits(int, int64_t, void*) { lacks("events"); }
double DeviceInterface::milliseconds_between(int, void*, void*) { lacks("events with times"); }

// ---- which there are ----

// The library that holds this address stays loaded from now on, whoever closes it.
static void keep_library_of(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) && info.dli_fname) dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

void register_device(DeviceType type, DeviceInterface* interface) {
  Device device{type};
  RL_CHECK(RuntimeError, int(type) >= 0 && int(type) < kDeviceTypes, "register_device: there is no device type ",
           int(type));
  RL_CHECK(RuntimeError, !device.is_cpu() && !device.is_meta(), "register_device: ", device,
           " is a device of rushlight's own");
  RL_CHECK(RuntimeError, interface, "register_device: expected an interface for ", device, ", got null");
  int count = interface->count();
  RL_CHECK(RuntimeError, count > 0 && count <= 127, "register_device: the library of ", device, " says that it has ",
           count, " devices; expected 1 to 127");
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  auto& slot = interfaces[size_t(type)];
  RL_CHECK(RuntimeError, !slot.load(), "register_device: a library for device ", device,
           " is loaded already; its registration stands, this one is refused");
  interface->type_ = type;
  keep_library_of(*reinterpret_cast<void* const*>(interface));  // its virtual table
  slot.store(interface, std::memory_order_release);
}

DeviceInterface* find_device(DeviceType type) {
  return int(type) < 0 || int(type) >= kDeviceTypes ? nullptr
                                                    : interfaces[size_t(type)].load(std::memory_order_acquire);
}

void fail_no_device(Device device) {
  if (device.type == DeviceType::Cuda || device.type == DeviceType::Xpu)
    throw NoDeviceError(str("Torch not compiled with ", device.type == DeviceType::Cuda ? "CUDA" : "XPU",
                            " enabled: cannot make a tensor on device ", device,
                            ", this build of rushlight has no support for it. Hint: choose the device with "
                            "torch.device('cuda' if torch.cuda.is_available() else 'cpu')"));
  throw NotImplementedError(str("no library for device ", device,
                                " is loaded: load the one that adds it (torch.ops.load_library, or the Python package "
                                "that does so) before tensors are made there"));
}

DeviceInterface& device_interface(DeviceType type) {
  DeviceInterface* found = find_device(type);
  if (!found) fail_no_device({type});
  return *found;
}

Device located(Device device) {
  if (device.is_cpu() || device.is_meta()) return device;
  DeviceInterface* interface = find_device(device.type);
  if (!interface) fail_no_device(device);
  if (device.index < 0) device.index = int8_t(interface->current());
  int count = interface->count();
  RL_CHECK(RuntimeError, device.index < count, "invalid device ordinal: there is no device ", device, ", only ", count,
           " of that type");
  return device;
}

DeviceType accelerator_type() {
  for (int i = 0; i < kDeviceTypes; i++)
    if (find_device(DeviceType(i))) return DeviceType(i);
  return DeviceType::Cpu;
}

Generator& default_generator(Device device) {
  device = located(device);
  DeviceInterface* interface = find_device(device.type);
  return interface ? interface->default_generator(device.index) : default_generator();
}

// ---- what is current ----

DeviceGuard::DeviceGuard(Device device) {
  if (device.is_cpu() || device.is_meta()) return;
  device = located(device);
  DeviceInterface* interface = find_device(device.type);
  before_ = interface->current();
  if (before_ != device.index) interface->set_current(device.index);
  interface_ = interface;
}
DeviceGuard::~DeviceGuard() {
  if (interface_ && interface_->current() != before_) interface_->set_current(before_);
}

StreamGuard::StreamGuard(const Stream& stream) : device_(stream.device), before_(current_stream(stream.device)) {
  set_current_stream(stream);
}
StreamGuard::~StreamGuard() { set_current_stream(before_); }

Stream current_stream(Device device) {
  device = located(device);
  DeviceInterface* interface = find_device(device.type);
  return {device, interface ? interface->current_stream(device.index) : 0};
}
void set_current_stream(const Stream& stream) {
  Device device = located(stream.device);
  if (DeviceInterface* interface = find_device(device.type)) interface->set_current_stream(device.index, stream.id);
}
Stream new_stream(Device device, int priority) {
  device = located(device);
  DeviceInterface* interface = find_device(device.type);
  return {device, interface ? interface->new_stream(device.index, priority) : 0};
}
bool stream_done(const Stream& stream) {
  Device device = located(stream.device);
  DeviceInterface* interface = find_device(device.type);
  return !interface || interface->stream_done(device.index, stream.id);
}
void synchronize(const Stream& stream) {
  Device device = located(stream.device);
  if (DeviceInterface* interface = find_device(device.type)) interface->wait_for_stream(device.index, stream.id);
}
void synchronize(Device device) {
  device = located(device);
  if (DeviceInterface* interface = find_device(device.type)) interface->synchronize(device.index);
}

// ---- events ----

Event::Event(Device device, bool timing)
    : device_(located(device)), interface_(find_device(device_.type)), timing_(timing) {
  if (interface_) event_ = interface_->new_event(device_.index, timing);
}
Event::~Event() {
  if (interface_) interface_->free_event(device_.index, event_);
}
void Event::record(const Stream& stream) {
  RL_CHECK(RuntimeError, stream.device == device_, "Event.record: the event is on device ", device_, ", the stream on ",
           stream.device);
  if (interface_) interface_->record_event(device_.index, event_, stream.id);
  recorded_ = true;
}
bool Event::done() const { return !interface_ || !recorded_ || interface_->event_done(device_.index, event_); }
void Event::synchronize() const {
  if (interface_ && recorded_) interface_->wait_for_event(device_.index, event_);
}
void Event::make_wait(const Stream& stream) const {
  if (!interface_ || !recorded_) return;
  if (stream.device.type == device_.type) interface_->stream_waits(stream.device.index, stream.id, event_);
  else interface_->wait_for_event(device_.index, event_);  // another kind of device knows nothing of it
}
double Event::milliseconds_until(const Event& end) const {
  RL_CHECK(RuntimeError, recorded_ && end.recorded_, "Event.elapsed_time: both events must be recorded first");
  RL_CHECK(RuntimeError, timing_ && end.timing_,
           "Event.elapsed_time: both events must be made with enable_timing=True");
  RL_CHECK(RuntimeError, interface_ && device_ == end.device_,
           "Event.elapsed_time: expected two events of one device, got ", device_, " and ", end.device_);
  return interface_->milliseconds_between(device_.index, event_, end.event_);
}

}  // namespace rushlight
