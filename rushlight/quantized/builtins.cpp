// What operators of aten do with quantised tensors: on the numbers that these stand for, and back to integers of the argument's scale, or of
// the scale that PyTorch gives functions with a fixed range.
#include <cmath>

#include "rushlight/dispatch/op.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/quantize_per_channel.h"
#include "rushlight/fn/quantize_per_tensor.h"
#include "rushlight/fn/to.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

// How results become integers again.
enum class Result { AsArgument, Unit, SymmetricUnit, Plain };

class ThroughNumbers final : public BoxedKernel {
 public:
  explicit ThroughNumbers(Result r) : result_(r) {}
  void call(const Op& op, IValue* args, IValue* rets) override {
    Tensor first;
    auto number_of = [&](const Tensor& t) {
      if (!has_quantizer(t)) return t;
      if (!first.defined()) first = t;
      return dequantize(t);
    };
    std::vector<IValue> with;
    for (int i = 0; i < op.num_args(); i++) {
      if (args[i].is_tensor()) with.push_back(IValue(number_of(args[i].tensor())));
      else if (args[i].is_tensor_list()) {
        Tensors all;
        for (const Tensor& t : args[i].tensor_list()) all.push_back(number_of(t));
        with.push_back(IValue(std::move(all)));
      } else with.push_back(args[i]);
    }
    rushlight::call(op, with.data(), rets);
    for (int i = 0; i < op.num_returns(); i++) {
      if (!rets[i].is_tensor() || rets[i].tensor().dtype() != DType::Float32 || result_ == Result::Plain) continue;
      Tensor made = integers_again(op, rets[i].tensor(), first);
      if (op.mutates() && i == 0) rets[0] = IValue(copy_(args[0].tensor(), made));
      else rets[i] = IValue(std::move(made));
    }
  }

 private:
  Tensor integers_again(const Op& op, const Tensor& y, const Tensor& like) const {
    Quantizer q = single_quantizer(op.name().c_str(), like);
    bool is_signed = like.dtype() == DType::QInt8;
    double steps = like.dtype() == DType::QInt32 ? 4294967296.0 : 256;
    switch (result_) {
      case Result::Unit: return quantize_per_tensor(y, 1 / steps, is_signed ? -128 : 0, like.dtype());
      case Result::SymmetricUnit:
        return quantize_per_tensor(y, 2 / steps, like.dtype() == DType::QUInt8 ? 128 : 0, like.dtype());
      default: return quantize_per_tensor(y, q.scale, q.zero_point, like.dtype());
    }
  }
  Result result_;
};

// ---- what moves elements ----

class OnIntegers final : public BoxedKernel {
 public:
  explicit OnIntegers(bool in_place) : in_place_(in_place) {}
  void call(const Op& op, IValue* args, IValue* rets) override { call_on_integers(op, args, rets, in_place_); }

 private:
  bool in_place_;
};

// To another device or memory format, not to another dtype.
class ToCopy final : public BoxedKernel {
  void call(const Op& op, IValue* args, IValue* rets) override {
    const Tensor& self = args[0].tensor();
    RL_CHECK(
        RuntimeError, args[1].is_none() || dtype_numbered(args[1].to_int()) == self.dtype(),
        "to: a quantised tensor can't be converted to another dtype; use dequantize(), or int_repr() for its integers");
    std::vector<IValue> with(args, args + op.num_args());
    with[1] = {};
    call_on_integers(op, with.data(), rets, true);
  }
};

class Copy final : public BoxedKernel {
  void call(const Op&, IValue* args, IValue* rets) override {
    const Tensor& self = args[0].tensor();
    Tensor from = args[1].is_tensor() ? args[1].tensor() : wrapped_number(args[1].to_scalar());
    RL_CHECK(RuntimeError, has_quantizer(self),
             "copy_: Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to "
             "get a float Tensor");
    Quantizer q = quantizer_of(self);
    if (has_quantizer(from)) {
      RL_CHECK(RuntimeError, from.dtype() == self.dtype() && from.sizes() == self.sizes(),
               "copy_: expected quantised tensors of one dtype and shape, got ", self.dtype(), " ", self.sizes(),
               " and ", from.dtype(), " ", from.sizes());
      self.impl()->set_parts(Ref<SparseParts>(from.impl()->parts()));
    } else {
      Tensor floats = expand(to(from, DType::Float32), self.sizes());
      from = q.per_channel() ? quantize_per_channel(floats, q.scales, q.zero_points, q.axis, self.dtype())
                             : quantize_per_tensor(floats, q.scale, q.zero_point, self.dtype());
    }
    copy_(integers_of(self), integers_of(from));
    rets[0] = IValue(args[0]);
  }
};

}  // namespace

void define_builtins(std::vector<std::string>& names) {
  auto set = [&](const char* name, Ref<BoxedKernel> kernel) {
    set_quantized_kernel(name, std::move(kernel));
    names.push_back(name);
  };
  auto on_numbers = [&](Result r, std::initializer_list<const char*> all) {
    for (const char* name : all) set(name, make_ref<ThroughNumbers>(r));
  };
  for (const char* name : {"clone", "empty_like"}) set(name, make_ref<OnIntegers>(true));
  for (const char* name : {"index_select", "flip"}) set(name, make_ref<OnIntegers>(false));
  set("_to_copy", make_ref<ToCopy>());
  for (const char* name : {"copy_", "fill_.Scalar", "fill_.Tensor"}) set(name, make_ref<Copy>());
  on_numbers(Result::AsArgument, {"relu",
                                  "relu_",
                                  "relu6",
                                  "hardtanh",
                                  "hardtanh_",
                                  "clamp",
                                  "leaky_relu",
                                  "leaky_relu_",
                                  "elu",
                                  "celu",
                                  "gelu",
                                  "threshold",
                                  "threshold_",
                                  "max_pool1d",
                                  "max_pool2d",
                                  "max_pool3d",
                                  "avg_pool2d",
                                  "avg_pool3d",
                                  "adaptive_avg_pool2d",
                                  "adaptive_avg_pool3d",
                                  "mean",
                                  "mean.dim",
                                  "upsample_nearest1d",
                                  "upsample_nearest2d",
                                  "upsample_nearest3d",
                                  "upsample_bilinear2d",
                                  "upsample_nearest2d.vec",
                                  "upsample_bilinear2d.vec",
                                  "upsample_nearest3d.vec",
                                  "upsample_nearest1d.vec",
                                  "constant_pad_nd",
                                  "reflection_pad1d",
                                  "reflection_pad2d",
                                  "channel_shuffle",
                                  "cat",
                                  "stack",
                                  "topk",
                                  "sort",
                                  "max",
                                  "min",
                                  "max.dim",
                                  "min.dim",
                                  "masked_fill.Scalar",
                                  "repeat",
                                  "masked_select",
                                  "index.Tensor"});
  on_numbers(Result::Unit, {"sigmoid", "hardsigmoid"});
  on_numbers(Result::SymmetricUnit, {"tanh"});
  on_numbers(Result::Plain,
             {"eq.Tensor", "ne.Tensor", "lt.Tensor", "le.Tensor", "gt.Tensor", "ge.Tensor", "eq.Scalar", "ne.Scalar",
              "lt.Scalar", "le.Scalar", "gt.Scalar", "ge.Scalar", "argmax", "argmin", "item"});
}

}  // namespace rushlight::quantized
