// Quantised tensors: making them, what they stand for, and what they are made of. What computes with them is rushlight/quantized.
#include "rushlight/kernels/quantize.h"

#include <cmath>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/fake_quantize_per_tensor_affine.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/max.h"
#include "rushlight/fn/min.h"
#include "rushlight/fn/to.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

Quantizer any_quantizer_of(const char* who, const Tensor& t) {
  RL_CHECK(RuntimeError, has_quantizer(t), who, ": expected a quantised tensor, got one of dtype ", t.dtype());
  return quantizer_of(t);
}
Quantizer one_quantizer_of(const char* who, const Tensor& t) {
  Quantizer q = any_quantizer_of(who, t);
  RL_CHECK(RuntimeError, !q.per_channel(), who,
           ": expected a tensor that is quantised per tensor, got one with a scale for each index of "
           "dimension ",
           q.axis);
  return q;
}
Quantizer channel_quantizer_of(const char* who, const Tensor& t) {
  Quantizer q = any_quantizer_of(who, t);
  RL_CHECK(RuntimeError, q.per_channel(), who,
           ": expected a tensor that is quantised per channel, got one with a single scale");
  return q;
}

void check_source(const char* who, const Tensor& t) {
  RL_CHECK(RuntimeError, t.dtype() == DType::Float32, who, ": Quantize only works on Float Tensor, got ", t.dtype());
  RL_CHECK(NotImplementedError, t.device().is_cpu(), who, ": expected a tensor on the CPU, got one on ", t.device());
}
void check_scale(const char* who, double scale, int64_t zero_point, DType d) {
  QuantizedRange range = quantized_range(d);
  RL_CHECK(RuntimeError, scale > 0 && std::isfinite(scale), who, ": expected a scale above 0, got ", scale);
  RL_CHECK(RuntimeError, zero_point >= range.min && zero_point <= range.max, who, ": expected a zero point within [",
           range.min, ", ", range.max, "], the range of ", d, ", got ", zero_point);
}

// Its elements lie side by side, in whatever order.
Tensor compact(const Tensor& t) { return is_dense_non_overlapping(t.sizes(), t.strides()) ? t : contiguous(t); }

Tensor quantize_one(const Tensor& self, double scale, int64_t zero_point, DType dtype) {
  check_source("quantize_per_tensor", self);
  check_scale("quantize_per_tensor", scale, zero_point, dtype);
  Tensor in = compact(self), out = empty_strided_tensor(in.sizes(), in.strides(), integers_of(dtype));
  quantize_row(dtype, out.raw(), in.data<float>(), in.numel(), float(scale), zero_point);
  return quantized_over(out, dtype, one_scale(scale, zero_point));
}
Tensor quantize_one_of_tensors(const Tensor& self, const Tensor& scale, const Tensor& zero_point, DType dtype) {
  return quantize_one(self, item(scale).to_double(), item(zero_point).to_int(), dtype);
}
Tensor quantize_dynamic(const Tensor& self, DType dtype, bool reduce_range) {
  check_source("quantize_per_tensor_dynamic", self);
  QuantizedRange range = quantized_range(dtype);
  if (!self.numel()) return quantize_one(self, 1, 0, dtype);
  QuantizedAs q = choose_quantization(float(item(min(self)).to_double()), float(item(max(self)).to_double()), range.min,
                                      range.max, reduce_range);
  return quantize_one(self, q.scale, q.zero_point, dtype);
}

// One scale and zero point for each index of the axis. Throws RuntimeError.
Quantizer channel_quantizer(const char* who, const Tensor& of, const Tensor& scales, const Tensor& zero_points,
                            int64_t axis) {
  RL_CHECK(RuntimeError, axis >= 0 && axis < of.dim(), who, ": expected an axis from 0 to ", of.dim() - 1, ", got ",
           axis);
  int64_t n = of.sizes()[size_t(axis)];
  RL_CHECK(RuntimeError, scales.dim() == 1 && zero_points.dim() == 1 && scales.numel() == n && zero_points.numel() == n,
           who, ": expected ", n, " scales and zero points, one for each index of dimension ", axis,
           ", got tensors of shapes ", scales.sizes(), " and ", zero_points.sizes());
  bool floats = is_floating(zero_points.dtype());
  RL_CHECK(RuntimeError, is_floating(scales.dtype()) && (floats || is_integral(zero_points.dtype(), false)), who,
           ": expected floating point scales and integers as zero points, got ", scales.dtype(), " and ",
           zero_points.dtype());
  return channel_scales(detached_alias(clone(to(scales, DType::Float64))),
                        detached_alias(clone(to(zero_points, floats ? DType::Float32 : DType::Int64))), axis);
}

// f(piece of the tensor, its length, scale, zero point), for each run of elements that have one scale; `t` is contiguous.
template <class F>
void each_channel(const Tensor& t, const Quantizer& q, F&& f) {
  int64_t channels = t.sizes()[size_t(q.axis)], inner = 1;
  for (int64_t d = q.axis + 1; d < t.dim(); d++) inner *= t.sizes()[size_t(d)];
  Tensor scales = dense(q.scales), zeros = dense(q.zero_points);
  const double* scale = scales.data<double>();
  bool floats = is_floating(zeros.dtype());
  for (int64_t at = 0, i = 0; at < t.numel(); at += inner, i = i + 1 == channels ? 0 : i + 1)
    f(at, inner, float(scale[i]), floats ? 0 : zeros.data<int64_t>()[i], floats ? zeros.data<float>()[i] : 0.f);
}

Tensor quantize_channels(const Tensor& self, const Tensor& scales, const Tensor& zero_points, int64_t axis,
                         DType dtype) {
  check_source("quantize_per_channel", self);
  quantized_range(dtype);
  Quantizer q = channel_quantizer("quantize_per_channel", self, scales, zero_points, axis);
  Tensor in = contiguous(self), out = empty_tensor(in.sizes(), integers_of(dtype));
  int64_t width = out.item_size();
  each_channel(in, q, [&](int64_t at, int64_t n, float scale, int64_t zero, float shift) {
    const float* from = in.data<float>() + at;
    std::vector<float> moved;
    if (shift != 0) {
      for (int64_t i = 0; i < n; i++) moved.push_back(from[i] + shift * scale);
      from = moved.data();
    }
    quantize_row(dtype, static_cast<char*>(out.raw()) + at * width, from, n, scale, zero);
  });
  return quantized_over(out, dtype, q);
}

Tensor dequantize_one(const Tensor& self) {
  if (!has_quantizer(self)) return to(self, DType::Float32);
  Quantizer q = quantizer_of(self);
  Tensor ints = q.per_channel() ? contiguous(integers_of(self)) : compact(integers_of(self));
  Tensor out = empty_strided_tensor(ints.sizes(), ints.strides(), DType::Float32);
  if (!q.per_channel()) {
    dequantize_row(self.dtype(), out.data<float>(), ints.raw(), ints.numel(), float(q.scale), q.zero_point);
    return out;
  }
  each_channel(ints, q, [&](int64_t at, int64_t n, float scale, int64_t zero, float shift) {
    float* to = out.data<float>() + at;
    dequantize_row(self.dtype(), to, static_cast<const char*>(ints.raw()) + at * ints.item_size(), n, scale, zero);
    for (int64_t i = 0; shift != 0 && i < n; i++) to[i] -= shift * scale;
  });
  return out;
}
Tensors dequantize_all(TensorList tensors) {
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(dequantize(t));
  return out;
}

double q_scale(const Tensor& t) { return one_quantizer_of("q_scale", t).scale; }
int64_t q_zero_point(const Tensor& t) { return one_quantizer_of("q_zero_point", t).zero_point; }
Tensor q_scales(const Tensor& t) { return clone(channel_quantizer_of("q_per_channel_scales", t).scales); }
Tensor q_zero_points(const Tensor& t) {
  return clone(channel_quantizer_of("q_per_channel_zero_points", t).zero_points);
}
int64_t q_axis(const Tensor& t) { return channel_quantizer_of("q_per_channel_axis", t).axis; }
Tensor int_repr(const Tensor& t) {
  any_quantizer_of("int_repr", t);
  return clone(integers_of(t));
}

DType quantized_dtype_of(const char* who, const Tensor& integers) {
  switch (integers.dtype()) {
    case DType::Int8: return DType::QInt8;
    case DType::UInt8: return DType::QUInt8;
    case DType::Int32: return DType::QInt32;
    default: throw RuntimeError(str(who, ": expected integers of dtype int8, uint8 or int32, got ", integers.dtype()));
  }
}
Tensor make_one(const Tensor& self, double scale, int64_t zero_point) {
  DType dtype = quantized_dtype_of("_make_per_tensor_quantized_tensor", self);
  check_scale("_make_per_tensor_quantized_tensor", scale, zero_point, dtype);
  return quantized_over(clone(self), dtype, one_scale(scale, zero_point));
}
Tensor make_channels(const Tensor& self, const Tensor& scales, const Tensor& zero_points, int64_t axis) {
  const char* who = "_make_per_channel_quantized_tensor";
  return quantized_over(clone(self), quantized_dtype_of(who, self),
                        channel_quantizer(who, self, scales, zero_points, axis));
}
Tensor empty_one(IntArrayRef size, const std::optional<DType>& dtype, const std::optional<Layout>&,
                 const std::optional<Device>&, const std::optional<bool>&, double scale, int64_t zero_point,
                 const std::optional<MemoryFormat>& format) {
  RL_CHECK(RuntimeError, dtype && is_quantized(*dtype), "_empty_affine_quantized: expected a quantised dtype");
  check_scale("_empty_affine_quantized", scale, zero_point, *dtype);
  Tensor integers =
      empty_strided_tensor(size, strides_for(size, format.value_or(MemoryFormat::Contiguous)), integers_of(*dtype));
  return quantized_over(integers, *dtype, one_scale(scale, zero_point));
}

// ---- floats that are rounded as if they were quantised ----

// A scale and a zero point for each index of `axis`, or one for all of them (-1).
struct Fake {
  const char* who;
  std::vector<float> scales;
  std::vector<double> zeros;
  int64_t axis, low, high;

  void check(const Tensor& self) const {
    RL_CHECK(RuntimeError, self.dtype() == DType::Float32, who, ": expected a tensor of dtype float32, got ",
             self.dtype());
    RL_CHECK(RuntimeError, low <= high, who, ": `quant_min` should be less than or equal to `quant_max`, got ", low,
             " and ", high);
    for (double z : zeros)
      RL_CHECK(RuntimeError, z >= double(low) && z <= double(high), who,
               ": `zero_point` must be between `quant_min` and `quant_max`, got ", int64_t(z), " and [", low, ", ",
               high, "]");
    RL_CHECK(RuntimeError, axis < self.dim(), who, ": expected an axis from 0 to ", self.dim() - 1, ", got ", axis);
    RL_CHECK(RuntimeError, axis < 0 || int64_t(scales.size()) == self.sizes()[size_t(axis)], who,
             ": expected a scale for each index of dimension ", axis, ", got ", scales.size());
  }
  // f(x, 1 / scale, scale, zero point) of each element.
  template <class F>
  Tensor each(const Tensor& self, F&& f) const {
    Tensor in = contiguous(self), out = empty_tensor(self.sizes(), DType::Float32);
    int64_t inner = 1;
    for (int64_t d = axis + 1; axis >= 0 && d < self.dim(); d++) inner *= self.sizes()[size_t(d)];
    const float* from = in.data<float>();
    float* to = out.data<float>();
    int64_t run = axis < 0 ? in.numel() : inner;
    size_t channel = 0;
    for (int64_t at = 0; at < in.numel(); at += run, channel = channel + 1 == scales.size() ? 0 : channel + 1) {
      float scale = scales[channel], inverse = 1.0f / scale;
      for (int64_t i = at; i < at + run; i++) to[i] = f(from[i], inverse, scale, zeros[channel]);
    }
    return out;
  }
  Tensor values(const Tensor& self) const {
    check(self);
    auto least = double(low), most = double(high);
    return each(self, [=](float x, float inverse, float scale, double zero) {
      double i = std::nearbyint(x * inverse) + zero;
      return float(std::min(std::max(i, least), most) - zero) * scale;
    });
  }
  // 1 where the gradient passes: where nothing was cut off.
  Tensor mask(const Tensor& self) const {
    auto least = double(low), most = double(high);
    return each(self, [=](float x, float inverse, float, double zero) {
      double i = std::nearbyint(x * inverse) + zero;
      return i >= least && i <= most ? 1.f : 0.f;
    });
  }
};

Fake fake_one(double scale, int64_t zero_point, int64_t low, int64_t high) {
  return {"fake_quantize_per_tensor_affine", {float(scale)}, {double(zero_point)}, -1, low, high};
}
Tensor fake_quantize_one(const Tensor& self, double scale, int64_t zero_point, int64_t low, int64_t high) {
  return fake_one(scale, zero_point, low, high).values(self);
}
Tensor fake_quantize_of_tensors(const Tensor& self, const Tensor& scale, const Tensor& zero_point, int64_t low,
                                int64_t high) {
  return fake_quantize_per_tensor_affine(self, item(scale).to_double(), int64_t(item(zero_point).to_double()), low,
                                         high);
}
Grads fake_one_grad(const Saved& s, const Tensor& g) {
  Fake f = fake_one(s.arg("scale").to_double(), s.arg("zero_point").to_int(), s.arg("quant_min").to_int(),
                    s.arg("quant_max").to_int());
  return {g * f.mask(s["self"])};
}

Fake fake_channels(const Tensor& scale, const Tensor& zero_point, int64_t axis, int64_t low, int64_t high) {
  const char* who = "fake_quantize_per_channel_affine";
  RL_CHECK(RuntimeError, scale.dim() == 1 && zero_point.dim() == 1 && scale.numel() == zero_point.numel(), who,
           ": expected as many scales as zero points, in one dimension, got shapes ", scale.sizes(), " and ",
           zero_point.sizes());
  RL_CHECK(RuntimeError, axis >= 0, who, ": expected an axis that is not negative, got ", axis);
  Tensor scales = dense(scale, DType::Float32), zeros = dense(zero_point, DType::Float64);
  const float* s = scales.data<float>();
  const double* z = zeros.data<double>();
  return {who, {s, s + scales.numel()}, {z, z + zeros.numel()}, axis, low, high};
}
Tensor fake_quantize_channels(const Tensor& self, const Tensor& scale, const Tensor& zero_point, int64_t axis,
                              int64_t low, int64_t high) {
  return fake_channels(scale, zero_point, axis, low, high).values(self);
}
Grads fake_channels_grad(const Saved& s, const Tensor& g) {
  Fake f = fake_channels(s["scale"], s["zero_point"], s.arg("axis").to_int(), s.arg("quant_min").to_int(),
                         s.arg("quant_max").to_int());
  return {g * f.mask(s["self"]), Tensor(), Tensor()};
}

std::tuple<double, int64_t> choose_for(const Tensor& self, bool reduce_range) {
  check_source("_choose_qparams_per_tensor", self);
  QuantizedAs q =
      choose_quantization(float(item(min(self)).to_double()), float(item(max(self)).to_double()), 0, 255, reduce_range);
  return {q.scale, q.zero_point};
}

}  // namespace

OP(quantize_per_tensor,
   {.schema = "quantize_per_tensor(Tensor self, float scale, int zero_point, ScalarType dtype) -> Tensor",
    .doc =
        "self as integers: round(self / scale) + zero_point, kept within the dtype's range."
        " >>> torch.quantize_per_tensor(torch.tensor([0., 1.2]), 0.5, 10, torch.quint8).int_repr()\ntensor([10, 12], "
        "dtype=torch.uint8)",
    .kernel = function<quantize_one>(),
    .forms = kFunction});
OP(quantize_per_tensor_of_tensors,
   {.schema =
        "quantize_per_tensor.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, ScalarType dtype) -> Tensor",
    .doc = "With scale and zero point in tensors.",
    .kernel = function<quantize_one_of_tensors>(),
    .forms = kFunction});
OP(quantize_per_tensor_dynamic,
   {.schema = "quantize_per_tensor_dynamic(Tensor self, ScalarType dtype, bool reduce_range) -> Tensor",
    .doc = "Quantised by a scale and a zero point that the least and the greatest element say."
           " >>> torch.quantize_per_tensor_dynamic(torch.tensor([0., 25.5]), torch.quint8, False).q_zero_point()\n0",
    .kernel = function<quantize_dynamic>(),
    .forms = kFunction});
OP(quantize_per_channel,
   {.schema =
        "quantize_per_channel(Tensor self, Tensor scales, Tensor zero_points, int axis, ScalarType dtype) -> Tensor",
    .doc = "Quantised with a scale and a zero point for each index of dimension axis."
           " >>> torch.quantize_per_channel(torch.tensor([[1.], [1.]]), torch.tensor([1., 0.5]), torch.zeros(2), 0, "
           "torch.qint8).int_repr()\ntensor([[1],\n        [2]], dtype=torch.int8)",
    .kernel = function<quantize_channels>(),
    .forms = kFunction});
OP(dequantize,
   {.schema = "dequantize.self(Tensor self) -> Tensor",
    .doc = "The numbers that a quantised tensor stands for, as float32."
           " >>> torch.quantize_per_tensor(torch.tensor([1.3]), 0.5, 0, torch.qint8).dequantize()\ntensor([1.5000])",
    .kernel = function<dequantize_one>(),
    .forms = kFunction | kMethod,
    .shares = {"self"},
    .sparse = takes_sparse});
OP(dequantize_tensors, {.schema = "dequantize.tensors(Tensor[] tensors) -> Tensor[]",
                        .doc = "Of each tensor.",
                        .kernel = function<dequantize_all>(),
                        .forms = kFunction,
                        .shares = {"tensors"},
                        .sparse = takes_sparse});
OP(q_scale, {.schema = "q_scale(Tensor self) -> float",
             .doc = "What one step of the integers stands for."
                    " >>> torch.quantize_per_tensor(torch.ones(1), 0.5, 3, torch.qint8).q_scale()\n0.5",
             .kernel = function<q_scale>(),
             .forms = kFunction | kMethod,
             .sparse = takes_sparse});
OP(q_zero_point, {.schema = "q_zero_point(Tensor self) -> int",
                  .doc = "The integer that stands for 0."
                         " >>> torch.quantize_per_tensor(torch.ones(1), 0.5, 3, torch.qint8).q_zero_point()\n3",
                  .kernel = function<q_zero_point>(),
                  .forms = kFunction | kMethod,
                  .sparse = takes_sparse});
OP(q_per_channel_scales, {.schema = "q_per_channel_scales(Tensor self) -> Tensor",
                          .doc = "The scales of a tensor that is quantised per channel, as float64.",
                          .kernel = function<q_scales>(),
                          .forms = kFunction | kMethod,
                          .sparse = takes_sparse});
OP(q_per_channel_zero_points, {.schema = "q_per_channel_zero_points(Tensor self) -> Tensor",
                               .doc = "The zero points of a tensor that is quantised per channel.",
                               .kernel = function<q_zero_points>(),
                               .forms = kFunction | kMethod,
                               .sparse = takes_sparse});
OP(q_per_channel_axis, {.schema = "q_per_channel_axis(Tensor self) -> int",
                        .doc = "The dimension each of whose indices has its own scale.",
                        .kernel = function<q_axis>(),
                        .forms = kFunction | kMethod,
                        .sparse = takes_sparse});
OP(int_repr,
   {.schema = "int_repr(Tensor self) -> Tensor",
    .doc =
        "The integers of a quantised tensor."
        " >>> torch.quantize_per_tensor(torch.ones(1), 0.5, 3, torch.qint8).int_repr()\ntensor([5], dtype=torch.int8)",
    .kernel = function<int_repr>(),
    .forms = kFunction | kMethod,
    .sparse = takes_sparse});
OP(_make_per_tensor_quantized_tensor,
   {.schema = "_make_per_tensor_quantized_tensor(Tensor self, float scale, int zero_point) -> Tensor",
    .doc = "A quantised tensor of these integers."
           " >>> torch._make_per_tensor_quantized_tensor(torch.tensor([4], dtype=torch.int8), 0.5, "
           "0).dequantize()\ntensor([2.])",
    .kernel = function<make_one>(),
    .forms = kFunction});
OP(_make_per_channel_quantized_tensor,
   {.schema = "_make_per_channel_quantized_tensor(Tensor self, Tensor scale, Tensor zero_point, int axis) -> Tensor",
    .doc = "A tensor of these integers, quantised per channel.",
    .kernel = function<make_channels>(),
    .forms = kFunction});
OP(_empty_affine_quantized,
   {.schema =
        "_empty_affine_quantized(int[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
        "bool? "
        "pin_memory=None, float scale=1, int zero_point=0, MemoryFormat? memory_format=contiguous_format) -> Tensor",
    .doc = "A quantised tensor of whatever integers.",
    .kernel = function<empty_one>(),
    .forms = kFunction});
OP(fake_quantize_per_tensor_affine,
   {.schema = "fake_quantize_per_tensor_affine(Tensor self, float scale, int zero_point, int quant_min, int quant_max) "
              "-> Tensor",
    .doc =
        "What would come back if self were quantised; the gradient passes where nothing is cut off."
        " >>> torch.fake_quantize_per_tensor_affine(torch.tensor([0.3, 9.]), 0.5, 0, 0, 10)\ntensor([0.5000, 5.0000])",
    .kernel = function<fake_quantize_one>(),
    .grad = {{"self"}, fake_one_grad},
    .forms = kFunction,
    .node = "FakeQuantizePerTensorAffineCachemaskBackward0"});
OP(fake_quantize_per_tensor_affine_of_tensors, {.schema = "fake_quantize_per_tensor_affine.tensor_qparams(Tensor self, "
                                                          "Tensor scale, Tensor zero_point, int quant_min, int "
                                                          "quant_max) -> Tensor",
                                                .doc = "With scale and zero point in tensors.",
                                                .kernel = composite<fake_quantize_of_tensors>(),
                                                .forms = kFunction});
OP(fake_quantize_per_channel_affine,
   {.schema = "fake_quantize_per_channel_affine(Tensor self, Tensor scale, Tensor zero_point, int axis, int quant_min, "
              "int quant_max) "
              "-> Tensor",
    .doc = "fake_quantize_per_tensor_affine with a scale and a zero point for each index of dimension axis."
           " >>> torch.fake_quantize_per_channel_affine(torch.tensor([[0.3], [0.3]]), torch.tensor([0.5, 1.]), "
           "torch.zeros(2), 0, 0, "
           "10)\ntensor([[0.5000],\n        [0.0000]])",
    .kernel = function<fake_quantize_channels>(),
    .grad = {{"self", "scale", "zero_point"}, fake_channels_grad},
    .forms = kFunction,
    .node = "FakeQuantizePerChannelAffineCachemaskBackward0"});
OP(_choose_qparams_per_tensor,
   {.schema = "_choose_qparams_per_tensor(Tensor self, bool reduce_range=False) -> (float, int)",
    .doc = "Scale and zero point that spread the elements over 8 bits."
           " >>> torch._choose_qparams_per_tensor(torch.tensor([0., 51.]))\n(0.2, 0)",
    .kernel = function<choose_for>(),
    .forms = kFunction});

}  // namespace rushlight
