// A library of operators as a user writes one, built for the tests. Compiled as C++17.
#include <torch/library.h>

#include <atomic>
#include <chrono>
#include <thread>

using torch::Tensor;

namespace {

// scale: with kernels for the CPU and meta, and a gradient of its own.
Tensor scale_cpu(const Tensor& x, double by) {
  Tensor in = x.contiguous(), out = torch::empty_like(in);
  for (int64_t i = 0; i < in.numel(); i++) out.data_ptr<float>()[i] = in.data_ptr<float>()[i] * float(by);
  return out;
}
Tensor scale_meta(const Tensor& x, double) { return torch::empty_like(x); }

Tensor scale(const Tensor& x, double by) {
  static auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("plug::scale", "").typed<Tensor(const Tensor&, double)>();
  return op.call(x, by);
}
struct Scale : torch::autograd::Function<Scale> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, double by) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->saved_data["by"] = by;
    return scale(x, by);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list g) {
    return {scale(g[0], ctx->saved_data["by"].toDouble()), Tensor()};
  }
};
Tensor scale_autograd(const Tensor& x, double by) { return Scale::apply(x, by); }

// Composites: their gradient is that of what they call. The schema of the second is made from its types.
Tensor cube(const Tensor& x) { return x * x * x; }
std::tuple<Tensor, Tensor> ends(const Tensor& x) { return {x[0], x[-1]}; }

// Writes through a pointer.
void fill(Tensor& x, double v) {
  for (int64_t i = 0; i < x.numel(); i++) x.data_ptr<float>()[i] = float(v);
}

// One parameter of every type.
std::string describe(const Tensor& x, int64_t i, double d, bool b, std::string s, c10::ArrayRef<int64_t> ints,
                     const std::vector<double>& doubles, at::TensorList tensors, const std::optional<Tensor>& maybe,
                     std::optional<int64_t> number, const at::Scalar& scalar, at::ScalarType dtype,
                     c10::Device device) {
  std::ostringstream out;
  out << x.numel() << ' ' << i << ' ' << d << ' ' << b << ' ' << s << ' ' << ints.size() << ' ' << doubles.size() << ' '
      << tensors.size() << ' ' << maybe.has_value() << ' ' << number.value_or(-1) << ' ' << scalar.toDouble() << ' '
      << dtype << ' ' << device;
  return out.str();
}

void boxed(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  Tensor x = stack->back().toTensor();
  stack->pop_back();
  stack->push_back(x + 1);
}
// Leaves too much behind.
void boxed_wrong(const c10::OperatorHandle&, torch::jit::Stack* stack) { stack->push_back(int64_t(1)); }

Tensor fails(const Tensor& x) {
  TORCH_CHECK(x.dim() == 1, "fails: expected 1 dimension, got ", x.dim());
  throw std::logic_error("a plain exception");
}

Tensor slow(const Tensor& x) {
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  return x + 1;
}

}  // namespace

TORCH_LIBRARY(plug, m) {
  m.def("scale(Tensor x, float by=2.0) -> Tensor");
  m.def("cube(Tensor x) -> Tensor", &cube);
  m.def("ends", &ends);
  m.def("fill_(Tensor(a!) x, float v) -> ()");
  m.def("describe", &describe);
  m.def("boxed(Tensor x) -> Tensor", torch::CppFunction::makeFromBoxedFunction<&boxed>());
  m.def("boxed_wrong(Tensor x) -> Tensor", torch::CppFunction::makeFromBoxedFunction<&boxed_wrong>());
  m.def("fails(Tensor x) -> Tensor");
  m.def("slow(Tensor x) -> Tensor", {at::Tag::pt2_compliant_tag});
  m.def("overloaded.ints(int[] x) -> int", [](at::IntArrayRef x) { return int64_t(x.size()); });
  m.def("overloaded.text(str x) -> str", [](c10::string_view x) { return std::string(x) + "!"; });
}
TORCH_LIBRARY_FRAGMENT(plug, m) {
  m.def("counted(Tensor[] xs, Tensor? bias=None) -> Tensor[]",
        [](at::TensorList xs, const std::optional<Tensor>& bias) {
          std::vector<Tensor> out;
          for (const Tensor& x : xs) out.push_back(bias ? x + *bias : x * 1);
          return out;
        });
}
TORCH_LIBRARY_IMPL(plug, CPU, m) {
  m.impl("scale", &scale_cpu);
  m.impl("fill_", TORCH_FN(fill));
  m.impl("fails", fails);
  m.impl("slow", slow);
}
TORCH_LIBRARY_IMPL(plug, Meta, m) { m.impl("scale", &scale_meta); }
TORCH_LIBRARY_IMPL(plug, Autograd, m) { m.impl("scale", &scale_autograd); }
