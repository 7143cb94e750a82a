// im2col and col2im (nn.Unfold and nn.Fold): the windows of an image as columns, and the columns added back. Each is the other's gradient.
#include "rushlight/fn/im2col.h"

#include <algorithm>
#include <cstring>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/col2im.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {
namespace {

struct Patches {
  int64_t batch, channels, in[2], out[2], kernel[2], dilation[2], padding[2], stride[2];
  int64_t taps() const { return CheckedInt(kernel[0]) * kernel[1]; }
  int64_t columns() const { return CheckedInt(out[0]) * out[1]; }
};

// f(place in a plane of the image, place in the plane's columns, count, distance in the image) for each run of neighbours in a row of the columns.
template <class F>
void for_each_run(const Patches& p, const F& f) {
  for (int64_t i = 0; i < p.kernel[0]; i++)
    for (int64_t j = 0; j < p.kernel[1]; j++)
      for (int64_t y = 0; y < p.out[0]; y++) {
        int64_t row = y * p.stride[0] - p.padding[0] + i * p.dilation[0];
        if (row < 0 || row >= p.in[0]) continue;
        int64_t shift = j * p.dilation[1] - p.padding[1];  // the image's column is x * stride + shift
        int64_t from = shift >= 0 ? 0 : (-shift - 1) / p.stride[1] + 1;
        int64_t to = shift >= p.in[1] ? 0 : std::min(p.out[1], (p.in[1] - 1 - shift) / p.stride[1] + 1);
        if (from < to)
          f(row * p.in[1] + from * p.stride[1] + shift, ((i * p.kernel[1] + j) * p.out[0] + y) * p.out[1] + from,
            to - from, p.stride[1]);
      }
}

void pair(int64_t* to, IntArrayRef given, int64_t at_least, const char* op, const char* name) {
  RL_CHECK(RuntimeError, given.size() == 1 || given.size() == 2, op, ": expected ", name,
           " to be one or two integers, got ", given);
  for (size_t i = 0; i < 2; i++) {
    to[i] = given[given.size() == 1 ? 0 : i];
    RL_CHECK(RuntimeError, to[i] >= at_least, op, ": ", name,
             at_least ? " should be greater than zero, but got " : " should be non-negative, but got ", given);
  }
}
Patches patches(const char* op, IntArrayRef image, IntArrayRef kernel, IntArrayRef dilation, IntArrayRef padding,
                IntArrayRef stride) {
  Patches p;
  pair(p.kernel, kernel, 1, op, "kernel_size");
  pair(p.dilation, dilation, 1, op, "dilation");
  pair(p.padding, padding, 0, op, "padding");
  pair(p.stride, stride, 1, op, "stride");
  pair(p.in, image, 0, op, "the image's size");
  for (int d = 0; d < 2; d++) {
    int64_t reach = CheckedInt(p.padding[d]) * 2 + p.in[d] - CheckedInt(p.dilation[d]) * (p.kernel[d] - 1) - 1;
    p.out[d] = reach < 0 ? -((-reach - 1) / p.stride[d]) : reach / p.stride[d] + 1;  // rounded down
  }
  auto pair_text = [](const int64_t* of) { return str("(", of[0], ", ", of[1], ")"); };
  bool unfolds = std::string_view(op) == "im2col";
  RL_CHECK(RuntimeError, p.out[0] > 0 && p.out[1] > 0,
           unfolds ? "Given input with spatial size " : "Given output_size=", pair_text(p.in),
           ", kernel_size=", pair_text(p.kernel), ", dilation=", pair_text(p.dilation),
           ", padding=", pair_text(p.padding), unfolds ? "" : ", stride=" + pair_text(p.stride),
           ", calculated shape of the array of sliding blocks as ", pair_text(p.out),
           ", but its components must be at least one.");
  return p;
}

Patches im2col_patches(const Tensor& x, IntArrayRef kernel, IntArrayRef dilation, IntArrayRef padding,
                       IntArrayRef stride) {
  bool filled = x.dim() >= 3 && x.dim() <= 4;
  for (int64_t d = x.dim() - 3; filled && d < x.dim(); d++) filled = x.size(d) != 0;
  RL_CHECK(RuntimeError, filled, "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero ",
           "dimensions for input, but got: ", x.sizes());
  Patches p = patches("im2col", {x.size(-2), x.size(-1)}, kernel, dilation, padding, stride);
  p.batch = x.dim() == 4 ? x.size(0) : 1;
  p.channels = x.size(-3);
  return p;
}
TensorSpec im2col_meta(const Tensor& x, IntArrayRef kernel, IntArrayRef dilation, IntArrayRef padding,
                       IntArrayRef stride) {
  Patches p = im2col_patches(x, kernel, dilation, padding, stride);
  Dims sizes = {CheckedInt(p.channels) * p.taps(), p.columns()};
  if (x.dim() == 4) sizes.insert(0, p.batch);
  return {.sizes = sizes, .dtype = x.dtype(), .device = x.device()};
}
void im2col_cpu(const Tensor& given, IntArrayRef kernel, IntArrayRef dilation, IntArrayRef padding, IntArrayRef stride,
                const Tensor& out) {
  Patches p = im2col_patches(given, kernel, dilation, padding, stride);
  Tensor x = dense(given), to = out.is_contiguous() ? out : empty_tensor(out.sizes(), out.dtype());
  int64_t image = p.in[0] * p.in[1], rows = p.taps() * p.columns();
  if (to.numel())
    dispatch_size(x.dtype(), [&]<class T>() {
      parallel_for(0, p.batch * p.channels, std::max<int64_t>(1, 16384 / rows), [&](int64_t begin, int64_t end) {
        for (int64_t plane = begin; plane < end; plane++) {
          const T* from = static_cast<const T*>(x.raw()) + plane * image;
          T* o = static_cast<T*>(to.raw()) + plane * rows;
          std::memset(static_cast<void*>(o), 0, size_t(rows) * sizeof(T));
          for_each_run(p, [&](int64_t at, int64_t column, int64_t n, int64_t step) {
            if (step == 1) std::memcpy(static_cast<void*>(o + column), from + at, size_t(n) * sizeof(T));
            else
              for (int64_t k = 0; k < n; k++) o[column + k] = from[at + k * step];
          });
        }
      });
    });
  if (!to.is_same(out)) copy_elements(out, to);
}

Patches col2im_patches(const Tensor& x, IntArrayRef output_size, IntArrayRef kernel, IntArrayRef dilation,
                       IntArrayRef padding, IntArrayRef stride) {
  RL_CHECK(RuntimeError, output_size.size() == 2, "col2im: expected output_size to be two integers, got ", output_size);
  bool filled = x.dim() >= 2 && x.dim() <= 3;
  for (int64_t d = x.dim() - 2; filled && d < x.dim(); d++) filled = x.size(d) != 0;
  RL_CHECK(RuntimeError, filled, "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and ",
           "non-zero dimensions for input, but got: ", x.sizes());
  Patches p = patches("col2im", output_size, kernel, dilation, padding, stride);
  RL_CHECK(RuntimeError, p.in[0] > 0 && p.in[1] > 0, "col2im: output_size should be greater than zero, but got ",
           output_size);
  RL_CHECK(RuntimeError, x.size(-2) % p.taps() == 0, "Expected size of input's dimension 1 to be divisible by the ",
           "product of kernel_size, but got input.size(1)=", x.size(-2), " and kernel_size=", kernel, ".");
  RL_CHECK(RuntimeError, x.size(-1) == p.columns(), "Given output_size=", output_size, ", kernel_size=", kernel,
           ", dilation=", dilation, ", padding=", padding, ", stride=", stride,
           ", expected size of input's dimension 2 to match the calculated number of sliding blocks ", p.out[0], " * ",
           p.out[1], " = ", p.columns(), ", but got input.size(2)=", x.size(-1), ".");
  p.batch = x.dim() == 3 ? x.size(0) : 1;
  p.channels = x.size(-2) / p.taps();
  return p;
}
TensorSpec col2im_meta(const Tensor& x, IntArrayRef output_size, IntArrayRef kernel, IntArrayRef dilation,
                       IntArrayRef padding, IntArrayRef stride) {
  Patches p = col2im_patches(x, output_size, kernel, dilation, padding, stride);
  Dims sizes = {p.channels, p.in[0], p.in[1]};
  if (x.dim() == 3) sizes.insert(0, p.batch);
  return {.sizes = sizes, .dtype = x.dtype(), .device = x.device()};
}
void col2im_cpu(const Tensor& given, IntArrayRef output_size, IntArrayRef kernel, IntArrayRef dilation,
                IntArrayRef padding, IntArrayRef stride, const Tensor& out) {
  Patches p = col2im_patches(given, output_size, kernel, dilation, padding, stride);
  Tensor x = dense(given), to = out.is_contiguous() ? out : empty_tensor(out.sizes(), out.dtype());
  int64_t image = p.in[0] * p.in[1], rows = p.taps() * p.columns();
  dispatch(FloatAndComplexTypes{}, x.dtype(), "col2im", [&]<class T>() {
    parallel_for(0, p.batch * p.channels, std::max<int64_t>(1, 16384 / rows), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; plane++) {
        const T* from = x.data<T>() + plane * rows;
        T* o = to.data<T>() + plane * image;
        std::fill(o, o + image, T(0));
        for_each_run(p, [&](int64_t at, int64_t column, int64_t n, int64_t step) {
          for (int64_t k = 0; k < n; k++) o[at + k * step] = T(o[at + k * step] + from[column + k]);
        });
      }
    });
  });
  if (!to.is_same(out)) copy_elements(out, to);
}

}  // namespace

OP(im2col,
   {.schema = "im2col(Tensor self, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor",
    .doc = "The windows of (N, C, H, W), each a column of (N, C * window, windows)."
           " >>> torch.nn.functional.unfold(torch.tensor([[[[1., 2.], [3., 4.]]]]), (1, 2))\ntensor([[[1., 3.],\n      "
           "   [2., 4.]]])",
    .kernel = structured<im2col_meta, im2col_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               const Dims& sizes = s.sizes("self");
               IntArrayRef image(sizes.data() + sizes.size() - 2, 2);
               return Grads{col2im(g, image, s.arg("kernel_size").int_list(), s.arg("dilation").int_list(),
                                   s.arg("padding").int_list(), s.arg("stride").int_list())};
             }},
    .forms = kFunction | kOut,
    .module = "nn"});
OP(col2im,
   {.schema = "col2im(Tensor self, int[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] "
              "stride) -> Tensor",
    .doc = "The sum of windows, put back where im2col took them from."
           " >>> torch.nn.functional.fold(torch.ones(1, 2, 2), (1, 3), (1, 2))\ntensor([[[[1., 2., 1.]]]])",
    .kernel = structured<col2im_meta, col2im_cpu>(),
    .grad = {{},
             [](const Saved& s, const Tensor& g) {
               return Grads{im2col(g, s.arg("kernel_size").int_list(), s.arg("dilation").int_list(),
                                   s.arg("padding").int_list(), s.arg("stride").int_list())};
             }},
    .forms = kFunction | kOut,
    .module = "nn"});

}  // namespace rushlight
