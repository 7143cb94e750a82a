// The inverse of max pooling: every value goes back to the place it came from.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/max_unpool2d.h"
#include "rushlight/fn/max_unpool3d.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/scatter.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/nn/layout.h"

namespace rushlight {
namespace {

template <int dims>
Tensor unpool(const Tensor& self, const Tensor& indices, IntArrayRef output_size) {
  RL_CHECK(RuntimeError, indices.dtype() == DType::Int64,
           "elements in indices should be type int64 but got: ", scalar_type_name(indices.dtype()));
  RL_CHECK(RuntimeError, self.dim() == dims + 1 || self.dim() == dims + 2, "Input to max_unpooling", dims,
           "d should be a ", dims + 1, "d or ", dims + 2, "d Tensor, but got tensor with ", self.dim(), " dims");
  RL_CHECK(ShapeError, self.sizes() == indices.sizes(), "Expected shape of indices to be the same as that of the ",
           "input tensor (", self.sizes(), ") but got indices tensor with shape: ", indices.sizes());
  RL_CHECK(RuntimeError, int(output_size.size()) == dims, "There should be exactly ", dims,
           " elements in output_size, but got ", output_size.size(), " elements.");
  int64_t planes = 1, in = 1;
  CheckedInt out = 1;
  Dims sizes;
  for (int64_t d = 0; d < self.dim() - dims; d++) {
    planes *= self.size(d);
    sizes.push_back(self.size(d));
  }
  for (int d = 0; d < dims; d++) {
    int64_t n = self.size(self.dim() - dims + d);
    RL_CHECK(RuntimeError, n > 0, "max_unpool", dims, "d(): Expected input to have non-zero size for non-batch ",
             "dimensions, but got ", self.sizes());
    in *= n;
    out *= output_size[size_t(d)];
    sizes.push_back(output_size[size_t(d)]);
  }
  Tensor at = indices.device().is_meta() ? indices : dense(indices);  // on the CPU, wherever they are
  for (int64_t i = 0; at.raw() && i < at.numel(); i++)
    RL_CHECK(RuntimeError, at.data<int64_t>()[i] >= 0 && at.data<int64_t>()[i] < out,
             "Found an invalid max index: ", at.data<int64_t>()[i], " (output volumes are of size ", output_size, ")");
  Tensor flat = scatter(zeros({planes, out}, self.dtype(), std::nullopt, self.device()), 1,
                        reshape(indices, {planes, in}), reshape(self, {planes, in}));
  Tensor result = reshape(flat, sizes);
  return dims == 2 ? following(self, result) : result;
}
Tensor unpool3d(const Tensor& self, const Tensor& indices, IntArrayRef output_size, IntArrayRef stride,
                IntArrayRef padding) {
  RL_CHECK(RuntimeError, stride.size() == 3,
           "There should be exactly three elements (depth, height, width) in stride, ", "but got: ", stride.size(),
           " elements.");
  RL_CHECK(RuntimeError, padding.size() == 3, "There should be exactly three elements (depth, height, width) in ",
           "padding, but got: ", padding.size(), " elements.");
  for (int64_t s : stride)
    RL_CHECK(RuntimeError, s > 0, "strides should be greater than zero, but got stride: ", stride);
  return unpool<3>(self, indices, output_size);
}

}  // namespace

OP(max_unpool2d, {.schema = "max_unpool2d(Tensor self, Tensor indices, int[2] output_size) -> Tensor",
                  .doc = "Values at the places that max_pool2d found them, zeros elsewhere."
                         " >>> torch.nn.functional.max_unpool2d(torch.tensor([[[[5.]]]]), torch.tensor([[[[2]]]]), "
                         "2)\ntensor([[[[0., 0.],\n          [5., 0.]]]])",
                  .kernel = composite<unpool<2>>(),
                  .forms = kFunction | kOut,
                  .module = "nn",
                  .autocast = Autocast::Float32});
OP(max_unpool3d, {.schema = "max_unpool3d(Tensor self, Tensor indices, int[3] output_size, int[3] stride, int[3] "
                            "padding) -> Tensor",
                  .doc = "Values at the places that max_pool3d found them, zeros elsewhere.",
                  .kernel = composite<unpool3d>(),
                  .forms = kFunction | kOut,
                  .module = "nn",
                  .autocast = Autocast::Float32});

}  // namespace rushlight
