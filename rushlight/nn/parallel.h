// torch::nn::parallel: one module over several devices, each with a copy of it and a part of the batch. Gradients reach the module itself,
// for all steps are operators: parts are cut, moved and put together, and a copy's parameters are written from the module's.
#pragma once
#include <thread>

#include "rushlight/nn/nn.h"

namespace rushlight::api::autograd {

// Cuts a tensor along `dim`, a part for each device.
struct Scatter {
  explicit Scatter(std::vector<Device> devices, const std::optional<std::vector<int64_t>>& chunk_sizes = std::nullopt,
                   int64_t dim = 0)
      : devices_(std::move(devices)), chunk_sizes_(chunk_sizes), dim_(dim) {}
  variable_list apply(const variable_list& inputs) const {
    TORCH_CHECK(inputs.size() == 1 && !devices_.empty(), "Scatter: expected one tensor and at least one device, got ",
                inputs.size(), " tensors and ", devices_.size(), " devices");
    variable_list parts = chunk_sizes_ ? inputs[0].split_with_sizes(*chunk_sizes_, dim_)
                                       : inputs[0].chunk(int64_t(devices_.size()), dim_);
    TORCH_CHECK(parts.size() <= devices_.size(), "Scatter: ", parts.size(), " parts for ", devices_.size(), " devices");
    for (size_t i = 0; i < parts.size(); i++) parts[i] = parts[i].to(devices_[i]);
    return parts;
  }

 private:
  std::vector<Device> devices_;
  std::optional<std::vector<int64_t>> chunk_sizes_;
  int64_t dim_;
};

// Puts tensors together along `dim` on one device; numbers become a row.
struct Gather {
  explicit Gather(const Device& destination, int64_t dim = 0) : destination_(destination), dim_(dim) {}
  variable_list apply(const variable_list& inputs) const {
    variable_list parts;
    for (const Tensor& t : inputs) parts.push_back((t.dim() ? t : t.view(1)).to(destination_));
    return {cat(parts, dim_)};
  }

 private:
  Device destination_;
  int64_t dim_;
};

}  // namespace rushlight::api::autograd

namespace torch {
inline namespace rl {
namespace nn {
namespace parallel {

// A copy of the module on each device.
template <class M>
std::vector<std::shared_ptr<M>> replicate(const std::shared_ptr<M>& module, const std::vector<Device>& devices) {
  std::vector<std::shared_ptr<M>> replicas;
  for (const Device& device : devices) {
    auto copy = std::dynamic_pointer_cast<M>(module->clone(device));
    TORCH_CHECK(copy, "replicate: clone() of ", module->name(), " made a module of another type");
    std::vector<Tensor> from = module->parameters(), to = copy->parameters();
    for (size_t i = 0; i < from.size(); i++) {
      to[i].set_requires_grad(false);
      to[i].copy_(from[i]);  // recorded, so that the copy's gradient is added to the module's
    }
    replicas.push_back(std::move(copy));
  }
  return replicas;
}
template <class M>
std::vector<ModuleHolder<M>> replicate(const ModuleHolder<M>& module, const std::vector<Device>& devices) {
  auto copies = parallel::replicate(module.ptr(), devices);
  return {copies.begin(), copies.end()};
}

// Calls each module with the input at its place, in a thread of its own. Throws what the first of them threw that did.
template <class M>
std::vector<Tensor> parallel_apply(std::vector<M>& modules, const std::vector<Tensor>& inputs,
                                   const std::optional<std::vector<Device>>& devices = std::nullopt) {
  TORCH_CHECK(modules.size() == inputs.size() && (!devices || devices->size() == inputs.size()),
              "parallel_apply: expected as many inputs and devices as modules, got ", modules.size(), " modules, ",
              inputs.size(), " inputs", devices ? " and " + std::to_string(devices->size()) + " devices" : "");
  std::vector<Tensor> outputs(inputs.size());
  std::vector<std::exception_ptr> errors(inputs.size());
  bool recording = GradMode::is_enabled();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < inputs.size(); i++)
    threads.emplace_back([&, i] {
      try {
        AutoGradMode mode(recording);
        Tensor output = modules[i]->forward(inputs[i]);
        outputs[i] = output.to(devices ? (*devices)[i] : inputs[i].device());
      } catch (...) { errors[i] = std::current_exception(); }
    });
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
  return outputs;
}

// The module's output for a batch that is cut over the devices (all CUDA devices unless they are given), on `output_device` (the first).
template <class M>
Tensor data_parallel(M module, Tensor input, std::optional<std::vector<Device>> devices = std::nullopt,
                     std::optional<Device> output_device = std::nullopt, int64_t dim = 0) {
  if (!devices) {
    TORCH_CHECK(cuda::device_count() > 0, "Expected at least one CUDA device to be available; name the devices");
    devices.emplace();
    for (size_t i = 0; i < size_t(cuda::device_count()); i++) devices->emplace_back(kCUDA, int8_t(i));
  }
  TORCH_CHECK(!devices->empty(), "data_parallel: expected at least one device");
  if (!output_device) output_device = devices->front();
  if (devices->size() == 1) {
    module->to(devices->front());
    return module->forward(input.to(devices->front())).to(*output_device);
  }
  std::vector<Tensor> parts = autograd::Scatter(*devices, std::nullopt, dim).apply({input});
  devices->resize(parts.size());  // a small batch has fewer parts
  auto replicas = parallel::replicate(module, *devices);
  return autograd::Gather(*output_device, dim).apply(parallel::parallel_apply(replicas, parts, *devices))[0];
}

}  // namespace parallel
}  // namespace nn
}  // namespace rl
}  // namespace torch
