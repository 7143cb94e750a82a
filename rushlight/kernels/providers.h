// Providers: the libraries behind matrix products and convolutions. None is linked: each is opened at first use (oneDNN costs 25 ms and
// 14 MB), and without any of them the kernels of gemm.cpp and conv.cpp do the work.
//
// A library is looked for in $RUSHLIGHT_PROVIDER_PATH (colon-separated), beside librushlight.so, in its lib/ and ../lib, in the build's
// hints, and last where the system's loader looks.
// Thread safety: everything here may be called at once from any thread, except add_provider.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "rushlight/core/scalar.h"

namespace rushlight {

// c = alpha * a @ b + beta * c for an m x k matrix a, a k x n matrix b. Strides in elements; the columns of c are adjacent.
// beta == 0 never reads c.
struct GemmProblem {
  DType dtype;
  int64_t m, n, k;
  const void* a;
  int64_t a_row, a_col;
  const void* b;
  int64_t b_row, b_col;
  void* c;
  int64_t c_row;
  Scalar alpha = 1, beta = 0;
  const void* bias =
      nullptr;  // n elements side by side, added to each row in place of beta * c; gemm()'s alone to know
};

constexpr int kMaxSpatial = 3;

// A convolution of contiguous tensors: src (batch, groups * in, *input), weight (groups * out, in, *kernel), dst (batch, groups * out, *output).
// Unused spatial dimensions are not counted in `spatial`.
struct ConvProblem {
  enum class Pass : uint8_t { Forward, BackwardData, BackwardWeights };
  Pass pass = Pass::Forward;
  DType dtype = DType::Float32;
  int spatial = 2;
  bool training = false;  // forward only: the result will be differentiated
  int64_t batch = 0, groups = 1, in = 0, out = 0;
  int64_t input[kMaxSpatial] = {1, 1, 1}, output[kMaxSpatial] = {1, 1, 1}, kernel[kMaxSpatial] = {1, 1, 1};
  int64_t stride[kMaxSpatial] = {1, 1, 1}, padding[kMaxSpatial] = {0, 0, 0}, dilation[kMaxSpatial] = {1, 1, 1};
  bool has_bias = false;
  bool channels_last = false;  // src and dst; the weight is contiguous
};
// Forward reads src, weight, bias and writes dst; backward reads dst as the gradient and writes src, or weight and bias.
struct ConvData {
  void* src;
  void* weight;
  void* bias;
  void* dst;
};

struct NetworkSpec;  // kernels/network.h

// Weights in a provider's layouts: programs for several shapes share them. They are of the layers of one list, by their places in it.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
};

// Thread safety: run() may be called from many threads at once.
class Network {
 public:
  virtual ~Network() = default;
  // Contiguous tensors of the shapes in the spec.
  virtual void run(void* const* inputs, void* const* outputs) = 0;
  // Bytes of memory for values that a run takes, in one block, and gives back.
  virtual size_t bytes() const = 0;
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual const char* name() const = 0;
  // Opens the library; false if it is not found.
  virtual bool available() = 0;
  // Each returns false, having done nothing, for a problem it does not take.
  virtual bool gemm(const GemmProblem&) { return false; }
  // It takes the problem, but is slow at it: the others are asked first.
  virtual bool is_slow(const GemmProblem&) const { return false; }
  virtual bool conv(const ConvProblem&, const ConvData&) { return false; }
  // See kernels/network.h.
  virtual std::unique_ptr<Network> network(const NetworkSpec&, std::shared_ptr<PackedWeights>&) { return nullptr; }
  // Switched by rushlight.backends.<name>.
  std::atomic<bool> enabled{true};
};

// In the order in which they are asked.
const std::vector<Provider*>& providers();
Provider* find_provider(std::string_view name);
// Asked before the others from now on; never freed.
void add_provider(Provider* provider);

Provider* onednn_provider();
Provider* openblas_provider();

// A shared library opened from the places above; null if there is none. `why` receives the loader's last message.
void* open_provider_library(std::initializer_list<const char*> sonames, std::string* why = nullptr);

// A function of LAPACK ("sgesv") from OpenBLAS. Throws RuntimeError naming the package to install where it is missing.
void* lapack_function(const char* name);
// Before each call of one: gives OpenBLAS the threads that this thread may have.
void use_lapack_threads();

}  // namespace rushlight
