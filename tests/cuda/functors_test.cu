// The functors of ten records, compiled for CUDA from the very sources that the CPU operators are made of, and compared on a GPU with the host's
// results. Without a GPU that they compile is the whole test. Run by tests/python/test_cuda.py.
#include <cuda_runtime.h>

#include <cstdio>
#include <vector>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"

#undef OP
#define OP(...)  // the records themselves are the library's
#include "rushlight/ops/pointwise/activation.cpp"
#include "rushlight/ops/pointwise/exp.cpp"
#include "rushlight/ops/pointwise/trigonometry.cpp"

namespace rushlight {
namespace {

template <class F, class T>
__global__ void apply_unary(F f, const T* x, T* out, int n) {
  int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = f(x[i]);
}
template <class F, class T>
__global__ void apply_binary(F f, const T* a, const T* b, T* out, int n) {
  int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = f(a[i], b[i]);
}

constexpr int kCount = 4001;
int failures = 0, functors = 0;
bool has_gpu = false;

void check(cudaError_t e) {
  if (e == cudaSuccess) return;
  std::printf("CUDA: %s\n", cudaGetErrorString(e));
  failures++;
}

// Values from -4 to 4 and the special ones.
template <class T>
std::vector<T> inputs(double shift) {
  std::vector<T> x(kCount);
  for (int i = 0; i < kCount; i++) x[size_t(i)] = T((i - kCount / 2) * 0.002 + shift);
  x[0] = std::numeric_limits<T>::infinity();
  x[1] = -std::numeric_limits<T>::infinity();
  x[2] = std::numeric_limits<T>::quiet_NaN();
  return x;
}

template <class F, class T>
void compare(const char* name, const F& f) {
  constexpr int count = detail::functor_inputs<F, T>();
  std::vector<T> a = inputs<T>(0), b = inputs<T>(0.3), got(kCount);
  if (!has_gpu) return;
  T *da, *db, *out;
  size_t bytes = kCount * sizeof(T);
  check(cudaMalloc(&da, bytes));
  check(cudaMalloc(&db, bytes));
  check(cudaMalloc(&out, bytes));
  check(cudaMemcpy(da, a.data(), bytes, cudaMemcpyHostToDevice));
  check(cudaMemcpy(db, b.data(), bytes, cudaMemcpyHostToDevice));
  if constexpr (count == 1) apply_unary<<<(kCount + 255) / 256, 256>>>(f, da, out, kCount);
  else apply_binary<<<(kCount + 255) / 256, 256>>>(f, da, db, out, kCount);
  check(cudaGetLastError());
  check(cudaMemcpy(got.data(), out, bytes, cudaMemcpyDeviceToHost));
  for (T* p : {da, db, out}) check(cudaFree(p));
  for (size_t i = 0; i < kCount; i++) {
    T wanted;
    if constexpr (count == 1) wanted = f(a[i]);
    else wanted = f(a[i], b[i]);
    bool same = wanted == got[i] || (wanted != wanted && got[i] != got[i]) ||
                std::abs(wanted - got[i]) <= (sizeof(T) == 4 ? 3e-6 : 1e-14) * std::max(T(1), std::abs(wanted));
    if (!same && failures++ < 20)
      std::printf("%s(%g, %g): host %.9g, GPU %.9g\n", name, double(a[i]), double(b[i]), double(wanted),
                  double(got[i]));
  }
}

template <template <class> class F>
void both(const char* name, std::initializer_list<IValue> args = {}) {
  functors++;
  auto make = [&]<class T>() {
    if constexpr (std::is_constructible_v<F<T>, const IValue*>) return F<T>(args.begin());
    else return F<T>{};
  };
  compare<F<float>, float>(name, make.template operator()<float>());
  compare<F<double>, double>(name, make.template operator()<double>());
}

int run() {
  int gpus = 0;
  has_gpu = cudaGetDeviceCount(&gpus) == cudaSuccess && gpus > 0;
  IValue x;
  both<Relu>("relu");
  both<Sigmoid>("sigmoid");
  both<SigmoidBackward>("sigmoid_backward");
  both<Silu>("silu");
  both<Mish>("mish");
  both<Hardswish>("hardswish");
  both<LogSigmoid>("log_sigmoid");
  both<LeakyRelu>("leaky_relu", {x, Scalar(0.1)});
  both<Elu>("elu", {x, Scalar(1.5), Scalar(1.0), Scalar(0.5)});
  both<Gelu>("gelu", {x, "tanh"});
  both<Gelu>("gelu", {x, "none"});
  both<Exp>("exp");
  both<Log1p>("log1p");
  both<Tanh>("tanh");
  both<TanhBackward>("tanh_backward");
  both<Atan2>("atan2");
  std::printf("%d functors compiled for CUDA, %s; %d differences\n", functors,
              has_gpu ? "run on the GPU" : "no GPU to run them", failures);
  return failures != 0;
}

}  // namespace
}  // namespace rushlight

int main() { return rushlight::run(); }
