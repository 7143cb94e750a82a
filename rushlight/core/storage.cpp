#include "rushlight/core/storage.h"

#include <algorithm>
#include <cstring>

#include "rushlight/core/device_interface.h"
#include "rushlight/core/error.h"
#include "rushlight/core/lazy_copy.h"

namespace rushlight {
namespace {

// Tells bytes that are shared until written from others that storages borrow.
struct SharedBytes {
  size_t bytes;
  void operator()(void* data) const { cpu_allocator().deallocate(data, bytes); }
};

}  // namespace

void Storage::allocate_on_device() {
  device_ = located(device_);
  allocator_ = &find_device(device_.type)->allocator(device_.index);
  data_ = allocator_->allocate(bytes_);
}

void Storage::resize(size_t bytes) {
  RL_CHECK(RuntimeError, resizable(),
           "resize: trying to resize storage that is not resizable (its memory belongs to somebody else)");
  if (device_.is_meta()) {
    bytes_ = bytes;
    return;
  }
  void* fresh = allocator_->allocate(bytes);
  if (data_ && fresh) copy_bytes(device_, fresh, device_, data_, std::min(bytes, bytes_));
  allocator_->deallocate(data_, bytes_);
  data_ = fresh;
  bytes_ = bytes;
}

void Storage::move_into(void* data, std::shared_ptr<void> keep) {
  if (allocator_ && data != data_) allocator_->deallocate(data_, bytes_);
  allocator_ = nullptr;
  data_ = data;
  keep_ = std::move(keep);
  read_only_ = is_shared_until_written(*this);
}

bool is_shared_until_written(const Storage& storage) {
  return storage.keep() && std::get_deleter<SharedBytes>(storage.keep());
}

Ref<Storage> lazy_copy(Storage& storage) {
  RL_CHECK(RuntimeError, is_shared_until_written(storage) || storage.allocator() == &cpu_allocator(),
           "_lazy_clone: expected memory of the CPU that the tensor itself allocated; use clone()");
  if (storage.allocator())
    storage.move_into(storage.data(), std::shared_ptr<void>(storage.data(), SharedBytes{storage.bytes()}));
  return make_ref<Storage>(storage.data(), storage.bytes(), storage.device(), storage.keep(), true);
}

void materialize(Storage& storage) {
  if (!is_shared_until_written(storage)) return;
  std::shared_ptr<void> shared = storage.keep();
  if (shared.use_count() == 2)  // this one's and the storage's
    return storage.move_into(storage.data(), std::shared_ptr<void>(storage.data(), [shared](void*) {}));
  size_t bytes = storage.bytes();
  void* own = cpu_allocator().allocate(bytes);
  copy_bytes({}, own, {}, storage.data(), bytes);
  storage.move_into(own, std::shared_ptr<void>(own, [bytes](void* p) { cpu_allocator().deallocate(p, bytes); }));
}

void copy_bytes(Device to, void* out, Device from, const void* in, size_t bytes, bool non_blocking) {
  if (!bytes) return;
  if (to.is_cpu() && from.is_cpu()) {
    std::memcpy(out, in, bytes);
  } else if (from.is_cpu()) {
    device_interface(to.type).copy_to(to.index, out, in, bytes, non_blocking);
  } else if (to.is_cpu()) {
    device_interface(from.type).copy_from(from.index, out, in, bytes, non_blocking);
  } else if (to.type == from.type) {
    device_interface(to.type).copy_within(to.index, out, from.index, in, bytes);
  } else {  // two libraries that don't know of each other
    std::unique_ptr<char[]> host(new char[bytes]);
    device_interface(from.type).copy_from(from.index, host.get(), in, bytes, false);
    device_interface(to.type).copy_to(to.index, out, host.get(), bytes, false);
  }
}

void fill_bytes(Device device, void* to, const void* item, size_t item_bytes, size_t count) {
  RL_INVARIANT(!device.is_cpu() && !device.is_meta());
  if (count) device_interface(device.type).fill(device.index, to, item, item_bytes, count);
}

}  // namespace rushlight
