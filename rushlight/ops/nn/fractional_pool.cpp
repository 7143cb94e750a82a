// Fractional max pooling: windows of one size whose places are drawn at random, so that they cover the input in unequal steps (Graham 2014).
#include "rushlight/dispatch/kernel.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/nn/pooling.h"

namespace rushlight {
namespace {

// Where the windows along one dimension begin; the last ends with the input. Each step rounds as T does, which decides where a window falls.
template <class T>
void window_starts(T sample, int64_t in, int64_t out, int64_t kernel, std::vector<int64_t>& starts) {
  using C = compute_t<T>;
  auto rounded = [](C v) { return C(T(v)); };
  starts.resize(size_t(out));
  C step = out > 1 ? rounded(rounded(C(in - kernel)) / rounded(C(out - 1))) : C(0);
  int64_t first = int64_t(rounded(C(sample) * step));
  for (int64_t i = 0; i + 1 < out; i++) {
    int64_t at = int64_t(rounded(rounded(C(i) + C(sample)) * step)) - first;
    starts[size_t(i)] = std::clamp<int64_t>(at, 0, in - kernel);  // whatever the sample is
  }
  if (out > 0) starts[size_t(out - 1)] = in - kernel;
}

// Checked sizes of the pooling; in two dimensions the first of three is 1.
struct Pooling {
  std::array<int64_t, 3> kernel, in, out;
  int64_t batch, channels;
  Dims sizes;  // of the result
};

template <int dims>
constexpr const char* kName = dims == 2 ? "fractional_max_pool2d" : "fractional_max_pool3d";

template <int dims>
Pooling pooling_of(const Tensor& given, IntArrayRef kernel, IntArrayRef output, const Tensor& samples) {
  constexpr const char* op = kName<dims>;
  constexpr const char* names[] = {"time", "height", "width"};
  auto triple = [&](IntArrayRef v, const char* name) {
    RL_CHECK(RuntimeError, v.size() == 1 || v.size() == dims, op, ": ", name,
             " must either be a single Int or tuple of Ints, one for each dimension, got ", v);
    std::array<int64_t, 3> out = {1, 1, 1};
    for (int d = 0; d < dims; d++) out[size_t(3 - dims + d)] = v[v.size() == 1 ? 0 : size_t(d)];
    return out;
  };
  auto k = triple(kernel, "kernel_size"), out3 = triple(output, "output_size"), in3 = k;
  bool batched = given.dim() == dims + 2;
  RL_CHECK(RuntimeError, batched || given.dim() == dims + 1, op, "(): Expected ", dims + 1, "D or ", dims + 2,
           "D tensor, but got: ", given.sizes());
  for (int64_t d = batched; d < given.dim(); d++)
    RL_CHECK(RuntimeError, given.size(d) > 0, op,
             "(): Expected input to have non-zero size for non-batch dimensions, but got ", given.sizes(),
             " with dimension ", d, " being empty.");
  for (size_t d = 3 - dims; d < 3; d++) {
    in3[d] = given.sizes()[given.sizes().size() - 3 + d];
    RL_CHECK(RuntimeError, k[d] > 0 && out3[d] >= 0, op, "(): expected a kernel_size above 0 and an output_size of at ",
             "least 0, got ", kernel, " and ", output);
    RL_CHECK(RuntimeError, CheckedInt(out3[d]) + k[d] - 1 <= in3[d], op, "(): pool ", names[d], " ", k[d],
             " too large relative to input ", names[d], " ", in3[d], " and output size ", out3[d]);
  }
  int64_t batch = batched ? given.size(0) : 1, channels = given.size(batched);
  RL_CHECK(RuntimeError, samples.dtype() == given.dtype(), op,
           ": Expect _random_samples to have the same dtype as input");
  RL_CHECK(RuntimeError, samples.dim() == 3, op, ": Expect _random_samples to have 3 dimensions, got ", samples.dim());
  RL_CHECK(RuntimeError, samples.size(0) >= batch && samples.size(1) == channels && samples.size(2) == dims, op,
           ": Expect _random_samples of sizes [", batch, ", ", channels, ", ", dims, "], got ", samples.sizes());
  Dims sizes = given.sizes();
  for (size_t d = 3 - dims; d < 3; d++) sizes[sizes.size() - 3 + d] = out3[d];
  return {k, in3, out3, batch, channels, sizes};
}

template <int dims>
std::array<TensorSpec, 2> fractional_max_pool_meta(const Tensor& given, IntArrayRef kernel, IntArrayRef output,
                                                   const Tensor& samples) {
  Dims sizes = pooling_of<dims>(given, kernel, output, samples).sizes;
  return {TensorSpec{.sizes = sizes, .dtype = given.dtype()}, TensorSpec{.sizes = sizes, .dtype = DType::Int64}};
}

template <int dims>
void fractional_max_pool_cpu(const Tensor& given, IntArrayRef kernel, IntArrayRef output, const Tensor& samples,
                             const Tensor& result, const Tensor& where) {
  auto [k, in3, out3, batch, channels, sizes] = pooling_of<dims>(given, kernel, output, samples);
  Tensor x = dense(given), s = dense(samples);
  int64_t in_plane = product({in3[0], in3[1], in3[2]}), out_plane = product({out3[0], out3[1], out3[2]});
  if (out_plane == 0) return;
  dispatch(FloatTypes{}, x.dtype(), kName<dims>, [&]<class T>() {
    int64_t work = out_plane * k[0] * k[1] * k[2];
    parallel_for(0, batch * channels, std::max<int64_t>(1, 32768 / work), [&](int64_t begin, int64_t end) {
      std::array<std::vector<int64_t>, 3> starts;
      for (int64_t plane = begin; plane < end; plane++) {
        // The first sample is for the time or, in two dimensions, for the width.
        const T* sample = s.data<T>() + plane * dims;
        for (size_t d = 0; d < 3; d++) {
          size_t nth = dims == 2 ? 2 - d : d;
          window_starts<T>(nth < dims ? sample[nth] : T(0), in3[d], out3[d], k[d], starts[d]);
        }
        const T* in = x.data<T>() + plane * in_plane;
        T* out = result.data<T>() + plane * out_plane;
        int64_t* at = where.data<int64_t>() + plane * out_plane;
        for (int64_t a : starts[0])
          for (int64_t b : starts[1])
            for (int64_t c : starts[2]) {
              int64_t best = (a * in3[1] + b) * in3[2] + c;
              for (int64_t i = a; i < a + k[0]; i++)
                for (int64_t j = b; j < b + k[1]; j++)
                  for (int64_t l = c; l < c + k[2]; l++) {
                    int64_t here = (i * in3[1] + j) * in3[2] + l;
                    compute_t<T> v = in[here];
                    if (v > compute_t<T>(in[best]) || v != v) best = here;
                  }
              *out++ = in[best];
              *at++ = best;
            }
      }
    });
  });
}
template <int dims>
Grads fractional_max_pool_grad(const Saved& s, const Tensors& g) {
  return {maxima_gradient(g[0], s["indices"], s.sizes("self"), dims), Tensor()};
}

}  // namespace

OP(fractional_max_pool2d,
   {.schema = "fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples) -> "
              "(Tensor output, Tensor indices)",
    .doc = "Maxima of windows at places drawn at random, and where in their plane they stood.",
    .kernel = structured<fractional_max_pool_meta<2>, fractional_max_pool_cpu<2>>(),
    .grad = {{"indices"}, fractional_max_pool_grad<2>},
    .forms = kFunction,
    .module = "nn",
    .node = "FractionalMaxPool2DBackward0",
    .autocast = Autocast::Float32});
OP(fractional_max_pool3d,
   {.schema = "fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples) -> "
              "(Tensor output, Tensor indices)",
    .doc = "Maxima of windows at places drawn at random, and where in their volume they stood.",
    .kernel = structured<fractional_max_pool_meta<3>, fractional_max_pool_cpu<3>>(),
    .grad = {{"indices"}, fractional_max_pool_grad<3>},
    .forms = kFunction,
    .module = "nn",
    .node = "FractionalMaxPool3DBackward0",
    .autocast = Autocast::Float32});

}  // namespace rushlight
