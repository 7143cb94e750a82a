// The three transforms that all of torch.fft is made of: complex to complex, real to complex, and back.
#include <algorithm>
#include <cmath>

#include "rushlight/fn/_fft_c2c.h"
#include "rushlight/fn/_fft_r2c.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/constant_pad_nd.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/movedim.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/real.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/fft.h"
#include "rushlight/ops/fft/fft.h"

namespace rushlight {
namespace {

using Real = Types<float, double>;

Dims wrapped(const Tensor& t, IntArrayRef dim, const char* op) {
  Dims dims;
  for (int64_t d : dim) {
    RL_CHECK(IndexError, t.dim() > 0, "Dimension specified as ", d, " but tensor has no dimensions");
    dims.push_back(wrap_dim(d, t.dim()));
    RL_CHECK(RuntimeError, std::count(dims.begin(), dims.end(), dims.back()) == 1, op, ": FFT dims must be unique");
  }
  return dims;
}
FftNorm norm_of(int64_t norm) {
  RL_CHECK(RuntimeError, norm >= 0 && norm <= 2, "expected a normalization of 0, 1 or 2, got ", norm);
  return FftNorm(norm);
}
double scale_of(int64_t norm, const Dims& sizes, const Dims& dims) {
  double n = 1;
  for (int64_t d : dims) n *= double(sizes[size_t(d)]);
  switch (norm_of(norm)) {
    case FftNorm::ByRoot: return 1 / std::sqrt(n);
    case FftNorm::ByLength: return 1 / n;
    default: return 1;
  }
}
// As PyTorch lays results out: transformed dimensions innermost, each group in the order of the operand's strides. The last of a real
// transform comes last.
TensorSpec spec_of(const Tensor& from, Dims sizes, const Dims& dims, bool real_last, DType dtype) {
  std::vector<int64_t> order;
  for (int64_t d = 0; d < from.dim(); d++) order.push_back(d);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return from.strides()[size_t(a)] > from.strides()[size_t(b)]; });
  auto group = [&](int64_t d) {
    if (real_last && d == dims.back()) return 2;
    return int(std::count(dims.begin(), dims.end(), d));
  };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return group(a) < group(b); });
  Dims strides = sizes;
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[size_t(order[i])] = step;
    step *= std::max<int64_t>(1, sizes[size_t(order[i])]);
  }
  return {.sizes = std::move(sizes), .dtype = dtype, .device = from.device(), .strides = std::move(strides)};
}

// The rows of a and b along dimension `along`, in the order of b's memory.
struct RowPairs {
  std::vector<int64_t> a_starts, b_starts;
  fft::Rows a, b;
  RowPairs(const Tensor& x, const Tensor& y, int64_t along) {
    std::vector<size_t> order;
    for (size_t d = 0; d < y.sizes().size(); d++)
      if (int64_t(d) != along) order.push_back(d);
    std::stable_sort(order.begin(), order.end(), [&](size_t p, size_t q) { return y.strides()[p] > y.strides()[q]; });
    a_starts = {0}, b_starts = {0};
    for (size_t d : order) {
      std::vector<int64_t> more_a, more_b;
      int64_t n = y.sizes()[d];
      more_a.reserve(a_starts.size() * size_t(n));
      more_b.reserve(a_starts.size() * size_t(n));
      for (size_t i = 0; i < a_starts.size(); i++)
        for (int64_t j = 0; j < n; j++) {
          more_a.push_back(a_starts[i] + j * x.strides()[d]);
          more_b.push_back(b_starts[i] + j * y.strides()[d]);
        }
      a_starts = std::move(more_a), b_starts = std::move(more_b);
    }
    a = {int64_t(a_starts.size()), x.strides()[size_t(along)], a_starts.data()};
    b = {int64_t(b_starts.size()), y.strides()[size_t(along)], b_starts.data()};
  }
};

void check_complex(const char* op, const Tensor& t) {
  RL_CHECK(RuntimeError, t.dtype() == DType::Complex64 || t.dtype() == DType::Complex128, op,
           ": expected complex64 or complex128, got ", t.dtype());
}

// ---- complex to complex ----

TensorSpec c2c_meta(const Tensor& self, IntArrayRef dim, int64_t norm, bool) {
  check_complex("_fft_c2c", self);
  norm_of(norm);
  Dims dims = wrapped(self, dim, "_fft_c2c");
  return spec_of(self, self.sizes(), dims, false, self.dtype());
}
template <class T>
void transform_dims(const Tensor& from, const Tensor& out, const Dims& dims, bool forward, double scale) {
  using C = std::complex<T>;
  Tensor now = from;
  for (size_t i = 0; i < dims.size(); i++) {
    RowPairs rows(now, out, dims[i]);
    fft::complex_rows<T>(out.size(dims[i]), forward, i + 1 == dims.size() ? T(scale) : T(1), now.data<C>(), rows.a,
                         out.data<C>(), rows.b);
    now = out;
  }
}
void c2c_cpu(const Tensor& self, IntArrayRef dim, int64_t norm, bool forward, const Tensor& out) {
  Dims dims = wrapped(self, dim, "_fft_c2c");
  if (dims.empty()) return copy_elements(out, self);
  if (out.numel() == 0) return;
  dispatch(Real{}, to_real(self.dtype()), "_fft_c2c",
           [&]<class T>() { transform_dims<T>(self, out, dims, forward, scale_of(norm, self.sizes(), dims)); });
}
Grads c2c_grad(const Saved& s, const Tensor& g) {
  return {_fft_c2c(g, s.arg("dim").int_list(), s.arg("normalization").to_int(), !s.arg("forward").to_bool())};
}

// ---- real to complex ----

TensorSpec r2c_meta(const Tensor& self, IntArrayRef dim, int64_t norm, bool onesided) {
  RL_CHECK(RuntimeError, self.dtype() == DType::Float32 || self.dtype() == DType::Float64,
           "_fft_r2c: expected float32 or float64, got ", self.dtype());
  norm_of(norm);
  RL_CHECK(RuntimeError, dim.size() > 0, "_fft_r2c: expected at least one dimension");
  Dims dims = wrapped(self, dim, "_fft_r2c"), sizes = self.sizes();
  if (onesided) sizes[size_t(dims.back())] = sizes[size_t(dims.back())] / 2 + 1;
  return spec_of(self, sizes, dims, true, self.dtype() == DType::Float32 ? DType::Complex64 : DType::Complex128);
}
void r2c_cpu(const Tensor& self, IntArrayRef dim, int64_t norm, bool onesided, const Tensor& out) {
  if (out.numel() == 0) return;
  Dims dims = wrapped(self, dim, "_fft_r2c"), others = IntArrayRef(dims).slice(0, dims.size() - 1);
  int64_t last = dims.back(), n = self.size(last), half = n / 2 + 1;
  RL_CHECK(RuntimeError, n > 0, "Invalid number of data points (", n, ") specified");
  double scale = scale_of(norm, self.sizes(), dims);
  Dims sizes = out.sizes();
  sizes[size_t(last)] = half;
  Tensor front = alias_tensor(out, sizes, out.strides(), out.storage_offset());
  dispatch(Real{}, self.dtype(), "_fft_r2c", [&]<class T>() {
    using C = std::complex<T>;
    RowPairs rows(self, front, last);
    fft::real_rows<T>(n, others.empty() ? T(scale) : T(1), self.data<T>(), rows.a, front.data<C>(), rows.b);
    if (!onesided)  // the other half is the conjugate of this one
      for (int64_t i = 0; i < rows.b.count; i++) {
        C* row = out.data<C>() + rows.b.starts[i];
        for (int64_t k = half; k < n; k++) row[k * rows.b.step] = std::conj(row[(n - k) * rows.b.step]);
      }
    transform_dims<T>(out, out, others, true, scale);
  });
}
// Of the sum of the elements that are there: those that are not have a gradient of zero.
Grads r2c_grad(const Saved& s, const Tensor& g) {
  const Dims& sizes = s.sizes("self");
  IntArrayRef dim = s.arg("dim").int_list();
  Tensor whole = g;
  if (s.arg("onesided").to_bool()) {
    int64_t last = wrap_dim(dim.back(), int64_t(sizes.size()));
    Dims pad(size_t(2 * (int64_t(sizes.size()) - last)), 0);
    pad.back() = sizes[size_t(last)] - g.size(last);
    whole = constant_pad_nd(g, pad);
  }
  return {real(_fft_c2c(whole, dim, s.arg("normalization").to_int(), false))};
}

// ---- complex to real ----

TensorSpec c2r_meta(const Tensor& self, IntArrayRef dim, int64_t norm, int64_t last_size) {
  check_complex("_fft_c2r", self);
  norm_of(norm);
  RL_CHECK(RuntimeError, dim.size() > 0, "_fft_c2r: expected at least one dimension");
  Dims dims = wrapped(self, dim, "_fft_c2r"), sizes = self.sizes();
  int64_t& last = sizes[size_t(dims.back())];
  RL_CHECK(RuntimeError, last_size >= 1, "Invalid number of data points (", last_size, ") specified");
  RL_CHECK(ShapeError, last == last_size / 2 + 1, "_fft_c2r: expected ", last_size / 2 + 1,
           " elements in the last dimension for ", last_size, " real ones, got ", last);
  last = last_size;
  return spec_of(self, sizes, dims, true, to_real(self.dtype()));
}
void c2r_cpu(const Tensor& self, IntArrayRef dim, int64_t norm, int64_t n, const Tensor& out) {
  if (out.numel() == 0) return;
  Dims dims = wrapped(self, dim, "_fft_c2r"), others = IntArrayRef(dims).slice(0, dims.size() - 1);
  double scale = scale_of(norm, out.sizes(), dims);
  dispatch(Real{}, out.dtype(), "_fft_c2r", [&]<class T>() {
    Tensor from = self;
    if (!others.empty()) {
      from = empty_tensor(self.sizes(), self.dtype());
      transform_dims<T>(self, from, others, false, 1);
    }
    RowPairs rows(from, out, dims.back());
    fft::hermitian_rows<T>(n, T(scale), from.data<std::complex<T>>(), rows.a, out.data<T>(), rows.b);
  });
}
// Elements that stand for their conjugates too count twice.
Grads c2r_grad(const Saved& s, const Tensor& g) {
  IntArrayRef dim = s.arg("dim").int_list();
  int64_t last = wrap_dim(dim.back(), g.dim()), n = s.arg("last_dim_size").to_int(), half = n / 2 + 1;
  Tensor whole = _fft_r2c(g, dim, s.arg("normalization").to_int(), true);
  int64_t twice = n - half;
  auto weights = [&](int64_t count, double value) {
    return full(IntArrayRef(count), value, g.dtype(), std::nullopt, g.device());
  };
  Tensor by = cat({weights(1, 1), weights(twice, 2), weights(half - 1 - twice, 1)});
  return {movedim(movedim(whole, last, -1) * by, -1, last)};
}

}  // namespace

OP(_fft_c2c,
   {.schema = "_fft_c2c(Tensor self, int[] dim, int normalization, bool forward) -> Tensor",
    .doc = "The Fourier transform of complex numbers over dim, in any order. normalization: 0 none, 1 by the root of "
           "the number of elements, 2 by the number.",
    .kernel = structured<c2c_meta, c2c_cpu>(),
    .grad = {{}, c2c_grad},
    .forms = kFunction | kOut});
OP(_fft_r2c, {.schema = "_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor",
              .doc = "The Fourier transform of real numbers; onesided gives the first half over the last dimension.",
              .kernel = structured<r2c_meta, r2c_cpu>(),
              .grad = {{}, r2c_grad},
              .forms = kFunction | kOut});
OP(_fft_c2r, {.schema = "_fft_c2r(Tensor self, int[] dim, int normalization, int last_dim_size) -> Tensor",
              .doc = "The backward transform of what _fft_r2c gives onesided.",
              .kernel = structured<c2r_meta, c2r_cpu>(),
              .grad = {{}, c2r_grad},
              .forms = kFunction | kOut});

}  // namespace rushlight
