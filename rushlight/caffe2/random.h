// Random numbers of operators: of the thread's generator, or of one that device_option.random_seed starts anew at each run.
#pragma once
#include "rushlight/caffe2/operator.h"

namespace rushlight::caffe2 {

std::optional<torch::Generator> generator_of(const Call& c);
Tensor uniform_tensor(const Call& c, const std::vector<int64_t>& sizes, double low, double high);
Tensor normal_tensor(const Call& c, const std::vector<int64_t>& sizes, double mean, double std);

}  // namespace rushlight::caffe2
