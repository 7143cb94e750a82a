#include "rushlight/core/device.h"

#include <charconv>

#include "rushlight/core/error.h"

namespace rushlight {

Device Device::parse(std::string_view text) {
  std::string_view kind = text.substr(0, text.find(':'));
  Device d;
  if (kind == "cpu") d.type = DeviceType::Cpu;
  else if (kind == "cuda") d.type = DeviceType::Cuda;
  else if (kind == "meta") d.type = DeviceType::Meta;
  else
    RL_CHECK(RuntimeError, false, "device: expected one of cpu, cuda, meta at the start of a device string, got '",
             text, "'");
  if (kind.size() < text.size()) {
    std::string_view digits = text.substr(kind.size() + 1);
    int index = -1;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    RL_CHECK(RuntimeError, error == std::errc() && end == digits.data() + digits.size() && index >= 0 && index < 128,
             "device: expected a number from 0 to 127 after ':', got '", text, "'");
    d.index = int8_t(index);
  }
  return d;
}

std::string Device::text() const {
  const char* kind = type == DeviceType::Cpu ? "cpu" : type == DeviceType::Cuda ? "cuda" : "meta";
  return index < 0 ? std::string(kind) : str(kind, ":", int(index));
}

}  // namespace rushlight
