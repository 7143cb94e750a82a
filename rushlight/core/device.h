// Device: where a tensor's bytes are.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace rushlight {

// Numbered as PyTorch's; the second spellings are its C++ names. A device can be named whether or not something supports it; tensors
// there need its interface (core/device_interface.h).
enum class DeviceType : int8_t {
  Cpu = 0,
  Cuda = 1,
  Mkldnn = 2,
  OpenGl = 3,
  OpenCl = 4,
  Ideep = 5,
  Hip = 6,
  Fpga = 7,
  Maia = 8,
  Xla = 9,
  Vulkan = 10,
  Metal = 11,
  Xpu = 12,
  Mps = 13,
  Meta = 14,
  Hpu = 15,
  Ve = 16,
  Lazy = 17,
  Ipu = 18,
  Mtia = 19,
  PrivateUse1 = 20,  // one that somebody else adds, under a name of their own
  CPU = Cpu,
  CUDA = Cuda,
  MKLDNN = Mkldnn,
  OPENGL = OpenGl,
  OPENCL = OpenCl,
  IDEEP = Ideep,
  HIP = Hip,
  FPGA = Fpga,
  MAIA = Maia,
  XLA = Xla,
  XPU = Xpu,
  MPS = Mps,
  HPU = Hpu,
  VE = Ve,
  IPU = Ipu,
  MTIA = Mtia,
  COMPILE_TIME_MAX_DEVICE_TYPES = 21,
};
constexpr int kDeviceTypes = 21;

struct Device {
  DeviceType type = DeviceType::Cpu;
  int8_t index = -1;  // -1: the current one
  // "cpu", "cuda", "cuda:1", "meta". Throws RuntimeError for anything else.
  static Device parse(std::string_view text);
  std::string text() const;
  bool is_cpu() const { return type == DeviceType::Cpu; }
  bool is_meta() const { return type == DeviceType::Meta; }
  friend bool operator==(Device a, Device b) { return a.type == b.type && a.index == b.index; }
  friend bool operator!=(Device a, Device b) { return !(a == b); }
};

// "cpu", "privateuseone" or what that was renamed to.
std::string_view device_type_name(DeviceType type);
// Gives DeviceType::PrivateUse1 its name, once. Throws RuntimeError for the name of another device, and for a second name.
void rename_privateuse1(std::string_view name);

inline void append_text(std::string& out, Device d) { out += d.text(); }

}  // namespace rushlight
