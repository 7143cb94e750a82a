// DeviceInterface: what a library that adds a device gives to all others: memory, copies, streams, events, random numbers.
// Storages, `to`, `copy_`, printing, saving and `.item()` go through it and so work for every device; the operators' kernels for the
// device stand beside it (dispatch/device_kernels.h). C++17: libraries of devices include it.
//
// Thread safety: all functions may be called at once from any thread. What is current (device, stream) is so for the calling thread.
// Lifetime: an interface that was registered stays for good, and so must the library that it is in.
#pragma once
#include <string>

#include "rushlight/core/allocator.h"
#include "rushlight/core/device.h"
#include "rushlight/core/generator.h"

namespace rushlight {

// A queue of work on one device, done in order. 0 is the device's default stream.
struct Stream {
  Device device;
  int64_t id = 0;
  friend bool operator==(const Stream& a, const Stream& b) { return a.device == b.device && a.id == b.id; }
  friend bool operator!=(const Stream& a, const Stream& b) { return !(a == b); }
};

struct DeviceProperties {
  std::string name;
  int64_t total_memory = 0;  // bytes
  int multi_processors = 0;  // 0: has none to speak of
  int major = 0, minor = 0;  // compute capability
};

class DeviceInterface {
 public:
  virtual ~DeviceInterface() = default;

  // ---- which there are ----
  virtual int count() = 0;
  virtual int current() = 0;
  // REQUIRES: 0 <= index < count().
  virtual void set_current(int index) = 0;
  virtual DeviceProperties properties(int index) = 0;

  // ---- memory ----
  virtual Allocator& allocator(int index) = 0;
  // Host memory that copies may read and write while the caller goes on; null: there is none of the kind.
  virtual Allocator* pinned_allocator() { return nullptr; }
  // Copies are work of the device's current stream. Blocking ones return when the bytes are there; others may return before, and
  // `host` has to stay until a synchronisation. Where `host` isn't pinned, a copy may block all the same.
  virtual void copy_to(int index, void* to, const void* host, size_t bytes, bool non_blocking) = 0;
  virtual void copy_from(int index, void* host, const void* from, size_t bytes, bool non_blocking) = 0;
  // From the same device or another of its kind, ordered behind the work of both current streams. The two do not overlap.
  virtual void copy_within(int to_index, void* to, int from_index, const void* from, size_t bytes) = 0;
  // `count` times the same item. By default one copy_to of as much memory.
  virtual void fill(int index, void* to, const void* item, size_t item_bytes, size_t count);

  // ---- order ----
  // Waits for all work of the device.
  virtual void synchronize(int index) = 0;
  // A device without streams of its own has the default one, which is done when its work was given.
  virtual int64_t current_stream(int /*index*/) { return 0; }
  virtual void set_current_stream(int index, int64_t id);
  virtual int64_t new_stream(int index, int priority);
  virtual bool stream_done(int /*index*/, int64_t /*id*/) { return true; }
  virtual void wait_for_stream(int index, int64_t /*id*/) { synchronize(index); }
  // Events mark a place in a stream; `event` is what new_event() gave.
  virtual void* new_event(int index, bool timing);
  virtual void free_event(int /*index*/, void* /*event*/) {}
  virtual void record_event(int index, void* event, int64_t stream);
  virtual bool event_done(int index, void* event);
  virtual void wait_for_event(int index, void* event);
  // Work given to the stream from now on begins after the event.
  virtual void stream_waits(int index, int64_t stream, void* event);
  virtual double milliseconds_between(int index, void* begin, void* end);

  // ---- random numbers ----
  // By default the CPU's own: the same draws in the same order as on the CPU.
  virtual Generator& default_generator(int /*index*/) { return rushlight::default_generator(); }

  DeviceType type() const { return type_; }

 protected:
  // "privateuseone: <what> ...": NotImplementedError.
  [[noreturn]] void lacks(const char* what) const;

 private:
  friend void register_device(DeviceType, DeviceInterface*);
  DeviceType type_ = DeviceType::Cpu;
};

// From now on tensors can be on devices of this type. Throws RuntimeError, and changes nothing, for the CPU and meta, for an
// interface without devices, and where one is registered already.
void register_device(DeviceType type, DeviceInterface* interface);
// Null where no library for the type is loaded.
DeviceInterface* find_device(DeviceType type);
// Throws what PyTorch throws for a device that is not there.
DeviceInterface& device_interface(DeviceType type);
[[noreturn]] void fail_no_device(Device device);
// With the index of the current device where it has none; the CPU and meta have no indices. Throws for an index that is none.
Device located(Device device);
// The first type besides CPU and meta that has an interface; Cpu if none has.
DeviceType accelerator_type();

// The generator that operators draw from on a device when the caller gives none.
Generator& default_generator(Device device);

// Makes a device current for a scope. The CPU and meta need none.
class DeviceGuard {
 public:
  explicit DeviceGuard(Device device);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;

 private:
  DeviceInterface* interface_ = nullptr;
  int before_ = 0;
};
// Makes a stream current on its device, and the device current.
class StreamGuard {
 public:
  explicit StreamGuard(const Stream& stream);
  ~StreamGuard();
  StreamGuard(const StreamGuard&) = delete;

 private:
  DeviceGuard device_;
  Stream before_;
};
// Streams of the CPU exist and are done at once.
Stream current_stream(Device device);
void set_current_stream(const Stream& stream);
Stream new_stream(Device device, int priority = 0);
bool stream_done(const Stream& stream);
void synchronize(const Stream& stream);
void synchronize(Device device);

class Event final : public RefCounted {
 public:
  explicit Event(Device device, bool timing = false);
  ~Event() override;
  Event(const Event&) = delete;
  Device device() const { return device_; }
  void record(const Stream& stream);  // REQUIRES: the event's device
  bool done() const;
  void synchronize() const;
  void make_wait(const Stream& stream) const;
  // Throws RuntimeError where either was not recorded, or not with timing.
  double milliseconds_until(const Event& end) const;

 private:
  Device device_;
  DeviceInterface* interface_;
  void* event_ = nullptr;
  bool timing_, recorded_ = false;
};

}  // namespace rushlight
