#include "rushlight/data/audio.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight::data {
namespace {

template <class T>
void run(const T* x, const T* a, T* y, int64_t rows, int64_t time, int64_t order) {
  parallel_for(0, rows, std::max<int64_t>(1, 20000 / (time * (order + 1) + 1)), [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; r++) {
      const T *in = x + r * time, *c = a + r * (order + 1);
      T* out = y + r * time;
      if (order == 2) {  // biquads, which nearly all filters are
        T y1 = 0, y2 = 0;
        for (int64_t n = 0; n < time; n++) {
          const T v = in[n] - c[1] * y1 - c[2] * y2;
          y2 = y1;
          out[n] = y1 = v;
        }
        continue;
      }
      for (int64_t n = 0; n < time; n++) {
        T v = in[n];
        for (int64_t k = 1; k <= std::min(order, n); k++) v -= c[k] * out[n - k];
        out[n] = v;
      }
    }
  });
}

}  // namespace

Tensor recursive_filter(const Tensor& x, const Tensor& a) {
  RL_CHECK(ShapeError, x.dim() == 2 && a.dim() == 2 && a.size(0) == x.size(0) && a.size(1) >= 1,
           "recursive_filter: expected x of (rows, time) and a of (rows, order + 1), got ", x.sizes(), " and ",
           a.sizes());
  RL_CHECK(DTypeError, x.dtype() == a.dtype() && (x.dtype() == DType::Float32 || x.dtype() == DType::Float64),
           "recursive_filter: expected both float32 or both float64, got ", name_of(x.dtype()), " and ",
           name_of(a.dtype()));
  RL_CHECK(RuntimeError, x.device().is_cpu() && a.device().is_cpu() && x.is_contiguous() && a.is_contiguous(),
           "recursive_filter: expected contiguous tensors on the CPU");
  Tensor y = empty_tensor(x.sizes(), x.dtype());
  const int64_t rows = x.size(0), time = x.size(1), order = a.size(1) - 1;
  if (x.dtype() == DType::Float32) run(x.data<float>(), a.data<float>(), y.data<float>(), rows, time, order);
  else run(x.data<double>(), a.data<double>(), y.data<double>(), rows, time, order);
  return y;
}

}  // namespace rushlight::data
