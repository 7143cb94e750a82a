#include "rushlight/vision/register.h"

#include <torch/torch.h>

namespace rushlight::vision {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Tensors go through the graph; what else a call was given is kept by its place among the arguments.
struct Recorded : torch::autograd::Function<Recorded> {
  static variable_list forward(AutogradContext* ctx, variable_list tensors, const c10::OperatorHandle& op, Values args,
                               Rule rule) {
    at::AutoDispatchBelowADInplaceOrView below;
    for (size_t i = 0; i < args.size(); i++)
      if (!args[i].isTensor()) ctx->saved_data[std::to_string(i)] = args[i];
    ctx->saved_data["rule"] = int64_t(reinterpret_cast<intptr_t>(rule));
    ctx->saved_data["op"] = op.name();
    ctx->saved_data["arguments"] = int64_t(args.size());
    ctx->saved_data["tensors"] = int64_t(tensors.size());
    op.callBoxed(&args);
    variable_list results;
    for (const auto& v : args) results.push_back(v.toTensor());
    if (rule) {
      variable_list kept = tensors;
      kept.insert(kept.end(), results.begin(), results.end());
      ctx->save_for_backward(kept);
      for (const Tensor& t : results)
        if (!t.is_floating_point()) ctx->mark_non_differentiable({t});
    }
    return results;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    std::string name = ctx->saved_data["op"].toStringRef();
    auto rule = reinterpret_cast<Rule>(intptr_t(ctx->saved_data["rule"].toInt()));
    if (!rule) {
      std::string bare = name.substr(name.find("::_") + 3);
      TORCH_CHECK(false, "double backwards on ", bare.substr(0, bare.rfind("_backward")), " not supported");
    }
    auto count = size_t(ctx->saved_data["arguments"].toInt()), tensors = size_t(ctx->saved_data["tensors"].toInt());
    variable_list kept = ctx->get_saved_variables();
    Gradient g{grads[0], {}, {kept.begin() + ptrdiff_t(tensors), kept.end()}};
    for (size_t i = 0, t = 0; i < count; i++) {
      auto other = ctx->saved_data.find(std::to_string(i));
      g.args.push_back(other != ctx->saved_data.end() ? other->second : torch::IValue(kept[t++]));
    }
    Values stack = rule(g);
    name.insert(name.find("::") + 2, "_");
    c10::Dispatcher::singleton().findSchemaOrThrow((name + "_backward").c_str(), "").callBoxed(&stack);
    variable_list out;
    for (const auto& v : stack) out.push_back(v.toTensor());
    out.resize(tensors + 3);  // the tensors, and the three further parameters of forward()
    return out;
  }
};

}  // namespace

void call_recorded(const c10::OperatorHandle& op, Values& stack, Rule rule) {
  variable_list tensors;
  bool wanted = false;
  for (const auto& v : stack)
    if (v.isTensor()) {
      tensors.push_back(v.toTensor());
      wanted |= tensors.back().requires_grad();
      TORCH_CHECK(tensors.back().device() == tensors[0].device(), op.name(), ": expected all tensors to be on ",
                  tensors[0].device(), ", where the first one is, got one on ", tensors.back().device());
    }
  if (!wanted || !torch::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return op.callBoxed(&stack);
  }
  variable_list results = Recorded::apply(std::move(tensors), op, std::move(stack), rule);
  stack.assign(results.begin(), results.end());
}

}  // namespace rushlight::vision
