// Device: where a tensor's bytes are.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace rushlight {

// Numbered as PyTorch's; the second spellings are its C++ names.
enum class DeviceType : int8_t { Cpu = 0, Cuda = 1, Meta = 14, CPU = Cpu, CUDA = Cuda };

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

inline void append_text(std::string& out, Device d) { out += d.text(); }

}  // namespace rushlight
