// Padding: with a constant, by reflection, by repeating the edge, and round the other end.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_border_pad.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/constant_pad_nd.h"
#include "rushlight/fn/fill_.h"
#include "rushlight/fn/index_add.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/reflection_pad1d.h"
#include "rushlight/fn/reflection_pad2d.h"
#include "rushlight/fn/reflection_pad3d.h"
#include "rushlight/fn/replication_pad1d.h"
#include "rushlight/fn/replication_pad2d.h"
#include "rushlight/fn/replication_pad3d.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/nn/layout.h"

namespace rushlight {
namespace {

// `pad` is (before, after) of the last dimension, then of the one before it, and so on.
TensorSpec constant_pad_meta(const Tensor& self, IntArrayRef pad, const Scalar&) {
  RL_CHECK(RuntimeError, pad.size() % 2 == 0, "Length of pad must be even but instead it equals ", pad.size());
  RL_CHECK(RuntimeError, int64_t(pad.size() / 2) <= self.dim(),
           "Length of pad should be no more than twice the number of dimensions of the input. Pad length is ",
           pad.size(), " while the input has ", self.dim(), " dimensions.");
  Dims sizes = self.sizes();
  for (size_t k = 0; k < pad.size() / 2; k++) {
    size_t d = sizes.size() - 1 - k;
    sizes[d] = CheckedInt(sizes[d]) + pad[2 * k] + pad[2 * k + 1];
    RL_CHECK(RuntimeError, sizes[d] >= 0, "The input size ", self.sizes()[d], ", plus negative padding ", pad[2 * k],
             " and ", pad[2 * k + 1], " resulted in a negative output size, which is invalid. Check dimension ", d,
             " of your input.");
  }
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device(), .strides = strides_following(self, sizes)};
}

void constant_pad_cpu(const Tensor& self, IntArrayRef pad, const Scalar& value, const Tensor& out) {
  fill_(out, value);
  // What is kept of the input, and where it goes.
  Dims from_strides = self.strides(), to_strides = out.strides(), sizes = self.sizes();
  int64_t from = self.storage_offset(), to = out.storage_offset();
  for (size_t k = 0; k < pad.size() / 2; k++) {
    size_t d = sizes.size() - 1 - k;
    int64_t n = sizes[d], before = std::max(pad[2 * k], -n), after = std::max(pad[2 * k + 1], -n);
    sizes[d] = n + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
    if (sizes[d] <= 0) return;
    from += std::max<int64_t>(-before, 0) * from_strides[d];
    to += std::max<int64_t>(before, 0) * to_strides[d];
  }
  copy_elements(alias_tensor(out, sizes, to_strides, to), alias_tensor(self, sizes, from_strides, from));
}

Grads constant_pad_grad(const Saved& s, const Tensor& g) {
  Dims back;
  for (int64_t p : s.arg("pad").int_list()) back.push_back(0 - CheckedInt(p));
  return {constant_pad_nd(g, back, Scalar(0))};
}

enum class Border { Reflect, Replicate, Circular };

// Where element i of the padded dimension comes from.
int64_t source(Border border, int64_t i, int64_t n) {
  if (border == Border::Replicate) return std::clamp<int64_t>(i, 0, n - 1);
  if (border == Border::Circular) return ((i % n) + n) % n;  // n counts what cutting leaves
  if (i < 0) i = -i;
  return i < n ? i : 2 * (n - 1) - i;
}

// Where the elements of a padded dimension come from.
Tensor source_index(Border border, int64_t n, int64_t before, int64_t after) {
  int64_t size = n + before + after;
  Tensor index = empty_tensor(Dims{size}, DType::Int64);
  // PyTorch cuts before it goes round.
  int64_t cut = border == Border::Circular ? std::max<int64_t>(-before, 0) : 0;
  int64_t kept = border == Border::Circular ? n - cut - std::max<int64_t>(-after, 0) : n;
  for (int64_t i = 0; i < size; i++)
    index.data<int64_t>()[i] = cut + source(border, CheckedInt(i) - before - cut, kept);
  return index;
}

// Padding by amounts that are not negative and that the input is large enough for.
TensorSpec border_meta(const Tensor& self, IntArrayRef pad, int64_t mode) {
  RL_CHECK(RuntimeError, mode >= 0 && mode <= int64_t(Border::Circular), "_border_pad: mode must be 0, 1 or 2, got ",
           mode);
  TensorSpec spec = constant_pad_meta(self, pad, Scalar(0));
  if (Border(mode) == Border::Circular) spec.strides = {};  // as in PyTorch
  for (size_t k = 0; k < pad.size() / 2; k++) {
    int64_t n = self.sizes()[self.sizes().size() - 1 - k], most = std::max(pad[2 * k], pad[2 * k + 1]);
    int64_t least = Border(mode) == Border::Reflect ? most + 1 : Border(mode) == Border::Circular ? most : 1;
    RL_CHECK(RuntimeError, std::min(pad[2 * k], pad[2 * k + 1]) >= 0 && (most == 0 || n >= least),
             "_border_pad: expected padding of 0 or more that size ", n, " is enough for, got ", pad);
  }
  return spec;
}
void border_cpu(const Tensor& self, IntArrayRef pad, int64_t mode, const Tensor& out) {
  if (out.numel() == 0) return;
  Border border = Border(mode);
  // The input in the middle, then the borders of each dimension, last one first, from what is there already.
  Dims sizes = self.sizes();
  int64_t middle = out.storage_offset(), size = out.item_size();
  for (size_t k = 0; k < pad.size() / 2; k++) middle += pad[2 * k] * out.strides()[sizes.size() - 1 - k];
  copy_elements(alias_tensor(out, sizes, out.strides(), middle), self);
  char* base = static_cast<char*>(out.raw()) + (middle - out.storage_offset()) * size;
  for (size_t k = 0; k < pad.size() / 2; k++) {
    size_t d = sizes.size() - 1 - k;
    int64_t n = sizes[d], before = pad[2 * k], after = pad[2 * k + 1], stride = out.strides()[d];
    // `count` elements from `to` on, counted from the middle's first, are those from `from` on.
    auto fill = [&](int64_t count, int64_t to, int64_t from) {
      if (count == 0) return;
      Dims strip = sizes, from_strides = out.strides();
      strip[d] = count;
      from_strides[d] = border == Border::Reflect ? -stride : border == Border::Replicate ? 0 : stride;
      LoopPlan plan(strip);
      plan.add(base + to * stride * size, out.strides(), size);
      plan.add(base + from * stride * size, from_strides, size);
      plan.finish();
      copy_planned(plan, out.dtype(), out.dtype());
    };
    fill(before, -before, source(border, -before, n));
    fill(after, n, source(border, n, n));
    sizes[d] += before + after;
    base -= before * stride * size;
  }
}
Grads border_grad(const Saved& s, const Tensor& given) {
  IntArrayRef pad = s.arg("pad").int_list();
  const Dims& sizes = s.sizes("self");
  Tensor g = given;
  for (size_t k = 0; k < pad.size() / 2; k++) {
    if (pad[2 * k] == 0 && pad[2 * k + 1] == 0) continue;
    size_t d = sizes.size() - 1 - k;
    Dims smaller = g.sizes();
    smaller[d] = sizes[d];
    g = index_add(
        zeros(smaller, g.dtype(), std::nullopt, g.device()), int64_t(d),
        moved_to(source_index(Border(s.arg("mode").to_int()), sizes[d], pad[2 * k], pad[2 * k + 1]), g.device()), g);
  }
  return {g};
}

template <Border border, int dims>
Tensor border_pad(const Tensor& self, IntArrayRef pad) {
  const char* name = border == Border::Reflect     ? "reflection_pad"
                     : border == Border::Replicate ? "replication_pad"
                                                   : "circular_pad";
  RL_CHECK(RuntimeError, pad.size() == 2 * dims, "padding size is expected to be ", 2 * dims);
  bool batched = self.dim() == dims + 2, sized = true;
  for (int64_t d = batched; d < self.dim() && border != Border::Circular; d++) sized &= self.size(d) != 0;
  RL_CHECK(ShapeError, (self.dim() == dims + 1 || batched) && sized, name, dims, "d: Expected ", dims + 1, "D or ",
           dims + 2,
           "D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ",
           self.sizes());
  Tensor result = self;
  bool cuts = std::any_of(pad.begin(), pad.end(), [](int64_t p) { return p < 0; });
  for (int k = 0; k < dims; k++) {
    int64_t before = pad[size_t(2 * k)], after = pad[size_t(2 * k + 1)];
    if (before == 0 && after == 0) continue;
    int64_t d = self.dim() - 1 - k, n = self.sizes()[size_t(d)], size = CheckedInt(n) + before + after;
    if (border == Border::Reflect) {
      RL_CHECK(RuntimeError, before < n && after < n, "Argument #", 4 + 2 * k,
               ": Padding size should be less than the corresponding input dimension, but got: padding (", before, ", ",
               after, ") at dimension ", d, " of input ", self.sizes(),
               ". Hint: mirror less than the size, or use mode='replicate' or 'constant'");
    }
    if (border == Border::Circular) {
      RL_CHECK(RuntimeError, before <= n && after <= n, "Padding value causes wrapping around more than once.");
    }
    RL_CHECK(RuntimeError, n > 0 && size > 0, name, dims, "d: expected an output of positive size, got input ",
             self.sizes(), " and padding (", before, ", ", after, ")");
    if (cuts) result = index_select(result, d, moved_to(source_index(border, n, before, after), self.device()));
  }
  if (cuts) return result;
  bool none = std::all_of(pad.begin(), pad.end(), [](int64_t p) { return p == 0; });
  return none ? clone(self) : _border_pad(self, pad, int64_t(border));  // never the memory of the argument
}

Tensor pad_op(const Tensor& self, IntArrayRef pad, std::string_view mode, std::optional<double> value) {
  RL_CHECK(RuntimeError, pad.size() % 2 == 0, "Padding length must be divisible by 2. Hint: got ", pad.size(),
           " numbers; give two for each dimension, before and after, the last dimension first");
  RL_CHECK(RuntimeError, int64_t(pad.size()) <= self.dim() * 2,
           "Padding length should be less than or equal to two times the input dimension but got padding length ",
           pad.size(), " and input of dimension ", self.dim());
  if (mode == "constant") return constant_pad_nd(self, pad, Scalar(value.value_or(0.0)));
  RL_CHECK(RuntimeError, !value || *value == 0, "Padding mode \"", mode, "\" doesn't take in value argument");
  bool known = mode == "reflect" || mode == "replicate" || mode == "circular";
  RL_CHECK(NotImplementedError, known, "Unrecognised padding mode ", mode);
  size_t n = pad.size() / 2;
  RL_CHECK(NotImplementedError, n >= 1 && n <= 3 && (self.dim() == int64_t(n) + 1 || self.dim() == int64_t(n) + 2),
           "Padding size ", pad.size(), " is not supported for ", self.dim(), "D input tensor.\n",
           "Supported combinations for non-constant padding:\n",
           "  - 2D or 3D input: padding size = 2 (pads last dimension)\n",
           "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n",
           "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)");
  if (mode == "reflect")
    return n == 1 ? reflection_pad1d(self, pad) : n == 2 ? reflection_pad2d(self, pad) : reflection_pad3d(self, pad);
  if (mode == "replicate")
    return n == 1 ? replication_pad1d(self, pad) : n == 2 ? replication_pad2d(self, pad) : replication_pad3d(self, pad);
  return n == 1   ? border_pad<Border::Circular, 1>(self, pad)
         : n == 2 ? border_pad<Border::Circular, 2>(self, pad)
                  : border_pad<Border::Circular, 3>(self, pad);
}

}  // namespace

OP(constant_pad_nd, {.schema = "constant_pad_nd(Tensor self, SymInt[] pad, Scalar value=0) -> Tensor",
                     .doc = "self with `value` around it; negative amounts cut off."
                            " >>> torch.constant_pad_nd(torch.tensor([1, 2]), (1, 0), 9)\ntensor([9, 1, 2])",
                     .kernel = structured<constant_pad_meta, constant_pad_cpu>(),
                     .grad = {{}, constant_pad_grad},
                     .forms = kFunction});
OP(border_pad, {.schema = "_border_pad(Tensor self, SymInt[] pad, int mode) -> Tensor",
                .doc = "Pads by reflection (mode 0), by repeating the edge (1) or round the other end (2).",
                .kernel = structured<border_meta, border_cpu>(),
                .grad = {{}, border_grad},
                .forms = kFunction});
OP(pad, {.schema = "pad(Tensor self, SymInt[] pad, str mode=\"constant\", float? value=None) -> Tensor",
         .doc = "Pads the last dimensions; mode is constant, reflect, replicate or circular."
                " >>> torch.nn.functional.pad(torch.tensor([1, 2]), (1, 2))\ntensor([0, 1, 2, 0, 0])",
         .kernel = composite<pad_op>(),
         .forms = kFunction,
         .module = "nn"});
OP(reflection_pad1d, {.schema = "reflection_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
                      .doc = "Pads by reflection."
                             " >>> torch.nn.functional.pad(torch.tensor([[1., 2., 3.]]), (2, 0), "
                             "mode=\"reflect\")\ntensor([[3., 2., 1., 2., 3.]])",
                      .kernel = composite<border_pad<Border::Reflect, 1>>(),
                      .forms = kFunction,
                      .module = "nn",
                      .node = "ReflectionPad1DBackward0",
                      .autocast = Autocast::Float32});
OP(reflection_pad2d,
   {.schema = "reflection_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
    .doc = "Pads by reflection."
           " >>> torch.nn.functional.pad(torch.tensor([[[1., 2.], [3., 4.]]]), (1, 0, 1, 0), "
           "mode=\"reflect\")\ntensor([[[4., 3., 4.],\n         [2., 1., 2.],\n         [4., 3., 4.]]])",
    .kernel = composite<border_pad<Border::Reflect, 2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "ReflectionPad2DBackward0",
    .autocast = Autocast::Float32});
OP(reflection_pad3d, {.schema = "reflection_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
                      .doc = "Pads by reflection.",
                      .kernel = composite<border_pad<Border::Reflect, 3>>(),
                      .forms = kFunction,
                      .module = "nn",
                      .node = "ReflectionPad3DBackward0"});
OP(replication_pad1d, {.schema = "replication_pad1d(Tensor self, SymInt[2] padding) -> Tensor",
                       .doc = "Pads by repeating the edge."
                              " >>> torch.nn.functional.pad(torch.tensor([[1., 2., 3.]]), (2, 0), "
                              "mode=\"replicate\")\ntensor([[1., 1., 1., 2., 3.]])",
                       .kernel = composite<border_pad<Border::Replicate, 1>>(),
                       .forms = kFunction,
                       .module = "nn",
                       .node = "ReplicationPad1DBackward0",
                       .autocast = Autocast::Float32});
OP(replication_pad2d,
   {.schema = "replication_pad2d(Tensor self, SymInt[4] padding) -> Tensor",
    .doc = "Pads by repeating the edge."
           " >>> torch.nn.functional.pad(torch.tensor([[[1., 2.], [3., 4.]]]), (1, 0, 1, 0), "
           "mode=\"replicate\")\ntensor([[[1., 1., 2.],\n         [1., 1., 2.],\n         [3., 3., 4.]]])",
    .kernel = composite<border_pad<Border::Replicate, 2>>(),
    .forms = kFunction,
    .module = "nn",
    .node = "ReplicationPad2DBackward0",
    .autocast = Autocast::Float32});
OP(replication_pad3d, {.schema = "replication_pad3d(Tensor self, SymInt[6] padding) -> Tensor",
                       .doc = "Pads by repeating the edge.",
                       .kernel = composite<border_pad<Border::Replicate, 3>>(),
                       .forms = kFunction,
                       .module = "nn",
                       .node = "ReplicationPad3DBackward0",
                       .autocast = Autocast::Float32});
}  // namespace rushlight
