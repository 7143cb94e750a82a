// Storage: a block of bytes on one device, shared by the tensors that view it, with the version counter they share.
// Thread safety: reference counting is atomic; resize() and move_into() need outside agreement.
#pragma once
#include <atomic>
#include <memory>

#include "rushlight/core/allocator.h"
#include "rushlight/core/device.h"
#include "rushlight/core/free_list.h"
#include "rushlight/core/ref.h"

namespace rushlight {

class Storage final : public RefCounted, public Recycled<Storage> {
 public:
  // Uninitialised bytes from the device's allocator; on the meta device there are none and data() is null. A device without index is
  // the current one. Throws OutOfMemory, and for a device that no library supports.
  Storage(size_t bytes, Device device) : bytes_(bytes), device_(device) {
    if (device.is_cpu()) data_ = (allocator_ = &cpu_allocator())->allocate(bytes);
    else if (!device.is_meta()) allocate_on_device();
  }
  // Bytes of another allocator than the device's own (pinned memory), which has to outlive the storage.
  Storage(size_t bytes, Device device, Allocator& from)
      : data_(from.allocate(bytes)), bytes_(bytes), allocator_(&from), device_(device) {}
  // Borrows memory that somebody else owns; `keep` is held for as long as the storage lives.
  Storage(void* data, size_t bytes, Device device, std::shared_ptr<void> keep, bool read_only = false)
      : data_(data), bytes_(bytes), keep_(std::move(keep)), device_(device), read_only_(read_only) {}
  ~Storage() override {
    if (allocator_) allocator_->deallocate(data_, bytes_);
  }

  // An address of the device: only code for that device may follow it.
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  const Allocator* allocator() const { return allocator_; }
  bool resizable() const { return allocator_ || device_.is_meta(); }
  bool read_only() const { return read_only_; }
  // Keeps the first min(old, new) bytes. Throws RuntimeError for borrowed memory.
  void resize(size_t bytes);
  // The same bytes, which the caller has copied, at another address from now on.
  void move_into(void* data, std::shared_ptr<void> keep);
  // What borrowed memory keeps alive; null for memory of an allocator.
  const std::shared_ptr<void>& keep() const { return keep_; }

  // Note [Version counters]: every in-place operator adds one; a saved tensor remembers the count it was saved at, and backward
  // raises if it has moved. Views share the count because they share the storage; `x.data` starts one of its own, which views of
  // it share (TensorImpl).
  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void allocate_on_device();

  void* data_ = nullptr;
  size_t bytes_ = 0;
  Allocator* allocator_ = nullptr;
  std::shared_ptr<void> keep_;
  std::atomic<uint32_t> version_{0};
  Device device_;
  bool read_only_ = false;
};

// ---- bytes between devices ----

// `bytes` of memory on `to` from memory on `from`, either of them any device with memory. Returns when they are there, unless
// `non_blocking` (core/device_interface.h).
void copy_bytes(Device to, void* out, Device from, const void* in, size_t bytes, bool non_blocking = false);
// `count` times the item.
void fill_bytes(Device device, void* to, const void* item, size_t item_bytes, size_t count);

}  // namespace rushlight
