// Pointwise operators: the functors that the CPU's kernels are made of, from the same sources.
#include "rushlight/cuda/elements.cuh"
#include "rushlight/dispatch/functor_dtype.h"
#include "rushlight/dispatch/kernel.h"

#undef OP
#define OP(...)  // the records themselves are the library's
#include "rushlight/ops/pointwise/activation.cpp"
#include "rushlight/ops/pointwise/add.cpp"
#include "rushlight/ops/pointwise/exp.cpp"
#include "rushlight/ops/pointwise/mul.cpp"
#include "rushlight/ops/pointwise/trigonometry.cpp"

namespace rushlight::cuda {
namespace {

template <class F, class T, int inputs>
struct Apply {
  F f;
  T numbers[inputs];  // what is no tensor of the device
  bool is_number[inputs];
  DType in[inputs], out;
  __device__ void operator()(char* const* at) const {
    T x[inputs];
    for (int k = 0; k < inputs; k++) x[k] = is_number[k] ? numbers[k] : load<T>(at[k + 1], in[k]);
    if constexpr (inputs == 1) store(at[0], out, f(x[0]));
    else if constexpr (inputs == 2) store(at[0], out, f(x[0], x[1]));
    else store(at[0], out, f(x[0], x[1], x[2]));
  }
};

template <template <class> class F, class T>
bool run(DType common, IValue* args, const Tensor& out) {
  constexpr int inputs = detail::functor_inputs<F<T>, T>();
  static_assert(inputs <= 3);
  MakingFunctor making(common);
  auto make = [&] {
    if constexpr (std::is_constructible_v<F<T>, const IValue*>) return F<T>(args);
    else return F<T>{};
  };
  Apply<F<T>, T, inputs> apply{.f = make(), .numbers = {}, .is_number = {}, .in = {}, .out = out.dtype()};
  LoopPlan plan(out.sizes());
  plan.add(out);
  for (int k = 0; k < inputs; k++) {
    if (args[k].is_tensor() && args[k].tensor().device() == out.device()) {
      const Tensor& t = args[k].tensor();
      if (!has_elements(t.dtype())) return false;
      plan.add(t);
      apply.in[k] = t.dtype();
      continue;
    }
    // A number, or a tensor of one on the CPU.
    IValue number;
    if (args[k].is_tensor()) {
      static const Op* item = OpTable::get().find("item");
      IValue of[1] = {IValue::borrow(args[k].tensor())};
      item->run(of, &number);
    } else {
      number = args[k];
    }
    apply.numbers[k] = number.to_scalar().cast<T>();
    apply.is_number[k] = true;
    plan.add_value(nullptr);
  }
  plan.finish();
  Geometry<inputs + 1> geometry;
  if (!geometry.set(plan)) return false;
  launch<inputs + 1>(apply, geometry, out.numel(), stream_of(out));
  return true;
}

template <template <class> class F, class... Ts>
bool fill(const Op& op, IValue* args, const Tensor* outs) {
  if (!has_elements(outs[0].dtype())) return false;
  const PointwiseInfo& info = *op.def().kernel.pointwise;
  DType common = pointwise_dtype(op, args), compute = info.entries[int(common)].compute;
  bool done = false;
  ((compute == dtype_of<Ts> && (done = run<F, Ts>(common, args, outs[0]), true)) || ...);
  return done;
}

template <template <class> class F, class... Ts>
void add(DeviceKernels& kernels, const char* name) {
  kernels.add(name, {.fill = fill<F, Ts...>});
}

}  // namespace

void add_pointwise(DeviceKernels& kernels) {
  add<Add, float, double, int32_t, int64_t>(kernels, "add.Tensor");
  add<Sub, float, double, int32_t, int64_t>(kernels, "sub.Tensor");
  add<Mul, float, double, int32_t, int64_t>(kernels, "mul.Tensor");
  add<Relu, float, double, int32_t, int64_t>(kernels, "relu");
  add<Sigmoid, float, double>(kernels, "sigmoid");
  add<SigmoidBackward, float, double>(kernels, "sigmoid_backward");
  add<Silu, float, double>(kernels, "silu");
  add<Mish, float, double>(kernels, "mish");
  add<Hardswish, float, double>(kernels, "hardswish");
  add<LeakyRelu, float, double>(kernels, "leaky_relu");
  add<Elu, float, double>(kernels, "elu");
  add<Gelu, float, double>(kernels, "gelu");
  add<Exp, float, double>(kernels, "exp");
  add<Log1p, float, double>(kernels, "log1p");
  add<Tanh, float, double>(kernels, "tanh");
  add<TanhBackward, float, double>(kernels, "tanh_backward");
  add<Atan2, float, double>(kernels, "atan2");
}

}  // namespace rushlight::cuda
