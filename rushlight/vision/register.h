// Operators with a kernel for every device and a gradient that is another operator.
//
// A kernel checks its arguments and makes its results before it computes, so that it runs on meta tensors too: it is registered for
// CompositeExplicitAutograd. Gradients are registered for AutogradCPU and AutogradMeta; what torchvision's own Python code registers
// (Meta, Autograd) stands beside them.
#pragma once
#include <torch/library.h>

namespace rushlight::vision {

using torch::Tensor;
using Values = std::vector<torch::IValue>;

// What a rule is told of a call: the gradient of the first result, the arguments, the results.
struct Gradient {
  Tensor grad;
  Values args;
  std::vector<Tensor> results;
};

// Gives the arguments of NAME's operator for gradients, "_NAME_backward", whose results are the gradients of the first arguments.
using Rule = Values (*)(const Gradient&);

// Calls below autograd and records `rule`; null: who derives that gets an error.
void call_recorded(const c10::OperatorHandle& op, Values& stack, Rule rule);

template <Rule rule>
void recorded(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  call_recorded(op, *stack, rule);
}

template <Rule rule, class F>
void differentiable(torch::Library& m, const std::string& schema, F kernel) {
  m.def(schema);
  std::string name = schema.substr(0, schema.find('('));
  m.impl(name, torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, kernel));
  for (auto key : {c10::DispatchKey::AutogradCPU, c10::DispatchKey::AutogradMeta})
    m.impl(name, torch::dispatch(key, torch::CppFunction::makeFromBoxedFunction<&recorded<rule>>()));
}

inline constexpr Rule kOnceOnly = nullptr;
// The gradient of an operator, which has none itself.
template <class F>
void once_only(torch::Library& m, const std::string& schema, F kernel) {
  differentiable<kOnceOnly>(m, schema, kernel);
}

}  // namespace rushlight::vision
