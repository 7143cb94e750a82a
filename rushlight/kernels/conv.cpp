#include "rushlight/kernels/conv.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>

#include "rushlight/core/error.h"
#include "rushlight/kernels/gemm.h"
#include "rushlight/kernels/loops.h"

namespace rushlight {
namespace {

using Pass = ConvProblem::Pass;

// The geometry of one group of one sample in three dimensions, those that the problem lacks being 1.
struct Windows {
  int64_t channels;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, padding[3] = {},
          dilation[3] = {1, 1, 1};

  explicit Windows(const ConvProblem& p) : channels(p.in) {
    for (int i = 0; i < p.spatial; i++) {
      int d = 3 - p.spatial + i;
      in[d] = p.input[i], out[d] = p.output[i], kernel[d] = p.kernel[i];
      stride[d] = p.stride[i], padding[d] = p.padding[i], dilation[d] = p.dilation[i];
    }
  }
  static int64_t volume(const int64_t (&v)[3]) { return v[0] * v[1] * v[2]; }
  int64_t rows() const { return channels * volume(kernel); }
  int64_t columns() const { return volume(out); }
  // A window is one element, and they lie as the input does.
  bool trivial() const {
    return volume(kernel) == 1 && std::equal(in, in + 3, out) && volume(stride) == 1 && std::ranges::max(padding) == 0;
  }

  // run(place, first, step, from, to) for each row of the matrix and each line of output positions: outputs from <= v < to of the line at
  // `place` in the matrix meet the input elements first + v * step; the line's other outputs lie in the padding.
  template <class F>
  void for_each_line(const F& run) const {
    int64_t place = 0;
    for (int64_t c = 0; c < channels; c++)
      for (int64_t i = 0; i < kernel[0]; i++)
        for (int64_t j = 0; j < kernel[1]; j++)
          for (int64_t l = 0; l < kernel[2]; l++) {
            int64_t shift = l * dilation[2] - padding[2];
            // Both at most out[2]: a tap may lie in the padding for all outputs.
            int64_t from = shift < 0 ? std::min(out[2], -(shift / stride[2]) + (shift % stride[2] != 0)) : 0;
            int64_t to = shift < in[2] ? std::min(out[2], (in[2] - 1 - shift) / stride[2] + 1) : 0;
            for (int64_t z = 0; z < out[0]; z++)
              for (int64_t y = 0; y < out[1]; y++, place += out[2]) {
                int64_t a = z * stride[0] - padding[0] + i * dilation[0],
                        b = y * stride[1] - padding[1] + j * dilation[1];
                bool inside = a >= 0 && a < in[0] && b >= 0 && b < in[1];
                run(place, ((c * in[0] + a) * in[1] + b) * in[2] + shift, stride[2], from,
                    inside ? std::max(from, to) : from);
              }
          }
  }
  // The windows of x as the columns of a matrix of rows() x columns().
  template <class T>
  void unfold(const T* x, T* matrix) const {
    for_each_line([&](int64_t place, int64_t first, int64_t step, int64_t from, int64_t to) {
      T* line = matrix + place;
      std::fill(line, line + from, T(0));
      if (step == 1) std::copy(x + first + from, x + first + to, line + from);
      else
        for (int64_t v = from; v < to; v++) line[v] = x[first + v * step];
      std::fill(line + to, line + out[2], T(0));
    });
  }
  // Adds each column to the window of x that it stands for.
  template <class T>
  void fold(const T* matrix, T* x) const {
    for_each_line([&](int64_t place, int64_t first, int64_t step, int64_t from, int64_t to) {
      for (int64_t v = from; v < to; v++) x[first + v * step] += matrix[place + v];
    });
  }
};

template <class T>
void by_windows(const ConvProblem& p, const ConvData& d) {
  Windows w(p);
  int64_t rows = w.rows(), columns = w.columns(), plane = Windows::volume(w.in);
  std::unique_ptr<T[]> buffer(w.trivial() ? nullptr : new T[size_t(rows * columns)]);
  T *src = static_cast<T*>(d.src), *weight = static_cast<T*>(d.weight), *dst = static_cast<T*>(d.dst);
  const T* bias = static_cast<const T*>(d.bias);
  if (p.pass == Pass::BackwardData && buffer) std::fill_n(src, p.batch * p.groups * p.in * plane, T(0));
  for (int64_t n = 0; n < p.batch; n++)
    for (int64_t g = 0; g < p.groups; g++) {
      T *x = src + (n * p.groups + g) * p.in * plane, *k = weight + g * p.out * rows,
        *y = dst + (n * p.groups + g) * p.out * columns;
      T* matrix = buffer ? buffer.get() : x;
      if (buffer && p.pass != Pass::BackwardData) w.unfold(x, matrix);
      GemmProblem product = {.dtype = p.dtype};
      switch (p.pass) {
        case Pass::Forward:
          for (int64_t o = 0; bias && o < p.out; o++) std::fill_n(y + o * columns, columns, bias[g * p.out + o]);
          product = {p.dtype, p.out, columns, rows, k, rows, 1, matrix, columns, 1, y, columns, 1, bias ? 1 : 0};
          break;
        case Pass::BackwardData:
          product = {p.dtype, rows, columns, p.out, k, 1, rows, y, columns, 1, matrix, columns};
          break;
        case Pass::BackwardWeights:
          product = {p.dtype, p.out, rows, columns, y, columns, 1, matrix, 1, columns, k, rows, 1, n > 0 ? 1 : 0};
          break;
      }
      gemm(product);
      if (buffer && p.pass == Pass::BackwardData) w.fold(matrix, x);
    }
}

// Where PyTorch's float convolutions don't go to oneDNN but sum as by_windows does. BackwardData is judged as the transposed convolution.
bool small(const ConvProblem& p) {
  bool back = p.pass == Pass::BackwardData;
  int64_t numel = back ? p.out : p.in;
  for (int i = 0; i < std::min(p.spatial, 2); i++) numel *= back ? p.output[i] : p.input[i];
  int last = p.spatial - 1;
  bool large_kernel = p.spatial > 1 && p.kernel[last] > 3 && p.kernel[last - 1] > 3;
  return p.dtype == DType::Float32 && p.groups == 1 && p.batch == 1 && !large_kernel && numel <= 20480;
}

// bfloat16 in float: oneDNN has such convolutions for AVX-512 only.
void in_float(const ConvProblem& p, const ConvData& d) {
  ConvProblem wide = p;
  wide.dtype = DType::Float32;
  auto volume = [&](const int64_t* sizes) {
    return std::accumulate(sizes, sizes + p.spatial, int64_t(1), std::multiplies<>());
  };
  int64_t src = p.batch * p.groups * p.in * volume(p.input), dst = p.batch * p.groups * p.out * volume(p.output),
          weight = p.groups * p.out * p.in * volume(p.kernel), bias = d.bias ? p.groups * p.out : 0;
  std::unique_ptr<float[]> buffer(new float[size_t(src + dst + weight + bias)]);
  float *x = buffer.get(), *y = x + src, *w = y + dst, *b = w + weight;
  auto widen = [&](float* to, const void* from, int64_t n) { convert_row(DType::Float32, to, 4, p.dtype, from, 2, n); };
  auto narrow = [&](void* to, const float* from, int64_t n) {
    convert_row(p.dtype, to, 2, DType::Float32, from, 4, n);
  };
  if (p.pass != Pass::BackwardData) widen(x, d.src, src);
  if (p.pass != Pass::BackwardWeights) widen(w, d.weight, weight);
  if (p.pass != Pass::Forward) widen(y, d.dst, dst);
  else widen(b, d.bias, bias);
  convolve(wide, {x, w, bias ? b : nullptr, y});
  switch (p.pass) {
    case Pass::Forward: return narrow(d.dst, y, dst);
    case Pass::BackwardData: return narrow(d.src, x, src);
    case Pass::BackwardWeights: return narrow(d.weight, w, weight);
  }
}

bool by_provider(const ConvProblem& p, const ConvData& d) {
  if (small(p)) return false;
  for (Provider* provider : providers())
    if (provider->enabled && provider->conv(p, d)) return true;
  return false;
}

}  // namespace

bool convolve_channels_last(const ConvProblem& given, const ConvData& d) {
  ConvProblem p = given;
  p.channels_last = true;
  return by_provider(p, d);
}

void convolve(const ConvProblem& p, const ConvData& d) {
  if (by_provider(p, d)) return;
  switch (p.dtype) {
    case DType::Float32: return by_windows<float>(p, d);
    case DType::Float64: return by_windows<double>(p, d);
    case DType::BFloat16: return in_float(p, d);
    default: throw NotImplementedError(str("\"convolution\" not implemented for '", p.dtype, "'"));
  }
}

}  // namespace rushlight
