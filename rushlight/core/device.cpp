#include "rushlight/core/device.h"

#include <atomic>
#include <charconv>

#include "rushlight/core/dtype.h"
#include "rushlight/core/error.h"

namespace rushlight {
namespace {

// By number.
constexpr std::string_view kNames[] = {"cpu",  "cuda", "mkldnn", "opengl", "opencl", "ideep", "hip",
                                       "fpga", "maia", "xla",    "vulkan", "metal",  "xpu",   "mps",
                                       "meta", "hpu",  "ve",     "lazy",   "ipu",    "mtia",  "privateuseone"};
static_assert(sizeof kNames / sizeof *kNames == kDeviceTypes);

std::atomic<const std::string*> private_name{nullptr};  // never freed: views of it are handed out

bool find_type(std::string_view name, DeviceType& type) {
  for (int i = 0; i < kDeviceTypes; i++)
    if (kNames[i] == name) return type = DeviceType(i), true;
  const std::string* own = private_name.load();
  return own && *own == name && (type = DeviceType::PrivateUse1, true);
}

}  // namespace

std::string_view device_type_name(DeviceType type) {
  if (type == DeviceType::PrivateUse1)
    if (const std::string* own = private_name.load()) return *own;
  return int(type) >= 0 && int(type) < kDeviceTypes ? kNames[int(type)] : "unknown";
}

void rename_privateuse1(std::string_view name) {
  const std::string* now = private_name.load();
  if (now && *now == name) return;
  RL_CHECK(RuntimeError, !now, "rename_privateuse1_backend: the device has its name already, ", now ? *now : "",
           ", and keeps it; it was to be ", name);
  DeviceType taken;
  RL_CHECK(RuntimeError, name == "privateuseone" || !find_type(name, taken),
           "Cannot register privateuse1 backend with in-tree device name: ", name);
  RL_CHECK(RuntimeError, !name.empty() && name.find(':') == name.npos,
           "rename_privateuse1_backend: expected a name without ':', got '", name, "'");
  auto* made = new std::string(name);
  const std::string* none = nullptr;
  if (private_name.compare_exchange_strong(none, made)) return;
  delete made;
  rename_privateuse1(name);  // another thread was first
}

Device Device::parse(std::string_view text) {
  RL_CHECK(RuntimeError, !text.empty(), "Device string must not be empty");
  std::string_view kind = text.substr(0, text.find(':'));
  Device d;
  if (!find_type(kind, d.type)) {
    std::string all;
    DType dtype;
    for (std::string_view n : kNames) all += (all.empty() ? "" : ", ") + std::string(n);
    throw RuntimeError(str("Expected one of ", all, " device type at start of device string: ", text,
                           dtype_from_name(kind, dtype) ? str(". Hint: a dtype is torch.", kind, ", without quotes")
                                                        : ". Hint: 'cpu', or 'cuda' where torch.cuda.is_available()"));
  }
  if (kind.size() < text.size()) {
    std::string_view digits = text.substr(kind.size() + 1);
    int index = -1;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    RL_CHECK(RuntimeError, error == std::errc() && end == digits.data() + digits.size() && index >= 0 && index < 128,
             "Invalid device string: '", text, "'; expected a number from 0 to 127 after ':'");
    d.index = int8_t(index);
  }
  return d;
}

std::string Device::text() const {
  std::string_view kind = device_type_name(type);
  return index < 0 ? std::string(kind) : str(kind, ":", int(index));
}

}  // namespace rushlight
