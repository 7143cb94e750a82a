// c10/core/DeviceGuard.h: makes a device current for a scope. The CPU and meta need none.
#pragma once
#include <optional>

#include "rushlight/api/tensor.h"
#include "rushlight/core/device_interface.h"

namespace rushlight::api {

class DeviceGuard {
 public:
  explicit DeviceGuard(Device device) : original_(of_now(device)), current_(device), guard_(device) {}
  Device original_device() const { return original_; }
  Device current_device() const { return current_; }

 private:
  static Device of_now(Device device) {
    if (device.is_cpu() || device.is_meta()) return device;
    return Device(device.type(), DeviceIndex(device_interface(device.type()).current()));
  }
  Device original_, current_;
  rushlight::DeviceGuard guard_;
};

// One that may be none, and be made later.
class OptionalDeviceGuard {
 public:
  OptionalDeviceGuard() = default;
  explicit OptionalDeviceGuard(std::optional<Device> device) {
    if (device) reset_device(*device);
  }
  void reset_device(Device device) {
    guard_.reset();
    guard_.emplace(device);
  }
  void reset() { guard_.reset(); }
  std::optional<Device> original_device() const {
    return guard_ ? std::optional<Device>(guard_->original_device()) : std::nullopt;
  }
  std::optional<Device> current_device() const {
    return guard_ ? std::optional<Device>(guard_->current_device()) : std::nullopt;
  }

 private:
  std::optional<DeviceGuard> guard_;
};

inline std::optional<Device> device_of(const Tensor& t) {
  return t.defined() ? std::optional<Device>(t.device()) : std::nullopt;
}

}  // namespace rushlight::api
