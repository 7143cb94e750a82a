// An operator of one's own: its kernel, its gradient, and how scripts and C++ call it.
#include <torch/library.h>
#include <torch/script.h>

#include <iostream>

namespace {

// x * x where x is positive, else 0.
torch::Tensor squared_relu(const torch::Tensor& x) {
  TORCH_CHECK(x.is_floating_point(), "squared_relu: expected floating point elements, got ", x.scalar_type());
  torch::Tensor in = x.contiguous(), out = torch::empty_like(in);
  AT_DISPATCH_FLOATING_TYPES(in.scalar_type(), "squared_relu", [&] {
    const scalar_t* from = in.data_ptr<scalar_t>();
    scalar_t* to = out.data_ptr<scalar_t>();
    at::parallel_for(0, in.numel(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) to[i] = from[i] > 0 ? from[i] * from[i] : scalar_t(0);
    });
  });
  return out;
}
torch::Tensor call(const torch::Tensor& x) {
  static auto op = c10::Dispatcher::singleton()
                       .findSchemaOrThrow("example::squared_relu", "")
                       .typed<torch::Tensor(const torch::Tensor&)>();
  return op.call(x);
}

struct SquaredRelu : torch::autograd::Function<SquaredRelu> {
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& x) {
    at::AutoDispatchBelowADInplaceOrView below;
    ctx->save_for_backward({x});
    return call(x);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list g) {
    return {g[0] * 2 * torch::relu(ctx->get_saved_variables()[0])};
  }
};
torch::Tensor squared_relu_autograd(const torch::Tensor& x) { return SquaredRelu::apply(x); }

}  // namespace

TORCH_LIBRARY(example, m) { m.def("squared_relu(Tensor x) -> Tensor"); }
TORCH_LIBRARY_IMPL(example, CPU, m) { m.impl("squared_relu", &squared_relu); }
TORCH_LIBRARY_IMPL(example, Autograd, m) { m.impl("squared_relu", &squared_relu_autograd); }

int main() {
  torch::Tensor x = torch::tensor({-1.0, 2.0, 3.0}, torch::requires_grad());
  call(x).sum().backward();
  std::cout << x.grad().sum().item<double>() << "\n";  // 2 (2 + 3)

  auto unit = torch::jit::compile("def f(x):\n  return torch.ops.example.squared_relu(x) + 1\n");
  std::cout << unit->run_method("f", torch::full({2}, 3.0)).toTensor().sum().item<double>() << "\n";  // 2 (9 + 1)
}
