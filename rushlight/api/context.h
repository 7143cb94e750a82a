// What a program asks of the whole library: threads, devices, seeds, versions.
#pragma once
#include "rushlight/api/creation.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight::api {

// Both wait until no thread draws from the default generator.
inline void manual_seed(uint64_t seed) {
  std::lock_guard lock(default_generator().mutex());
  default_generator().manual_seed(seed);
}
inline uint64_t initial_seed() {
  std::lock_guard lock(default_generator().mutex());
  return default_generator().initial_seed();
}
// What operators use when they are given none.
Generator default_cpu_generator();
Generator make_cpu_generator(uint64_t seed = rushlight::Generator::kDefaultSeed);

inline int get_num_threads() { return rushlight::num_threads(); }
inline void set_num_threads(int n) { rushlight::set_num_threads(n); }
// Threads that forks of scripts run on. Throws RuntimeError unless n > 0.
int get_num_interop_threads();
void set_num_interop_threads(int n);
inline void init_num_threads() {}
inline bool in_parallel_region() { return rushlight::in_parallel_region(); }
namespace internal {
// Elements that are worth a thread, as PyTorch's own loops count them.
constexpr int64_t GRAIN_SIZE = 32768;
}  // namespace internal
// f on a thread of its own, while the caller goes on. What it throws is a warning.
void launch(std::function<void()> f);
inline void intraop_launch(const std::function<void()>& f) { f(); }
using std::make_unique;  // torch::make_unique, of the time before C++14
inline int64_t divup(int64_t x, int64_t y) { return (x + y - 1) / y; }
// Inside of parallel_for: a number below get_num_threads() that no other running piece has.
inline int get_thread_num() { return rushlight::parallel_piece(); }

// f(begin, end) over pieces of at least `grain` of the range, on the library's threads.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const F& f) {
  rushlight::parallel_for(begin, end, grain, f);
}
// Pieces of `grain` are reduced by f(begin, end, identity), and their results by combine(a, b) in order: the same for any number of threads.
template <class T, class F, class Combine>
T parallel_reduce(int64_t begin, int64_t end, int64_t grain, T identity, const F& f, const Combine& combine) {
  if (begin >= end) return identity;
  if (grain < 1) grain = end - begin;
  int64_t pieces = (end - begin + grain - 1) / grain;
  std::unique_ptr<T[]> parts(new T[size_t(pieces)]);
  rushlight::parallel_for(0, pieces, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++)
      parts[size_t(i)] = f(begin + i * grain, std::min(end, begin + (i + 1) * grain), identity);
  });
  T result = identity;
  for (int64_t i = 0; i < pieces; i++) result = combine(result, parts[size_t(i)]);
  return result;
}

struct CPUGeneratorImpl {};
// make_generator<CPUGeneratorImpl>(seed)
template <class Impl>
Generator make_generator(uint64_t seed = rushlight::Generator::kDefaultSeed) {
  return make_cpu_generator(seed);
}

inline bool hasCUDA() { return false; }
inline size_t getNumGPUs() { return 0; }
inline bool hasMPS() { return false; }
inline bool hasXPU() { return false; }
inline bool hasMKL() { return false; }
inline bool hasMKLDNN() { return true; }
inline bool hasOpenMP() { return false; }
inline bool hasLAPACK() { return true; }
inline bool hasMAGMA() { return false; }

namespace cuda {
inline bool is_available() { return false; }
inline bool cudnn_is_available() { return false; }
inline size_t device_count() { return 0; }
inline void manual_seed(uint64_t) {}
inline void manual_seed_all(uint64_t) {}
// Throws RuntimeError: there is no device.
void synchronize(int64_t device_index = -1);
}  // namespace cuda
namespace mps {
inline bool is_available() { return false; }
}  // namespace mps
namespace xpu {
inline bool is_available() { return false; }
inline size_t device_count() { return 0; }
}  // namespace xpu

namespace accelerator {
// The kind of device besides CPUs; `checked`: throws RuntimeError where there is none.
std::optional<DeviceType> getAccelerator(bool checked = false);
inline bool isAccelerator(DeviceType type) { return getAccelerator() == type; }
inline DeviceIndex deviceCount() { return 0; }
// All of these throw it.
DeviceIndex getDeviceIndex();
void setDeviceIndex(DeviceIndex index);
void synchronizeDevice(DeviceIndex index);
void emptyCache();
}  // namespace accelerator

// What globalContext() gives. What is set is what is then told; every kernel here keeps full precision and gives the same result each time.
class Context {
 public:
  bool hasCUDA() const { return false; }
  bool hasCuDNN() const { return false; }
  bool hasMPS() const { return false; }
  bool hasMKL() const { return false; }
  bool hasMKLDNN() const { return true; }
  bool hasLAPACK() const { return true; }
  bool hasOpenMP() const { return false; }
  Generator defaultGenerator(Device device = kCPU) const;
  // False: numbers too small to be normal are kept.
  bool setFlushDenormal(bool) { return false; }
  void setDeterministicAlgorithms(bool on, bool warn_only = false) {
    deterministic_ = on;
    warn_only_ = warn_only;
  }
  bool deterministicAlgorithms() const { return deterministic_; }
  bool deterministicAlgorithmsWarnOnly() const { return warn_only_; }
  // The second is of more threads for one product.
  void setAllowFP16ReductionCuBLAS(bool on, bool = true) { fp16_reduction_ = on; }
  bool allowFP16ReductionCuBLAS() const { return fp16_reduction_; }
  void setAllowBF16ReductionCuBLAS(bool on, bool = true) { bf16_reduction_ = on; }
  bool allowBF16ReductionCuBLAS() const { return bf16_reduction_; }
  // "highest", "high" or "medium".
  void setFloat32MatmulPrecision(const std::string& s) { precision_ = s; }
  const std::string& float32MatmulPrecision() const { return precision_; }

#define RL_SETTING(Setter, getter, at_first) \
 public:                                     \
  void Setter(bool on) { getter##_ = on; }   \
  bool getter() const { return getter##_; }  \
                                             \
 private:                                    \
  bool getter##_ = at_first;
  RL_SETTING(setUserEnabledCuDNN, userEnabledCuDNN, true)
  RL_SETTING(setUserEnabledMkldnn, userEnabledMkldnn, true)
  RL_SETTING(setBenchmarkCuDNN, benchmarkCuDNN, false)
  RL_SETTING(setDeterministicCuDNN, deterministicCuDNN, false)
  RL_SETTING(setDeterministicMkldnn, deterministicMkldnn, false)
  RL_SETTING(setAllowTF32CuDNN, allowTF32CuDNN, true)
  RL_SETTING(setAllowTF32CuBLAS, allowTF32CuBLAS, false)
  RL_SETTING(setAllowTF32OneDNN, allowTF32OneDNN, false)
  RL_SETTING(setAllowFP16ReductionCPU, allowFP16ReductionCPU, false)
  RL_SETTING(setSDPUseFlash, userEnabledFlashSDP, true)
  RL_SETTING(setSDPUseMemEfficient, userEnabledMemEfficientSDP, true)
  RL_SETTING(setSDPUseMath, userEnabledMathSDP, true)
  RL_SETTING(setSDPUseCuDNN, userEnabledCuDNNSDP, true)
  RL_SETTING(setDeterministicFillUninitializedMemory, deterministicFillUninitializedMemory, true)
#undef RL_SETTING

  bool deterministic_ = false, warn_only_ = false, fp16_reduction_ = true, bf16_reduction_ = true;
  std::string precision_ = "highest";
};
Context& globalContext();
// Texts for people: how the library was built, and its threads.
std::string show_config();
std::string get_parallel_info();

namespace Reduction {
enum Reduction { None, Mean, Sum, END };
}

// for (auto i : c10::irange(n))
template <class T>
class integer_range {
 public:
  integer_range(T begin, T end) : begin_(begin), end_(begin < end ? end : begin) {}
  struct Iterator {
    T at;
    T operator*() const { return at; }
    Iterator& operator++() { return ++at, *this; }
    bool operator!=(const Iterator& o) const { return at != o.at; }
    bool operator==(const Iterator& o) const { return at == o.at; }
  };
  Iterator begin() const { return {begin_}; }
  Iterator end() const { return {end_}; }

 private:
  T begin_, end_;
};
template <class T>
integer_range<T> irange(T end) {
  return {T(0), end};
}
template <class T, class U>
integer_range<U> irange(T begin, U end) {
  return {U(begin), end};
}

}  // namespace rushlight::api
