// CUDA behind the interface of devices: memory from CUDA's own stream-ordered pool, pinned host memory, copies, streams, events.
#include <atomic>
#include <climits>
#include <mutex>
#include <unordered_map>

#include "rushlight/cuda/common.cuh"

namespace rushlight::cuda {
namespace {

// The streams that operators of this thread give their work to; 0 is each device's default stream.
constexpr int kMostDevices = 64;
thread_local int64_t current_streams[kMostDevices] = {};

// Sets the calling thread's device for a scope.
class On {
 public:
  explicit On(int index) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ != index) check(cudaSetDevice(index), "cudaSetDevice");
  }
  ~On() { cudaSetDevice(before_); }

 private:
  int before_ = 0;
};

// Blocks are given and taken in the order of the current stream: memory that a tensor had is handed out again to work behind its
// last use there without a wait. The pool keeps all it has until trim(). A tensor that another stream uses as well must not be
// freed before that work is done: whoever gives it there records an event and lets the tensor's own stream wait for it.
class Pool final : public Allocator {
 public:
  void start(int index) {
    index_ = index;
    On on(index);
    check(cudaDeviceGetDefaultMemPool(&pool_, index), "cudaDeviceGetDefaultMemPool");
    uint64_t all = ULLONG_MAX;
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &all), "cudaMemPoolSetAttribute");
  }
  void* allocate(size_t bytes) override {
    if (!bytes) return nullptr;
    On on(index_);
    void* p = nullptr;
    cudaError_t e = cudaMallocAsync(&p, bytes, as_stream(current_streams[index_]));
    if (e == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // it would be the next call's
      out_of_memory_++;
      size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      throw OutOfMemory(str("CUDA out of memory. Tried to allocate ", bytes, " bytes; GPU ", index_, " has ", free,
                            " of ", total, " bytes free"));
    }
    check(e, "cudaMallocAsync");
    blocks_++;
    return p;
  }
  void deallocate(void* p, size_t) override {
    if (!p) return;
    int before = 0;
    cudaGetDevice(&before);
    cudaSetDevice(index_);
    cudaFreeAsync(p, as_stream(current_streams[index_]));  // an error here means that the process is ending
    cudaSetDevice(before);
    blocks_--;
  }
  void trim() override {
    On on(index_);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
    trims_++;
  }
  AllocatorStats stats() const override {
    auto read = [&](cudaMemPoolAttr what) {
      uint64_t v = 0;
      check(cudaMemPoolGetAttribute(pool_, what, &v), "cudaMemPoolGetAttribute");
      return int64_t(v);
    };
    AllocatorStats s;
    s.bytes.current = read(cudaMemPoolAttrUsedMemCurrent);
    s.bytes.peak = read(cudaMemPoolAttrUsedMemHigh);
    s.reserved.current = read(cudaMemPoolAttrReservedMemCurrent);
    s.reserved.peak = read(cudaMemPoolAttrReservedMemHigh);
    s.cached_bytes = s.reserved.current - s.bytes.current;
    s.blocks.current = blocks_;
    s.out_of_memory = out_of_memory_;
    s.trims = trims_;
    return s;
  }
  void reset_peak_stats() override {
    uint64_t zero = 0;
    for (cudaMemPoolAttr high : {cudaMemPoolAttrUsedMemHigh, cudaMemPoolAttrReservedMemHigh})
      check(cudaMemPoolSetAttribute(pool_, high, &zero), "cudaMemPoolSetAttribute");
  }

 private:
  int index_ = 0;
  cudaMemPool_t pool_ = nullptr;
  std::atomic<int64_t> blocks_{0}, out_of_memory_{0}, trims_{0};
};

// Pinning takes the system long: freed blocks are kept by size, as many as were ever in use.
class Pinned final : public Allocator {
 public:
  void* allocate(size_t bytes) override {
    if (!bytes) return nullptr;
    {
      std::lock_guard lock(mutex_);
      if (auto found = kept_.find(bytes); found != kept_.end()) {
        void* p = found->second;
        kept_.erase(found);
        return p;
      }
    }
    void* p = nullptr;
    RL_CHECK(OutOfMemory, cudaHostAlloc(&p, bytes, cudaHostAllocPortable) == cudaSuccess, "CUDA: can't allocate ",
             bytes, " bytes of pinned memory");
    return p;
  }
  // A copy may still be reading the block; it is over by the time that anything given to the device later is.
  void deallocate(void* p, size_t bytes) override {
    if (!p) return;
    cudaDeviceSynchronize();
    std::lock_guard lock(mutex_);
    kept_.emplace(bytes, p);
  }
  void trim() override {
    std::lock_guard lock(mutex_);
    for (auto& [bytes, p] : kept_) cudaFreeHost(p);
    kept_.clear();
  }

 private:
  std::mutex mutex_;
  std::unordered_multimap<size_t, void*> kept_;
};

// count items of 1, 2, 4, 8 or 16 bytes.
template <class Word>
__global__ void fill_words(Word* to, Word item, size_t count) {
  size_t step = size_t(gridDim.x) * blockDim.x;
  for (size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) to[i] = item;
}
template <class Word>
void fill_with(void* to, const void* item, size_t count, cudaStream_t stream) {
  Word word;
  memcpy(&word, item, sizeof word);
  fill_words<<<blocks_for(int64_t(count)), kThreads, 0, stream>>>(static_cast<Word*>(to), word, count);
  check(cudaGetLastError(), "launch");
}

class Cuda final : public DeviceInterface {
 public:
  Cuda() {
    int n = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    RL_CHECK(RuntimeError, e == cudaSuccess && n > 0, "CUDA: no device can be used (",
             e == cudaSuccess ? "there is none" : cudaGetErrorString(e), ")");
    count_ = std::min(n, kMostDevices);
    for (int i = 0; i < count_; i++) pools_[i].start(i);
  }
  int count() override { return count_; }
  int current() override {
    int index = 0;
    check(cudaGetDevice(&index), "cudaGetDevice");
    return index;
  }
  void set_current(int index) override { check(cudaSetDevice(index), "cudaSetDevice"); }
  DeviceProperties properties(int index) override {
    cudaDeviceProp p;
    check(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
    return {.name = p.name,
            .total_memory = int64_t(p.totalGlobalMem),
            .multi_processors = p.multiProcessorCount,
            .major = p.major,
            .minor = p.minor};
  }

  Allocator& allocator(int index) override { return pools_[index]; }
  Allocator* pinned_allocator() override { return &pinned_; }
  void copy_to(int index, void* to, const void* host, size_t bytes, bool non_blocking) override {
    copy(index, to, host, bytes, cudaMemcpyHostToDevice, non_blocking);
  }
  void copy_from(int index, void* host, const void* from, size_t bytes, bool non_blocking) override {
    copy(index, host, from, bytes, cudaMemcpyDeviceToHost, non_blocking);
  }
  void copy_within(int to_index, void* to, int from_index, const void* from, size_t bytes) override {
    if (to_index == from_index) return copy(to_index, to, from, bytes, cudaMemcpyDeviceToDevice, true);
    // Behind what made the bytes, and before what may write over them next.
    order(from_index, to_index);
    On on(to_index);
    check(cudaMemcpyPeerAsync(to, to_index, from, from_index, bytes, as_stream(current_streams[to_index])),
          "cudaMemcpyPeerAsync");
    order(to_index, from_index);
  }
  void fill(int index, void* to, const void* item, size_t item_bytes, size_t count) override {
    On on(index);
    cudaStream_t stream = as_stream(current_streams[index]);
    switch (item_bytes) {
      case 1: return fill_with<uint8_t>(to, item, count, stream);
      case 2: return fill_with<uint16_t>(to, item, count, stream);
      case 4: return fill_with<uint32_t>(to, item, count, stream);
      case 8: return fill_with<uint64_t>(to, item, count, stream);
      default: return fill_with<ulonglong2>(to, item, count, stream);
    }
  }

  void synchronize(int index) override {
    On on(index);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  int64_t current_stream(int index) override { return current_streams[index]; }
  void set_current_stream(int index, int64_t id) override { current_streams[index] = id; }
  // Streams stay: programs make few, and tensors may still belong to one.
  int64_t new_stream(int index, int priority) override {
    On on(index);
    cudaStream_t stream;
    check(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority), "cudaStreamCreate");
    return reinterpret_cast<int64_t>(stream);
  }
  bool stream_done(int index, int64_t id) override {
    On on(index);
    return done(cudaStreamQuery(as_stream(id)), "cudaStreamQuery");
  }
  void wait_for_stream(int index, int64_t id) override {
    On on(index);
    check(cudaStreamSynchronize(as_stream(id)), "cudaStreamSynchronize");
  }

  void* new_event(int index, bool timing) override {
    On on(index);
    cudaEvent_t event;
    check(cudaEventCreateWithFlags(&event, timing ? cudaEventDefault : cudaEventDisableTiming), "cudaEventCreate");
    return event;
  }
  void free_event(int, void* event) override { cudaEventDestroy(cudaEvent_t(event)); }
  void record_event(int index, void* event, int64_t stream) override {
    On on(index);
    check(cudaEventRecord(cudaEvent_t(event), as_stream(stream)), "cudaEventRecord");
  }
  bool event_done(int, void* event) override { return done(cudaEventQuery(cudaEvent_t(event)), "cudaEventQuery"); }
  void wait_for_event(int, void* event) override {
    check(cudaEventSynchronize(cudaEvent_t(event)), "cudaEventSynchronize");
  }
  void stream_waits(int index, int64_t stream, void* event) override {
    On on(index);
    check(cudaStreamWaitEvent(as_stream(stream), cudaEvent_t(event), 0), "cudaStreamWaitEvent");
  }
  double milliseconds_between(int, void* begin, void* end) override {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, cudaEvent_t(begin), cudaEvent_t(end)), "cudaEventElapsedTime");
    return ms;
  }

 private:
  static bool done(cudaError_t e, const char* what) {
    if (e == cudaErrorNotReady) return false;
    return check(e, what), true;
  }
  void copy(int index, void* to, const void* from, size_t bytes, cudaMemcpyKind kind, bool non_blocking) {
    On on(index);
    cudaStream_t stream = as_stream(current_streams[index]);
    check(cudaMemcpyAsync(to, from, bytes, kind, stream), "cudaMemcpyAsync");
    if (!non_blocking) check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }
  // Work of the second device's current stream waits for that of the first's.
  void order(int first, int second) {
    void* event = new_event(first, false);
    record_event(first, event, current_streams[first]);
    stream_waits(second, current_streams[second], event);
    free_event(first, event);
  }

  int count_ = 0;
  Pool pools_[kMostDevices];
  Pinned pinned_;
};

}  // namespace

DeviceInterface* make_device() { return new Cuda; }

}  // namespace rushlight::cuda
