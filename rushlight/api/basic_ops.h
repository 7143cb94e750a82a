// Functions that PyTorch keeps for tests and for errors that are raised when gradients arrive.
#pragma once
#include "rushlight/api/autograd.h"
#include "rushlight/api/check.h"

namespace rushlight::api::autograd {

// Its arguments, to which it sends no gradient: those before it see undefined ones.
struct UndefinedGrad : Function<UndefinedGrad> {
  static variable_list forward(AutogradContext* ctx, const variable_list& inputs) {
    ctx->set_materialize_grads(false);
    variable_list outputs;
    for (const Tensor& t : inputs) outputs.push_back(t.defined() ? t.view_as(t) : t);
    return outputs;
  }
  static variable_list backward(AutogradContext*, const variable_list& grads) { return variable_list(grads.size()); }
  variable_list apply(const variable_list& inputs) { return Function<UndefinedGrad>::apply(inputs); }
};

// Its arguments, for which nobody can ask a gradient: backward() throws RuntimeError with this message.
struct DelayedError : Function<DelayedError> {
  DelayedError(std::string message, int64_t num_inputs) : message_(std::move(message)) { (void)num_inputs; }
  static variable_list forward(AutogradContext* ctx, const variable_list& inputs, const std::string& message) {
    ctx->saved_data["message"] = message;
    variable_list outputs;
    for (const Tensor& t : inputs) outputs.push_back(t.defined() ? t.view_as(t) : t);
    return outputs;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list&) {
    TORCH_CHECK(false, ctx->saved_data["message"].toStringRef());
  }
  variable_list apply(const variable_list& inputs) { return Function<DelayedError>::apply(inputs, message_); }

 private:
  std::string message_;
};

}  // namespace rushlight::api::autograd
