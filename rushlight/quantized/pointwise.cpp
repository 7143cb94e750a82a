// Operators with a scale of their own for the result: on the numbers that the arguments stand for, and rounded once.
#include <cmath>

#include "rushlight/fn/add.h"
#include "rushlight/fn/batch_norm.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/celu.h"
#include "rushlight/fn/clamp.h"
#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/dropout.h"
#include "rushlight/fn/elu.h"
#include "rushlight/fn/group_norm.h"
#include "rushlight/fn/hardswish.h"
#include "rushlight/fn/instance_norm.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/layer_norm.h"
#include "rushlight/fn/leaky_relu.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/max_pool1d.h"
#include "rushlight/fn/max_pool2d.h"
#include "rushlight/fn/mul.h"
#include "rushlight/fn/prelu.h"
#include "rushlight/fn/quantize_per_tensor.h"
#include "rushlight/fn/relu.h"
#include "rushlight/fn/relu6.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/softmax.h"
#include "rushlight/fn/threshold.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

Tensor numbers(const char* who, const Tensor& q) {
  RL_CHECK(RuntimeError, has_quantizer(q), who, ": expected a quantised tensor, got one of dtype ", q.dtype(),
           "; make one with torch.quantize_per_tensor");
  return dequantize(q);
}
// With the scale and dtype of another.
Tensor as(const Tensor& y, const Tensor& like) {
  Quantizer q = single_quantizer("quantized", like);
  return quantize_per_tensor(y, q.scale, q.zero_point, like.dtype());
}

template <bool kRelu>
Tensor finished(const Tensor& y) {
  return kRelu ? relu(y) : y;
}
template <bool kRelu>
Tensor add_two(const Tensor& a, const Tensor& b, double scale, int64_t zero_point) {
  return quantize_per_tensor(finished<kRelu>(add(numbers("quantized::add", a), numbers("quantized::add", b))), scale,
                             zero_point, a.dtype());
}
template <bool kRelu>
Tensor mul_two(const Tensor& a, const Tensor& b, double scale, int64_t zero_point) {
  return quantize_per_tensor(finished<kRelu>(mul(numbers("quantized::mul", a), numbers("quantized::mul", b))), scale,
                             zero_point, a.dtype());
}
// A number is no reason to round: the scale and the zero point of the result are other ones, so that the integers stay as they are where
// they can.
template <bool kRelu>
Tensor add_number(const Tensor& a, const Scalar& given) {
  Quantizer q = single_quantizer("quantized::add_scalar", a);
  QuantizedRange range = quantized_range(a.dtype());
  double s = q.scale, c = given.to_double();
  int64_t zero = q.zero_point - int64_t(std::nearbyint(c / s));
  double scale = s;
  if (zero < range.min || zero > range.max) {  // some numbers would have no integers: spread over more
    double low = double(range.min - zero) * s, high = double(range.max - zero) * s;
    scale = (zero < range.min ? high : -low) / double(range.max - range.min);
    zero = zero < range.min ? range.min : range.max;
  }
  return quantize_per_tensor(finished<kRelu>(add(dequantize(a), Scalar(std::nearbyint(c / s) * s))), scale, zero,
                             a.dtype());
}
template <bool kRelu>
Tensor mul_number(const Tensor& a, const Scalar& given) {
  Quantizer q = single_quantizer("quantized::mul_scalar", a);
  QuantizedRange range = quantized_range(a.dtype());
  double c = given.to_double();
  double scale = c == 0 ? 1 : q.scale * std::abs(c);
  int64_t zero = c == 0 ? 0 : c > 0 ? q.zero_point : range.max - (q.zero_point - range.min);
  return quantize_per_tensor(finished<kRelu>(mul(dequantize(a), Scalar(c))), scale, zero, a.dtype());
}
template <Tensor (*F)(const Tensor&, const Scalar&)>
Tensor with_tensor(const Tensor& a, const Tensor& b) {
  return F(a, item(b));
}
template <Tensor (*F)(const Tensor&, const Scalar&)>
Tensor swapped(const Scalar& b, const Tensor& a) {
  return F(a, b);
}

template <bool kRelu>
Tensor join(TensorList qx, int64_t dim, std::optional<double> scale, std::optional<int64_t> zero_point) {
  RL_CHECK(RuntimeError, !qx.empty(), "quantized::cat: expected a list of tensors that is not empty");
  Tensors all;
  for (const Tensor& t : qx) all.push_back(numbers("quantized::cat", t));
  Quantizer q = single_quantizer("quantized::cat", qx[0]);
  return quantize_per_tensor(finished<kRelu>(cat(all, dim)), scale.value_or(q.scale), zero_point.value_or(q.zero_point),
                             qx[0].dtype());
}

template <bool kRelu>
Tensor normalize_batch(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean, const Tensor& var,
                       double eps, double scale, int64_t zero_point) {
  Tensor y = batch_norm(numbers("quantized::batch_norm", x), weight, bias, mean, var, false, 0, eps, false);
  return quantize_per_tensor(finished<kRelu>(y), scale, zero_point, x.dtype());
}

}  // namespace

void define_pointwise(OpLibrary& m) {
  const char* two = "(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc";
  define<add_two<false>>(m, str("add", two));
  define<add_two<true>>(m, str("add_relu", two));
  define<mul_two<false>>(m, str("mul", two));
  define<mul_two<true>>(m, str("mul_relu", two));
  define(
      m, str("matmul", two), +[](const Tensor& a, const Tensor& b, double scale, int64_t zero_point) {
        return quantize_per_tensor(matmul(numbers("quantized::matmul", a), numbers("quantized::matmul", b)), scale,
                                   zero_point, a.dtype());
      });
  auto number = [&]<Tensor (*F)(const Tensor&, const Scalar&)>(const std::string& name, const std::string& alone) {
    define<F>(m, name + ".Scalar(Tensor qa, Scalar b) -> Tensor qc");
    define<swapped<F>>(m, name + ".Scalar2(Scalar b, Tensor qa) -> Tensor qc");
    define<F>(m, alone + "(Tensor qa, Scalar b) -> Tensor qc");
    define<with_tensor<F>>(m, alone + ".Tensor(Tensor qa, Tensor b) -> Tensor qc");
  };
  number.operator()<add_number<false>>("add", "add_scalar");
  number.operator()<add_number<true>>("add_relu", "add_scalar_relu");
  number.operator()<mul_number<false>>("mul", "mul_scalar");
  number.operator()<mul_number<true>>("mul_relu", "mul_scalar_relu");
  define<join<false>>(m, "cat(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor");
  define<join<true>>(m, "cat_relu(Tensor[] qx, int dim, float? scale, int? zero_point) -> Tensor");

  const char* norm =
      "(Tensor qx, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float output_scale, int "
      "output_zero_point) -> Tensor";
  for (const char* dims : {"", "1d", "2d", "3d"}) {
    define<normalize_batch<false>>(m, str("batch_norm", dims, norm));
    define<normalize_batch<true>>(m, str("batch_norm", dims, "_relu", norm));
  }
  define(
      m,
      "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps, float output_scale, "
      "int "
      "output_zero_point) -> Tensor",
      +[](const Tensor& x, IntArrayRef shape, const Tensor& weight, const Tensor& bias, double eps, double scale,
          int64_t zero_point) {
        return quantize_per_tensor(layer_norm(numbers("quantized::layer_norm", x), shape, weight, bias, eps), scale,
                                   zero_point, x.dtype());
      });
  define(
      m,
      "group_norm(Tensor input, int num_groups, Tensor? weight, Tensor? bias, float eps, float output_scale, int "
      "output_zero_point) -> "
      "Tensor",
      +[](const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps, double scale,
          int64_t zero_point) {
        return quantize_per_tensor(group_norm(numbers("quantized::group_norm", x), groups, weight, bias, eps), scale,
                                   zero_point, x.dtype());
      });
  define(
      m,
      "instance_norm(Tensor input, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) "
      "-> Tensor",
      +[](const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, double scale, int64_t zero_point) {
        Tensor y = instance_norm(numbers("quantized::instance_norm", x), weight, bias, Tensor(), Tensor(), true, 0, eps,
                                 false);
        return quantize_per_tensor(y, scale, zero_point, x.dtype());
      });

  define(
      m, "hardswish(Tensor input, float output_scale, int output_zero_point) -> Tensor",
      +[](const Tensor& x, double scale, int64_t zero_point) {
        return quantize_per_tensor(hardswish(numbers("quantized::hardswish", x)), scale, zero_point, x.dtype());
      });
  define(
      m, "sigmoid(Tensor qx, float output_scale, int output_zero_point) -> Tensor",
      +[](const Tensor& x, double scale, int64_t zero_point) {
        return quantize_per_tensor(sigmoid(numbers("quantized::sigmoid", x)), scale, zero_point, x.dtype());
      });
  define(
      m,
      "leaky_relu(Tensor qx, Scalar negative_slope, bool inplace, float output_scale, int output_zero_point) -> Tensor",
      +[](const Tensor& x, const Scalar& slope, bool, double scale, int64_t zero_point) {
        return quantize_per_tensor(leaky_relu(numbers("quantized::leaky_relu", x), slope), scale, zero_point,
                                   x.dtype());
      });
  define(
      m, "prelu(Tensor qx, Tensor weight, float output_scale, int output_zero_point) -> Tensor",
      +[](const Tensor& x, const Tensor& weight, double scale, int64_t zero_point) {
        return quantize_per_tensor(prelu(numbers("quantized::prelu", x), dequantize(weight)), scale, zero_point,
                                   x.dtype());
      });
  define(
      m,
      "elu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1, Scalar scale=1, Scalar "
      "input_scale=1) -> Tensor",
      +[](const Tensor& x, double scale, int64_t zero_point, const Scalar& alpha, const Scalar& by,
          const Scalar& input_scale) {
        return quantize_per_tensor(elu(numbers("quantized::elu", x), alpha, by, input_scale), scale, zero_point,
                                   x.dtype());
      });
  define(
      m, "celu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1) -> Tensor",
      +[](const Tensor& x, double scale, int64_t zero_point, const Scalar& alpha) {
        return quantize_per_tensor(celu(numbers("quantized::celu", x), alpha), scale, zero_point, x.dtype());
      });
  define(
      m, "softmax(Tensor qx, int dim, float output_scale, int output_zero_point) -> Tensor",
      +[](const Tensor& x, int64_t dim, double scale, int64_t zero_point) {
        return quantize_per_tensor(softmax(numbers("quantized::softmax", x), dim), scale, zero_point, x.dtype());
      });
  define(
      m, "dropout(Tensor self, float output_scale, int output_zero_point, Scalar p=0.5, bool training=False) -> Tensor",
      +[](const Tensor& x, double scale, int64_t zero_point, const Scalar& p, bool training) {
        return quantize_per_tensor(dropout(numbers("quantized::dropout", x), p.to_double(), training), scale,
                                   zero_point, x.dtype());
      });
  define(
      m, "relu6(Tensor qx, bool inplace=False) -> Tensor",
      +[](const Tensor& x, bool) { return as(relu6(numbers("quantized::relu6", x)), x); });
  define(
      m, "threshold(Tensor qx, Scalar threshold, Scalar value) -> Tensor qy",
      +[](const Tensor& x, const Scalar& at, const Scalar& value) {
        return as(threshold(numbers("quantized::threshold", x), at, value), x);
      });
  define(
      m, "clamp(Tensor qx, Scalar? min=None, Scalar? max=None) -> Tensor qy",
      +[](const Tensor& x, const std::optional<Scalar>& low, const std::optional<Scalar>& high) {
        return as(clamp(numbers("quantized::clamp", x), low, high), x);
      });
  const char* pool =
      "(Tensor qx, int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode) -> Tensor";
  define(
      m, str("max_pool2d", pool),
      +[](const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
          bool ceil) {
        return as(max_pool2d(numbers("quantized::max_pool2d", x), kernel, stride, padding, dilation, ceil), x);
      });
  define(
      m, str("max_pool1d", pool),
      +[](const Tensor& x, IntArrayRef kernel, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
          bool ceil) {
        return as(max_pool1d(numbers("quantized::max_pool1d", x), kernel, stride, padding, dilation, ceil), x);
      });
}

}  // namespace rushlight::quantized
