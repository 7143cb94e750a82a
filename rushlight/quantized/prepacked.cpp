// Layers of archives that were optimised for mobile devices: `prepacked::linear_clamp_run(x, layer)`, where the layer is an object of
// torch.classes.xnnpack, an attribute or a constant. A layer clamps its result; here its products are those of all other layers.
#include <array>

#include "rushlight/fn/clamp.h"
#include "rushlight/fn/conv2d.h"
#include "rushlight/fn/conv_transpose2d.h"
#include "rushlight/fn/linear.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

constexpr const char* kPackage = "__torch__.torch.classes.";
constexpr const char *kLinear = "xnnpack.LinearOpContext", *kConv = "xnnpack.Conv2dOpContext",
                     *kTransposed = "xnnpack.TransposeConv2dOpContext";

struct Layer final : RefCounted {
  Tensor weight, bias;                        // bias may be undefined
  std::array<std::vector<int64_t>, 4> lists;  // stride, padding, (output padding,) dilation
  int64_t groups = 1;
  std::optional<Scalar> least, most;
};

// (weight, bias, lists..., groups, least, most); without lists there are no groups.
template <size_t kDims, size_t kLists>
Ref<RefCounted> prepare(const IValue& state) {
  constexpr size_t kParts = 4 + kLists + (kLists ? 1 : 0);
  RL_CHECK(RuntimeError, state.is_tuple() && state.to_tuple().items.size() == kParts, "expected a tuple of ", kParts,
           " for a prepacked layer");
  const std::vector<IValue>& parts = state.to_tuple().items;
  bool fits = parts[0].is_tensor() && (parts[1].is_none() || parts[1].is_tensor());
  for (size_t i = 2; i < kParts; i++) {
    bool list = i < 2 + kLists, groups = kLists && i == 2 + kLists;
    fits &= list ? parts[i].is_any_list() : groups ? parts[i].is_int() : parts[i].is_none() || parts[i].is_scalar();
  }
  RL_CHECK(RuntimeError, fits,
           "expected weight, bias, lists of two numbers each, groups and bounds for a prepacked layer");
  auto layer = make_ref<Layer>();
  layer->weight = parts[0].tensor();
  RL_CHECK(RuntimeError, layer->weight.dim() == int64_t(kDims), "expected a prepacked layer's weight of ", kDims,
           " dimensions, got shape ", layer->weight.sizes());
  if (parts[1].is_tensor()) layer->bias = parts[1].tensor();
  for (size_t i = 0; i < kLists; i++) {
    RL_CHECK(RuntimeError, graph::list_size(parts[2 + i]) == 2, "expected lists of two numbers for a prepacked layer");
    for (size_t k = 0; k < 2; k++) {
      IValue v = graph::list_get(parts[2 + i], k);
      RL_CHECK(RuntimeError, v.is_int(), "expected lists of two numbers for a prepacked layer");
      layer->lists[i].push_back(v.to_int());
    }
  }
  if (kLists) layer->groups = parts[2 + kLists].to_int();
  if (!parts[kParts - 2].is_none()) layer->least = parts[kParts - 2].to_scalar();
  if (!parts[kParts - 1].is_none()) layer->most = parts[kParts - 1].to_scalar();
  return layer;
}

const Layer& layer_of(const IValue& v, const char* name) {
  return static_cast<const Layer&>(graph::native_parts(v, std::string(kPackage) + name));
}
Tensor clamped(Tensor y, const Layer& l) { return l.least || l.most ? clamp(y, l.least, l.most) : y; }

Tensor run_linear(const Tensor& x, const IValue& layer) {
  const Layer& l = layer_of(layer, kLinear);
  return clamped(linear(x, l.weight, l.bias), l);
}
Tensor run_conv(const Tensor& x, const IValue& layer) {
  const Layer& l = layer_of(layer, kConv);
  return clamped(conv2d(x, l.weight, l.bias, l.lists[0], l.lists[1], l.lists[2], l.groups), l);
}
Tensor run_transposed(const Tensor& x, const IValue& layer) {
  const Layer& l = layer_of(layer, kTransposed);
  return clamped(conv_transpose2d(x, l.weight, l.bias, l.lists[0], l.lists[1], l.lists[2], l.groups, l.lists[3]), l);
}

using Bound = std::optional<Scalar>;
IValue boxed(const Tensor& t) { return t.defined() ? IValue(t) : IValue(); }
IValue boxed(const Bound& b) { return b ? IValue(*b) : IValue(); }
IValue boxed(IntArrayRef l) { return IValue(std::vector<int64_t>(l.begin(), l.end())); }

IValue pack_linear(const Tensor& w, const Tensor& b, const Bound& least, const Bound& most) {
  return packed(kLinear, IValue::tuple({w, boxed(b), boxed(least), boxed(most)}));
}
IValue pack_conv(const Tensor& w, const Tensor& b, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
                 int64_t groups, const Bound& least, const Bound& most) {
  return packed(kConv, IValue::tuple({w, boxed(b), boxed(stride), boxed(padding), boxed(dilation), groups, boxed(least),
                                      boxed(most)}));
}
IValue pack_transposed(const Tensor& w, const Tensor& b, IntArrayRef stride, IntArrayRef padding,
                       IntArrayRef output_padding, IntArrayRef dilation, int64_t groups, const Bound& least,
                       const Bound& most) {
  return packed(kTransposed, IValue::tuple({w, boxed(b), boxed(stride), boxed(padding), boxed(output_padding),
                                            boxed(dilation), groups, boxed(least), boxed(most)}));
}

}  // namespace

void define_prepacked_classes() {
  graph::define_native_class(kLinear, prepare<2, 0>);
  graph::define_native_class(kConv, prepare<4, 3>);
  graph::define_native_class(kTransposed, prepare<4, 4>);
}

void define_prepacked(OpLibrary& m) {
  auto of = [](const char* name) { return std::string(kPackage) + name; };
  const std::string bounds = "Scalar? output_min=None, Scalar? output_max=None) -> ";
  const std::string places = "Tensor W, Tensor? B, int[2] stride, int[2] padding, ";
  define<pack_linear>(m, "linear_clamp_prepack(Tensor W, Tensor? B=None, " + bounds + of(kLinear));
  define<run_linear>(m, "linear_clamp_run(Tensor X, " + of(kLinear) + " W_prepack) -> Tensor");
  define<pack_conv>(m, "conv2d_clamp_prepack(" + places + "int[2] dilation, int groups, " + bounds + of(kConv));
  define<run_conv>(m, "conv2d_clamp_run(Tensor X, " + of(kConv) + " W_prepack) -> Tensor");
  define<pack_transposed>(m, "conv2d_transpose_clamp_prepack(" + places +
                                 "int[2] output_padding, int[2] dilation, int groups, " + bounds + of(kTransposed));
  define<run_transposed>(m, "conv2d_transpose_clamp_run(Tensor X, " + of(kTransposed) + " W_prepack) -> Tensor");
}

}  // namespace rushlight::quantized
