#include "rushlight/core/storage.h"

#include <algorithm>
#include <cstring>

#include "rushlight/core/no_device.h"

namespace rushlight {

void Storage::resize(size_t bytes) {
  RL_CHECK(RuntimeError, resizable(),
           "resize: trying to resize storage that is not resizable (its memory belongs to somebody else)");
  if (device_.is_meta()) {
    bytes_ = bytes;
    return;
  }
  void* fresh = allocator_->allocate(bytes);
  if (data_ && fresh) std::memcpy(fresh, data_, std::min(bytes, bytes_));
  allocator_->deallocate(data_, bytes_);
  data_ = fresh;
  bytes_ = bytes;
}

void Storage::fail_device(Device device) {
  throw NoDeviceError(str("Torch not compiled with CUDA enabled: cannot make a tensor on device ", device,
                          ", this build of rushlight has no support for it"));
}

}  // namespace rushlight
