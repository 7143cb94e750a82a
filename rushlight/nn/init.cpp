#include "rushlight/nn/init.h"

#include <cmath>

#include "rushlight/api/autograd.h"
#include "rushlight/api/indexing.h"
#include "rushlight/api/lowered.h"
#include "rushlight/functions.h"

namespace torch {
inline namespace rl {
namespace nn::init {

using namespace indexing;

double calculate_gain(NonlinearityType nonlinearity, double param) {
  if (std::holds_alternative<enumtype::kTanh>(nonlinearity)) return 5.0 / 3;
  if (std::holds_alternative<enumtype::kReLU>(nonlinearity)) return std::sqrt(2.0);
  if (std::holds_alternative<enumtype::kLeakyReLU>(nonlinearity)) return std::sqrt(2.0 / (1 + param * param));
  return 1;
}

Tensor constant_(Tensor tensor, Scalar value) {
  NoGradGuard no_grad;
  return tensor.fill_(value);
}
Tensor ones_(Tensor tensor) { return constant_(tensor, 1); }
Tensor zeros_(Tensor tensor) { return constant_(tensor, 0); }
Tensor normal_(Tensor tensor, double mean, double std) {
  NoGradGuard no_grad;
  return tensor.normal_(mean, std);
}
Tensor uniform_(Tensor tensor, double low, double high) {
  NoGradGuard no_grad;
  return tensor.uniform_(low, high);
}

Tensor eye_(Tensor matrix) {
  RL_CHECK(ValueError, matrix.dim() == 2, "Only tensors with 2 dimensions are supported");
  NoGradGuard no_grad;
  return matrix.copy_(rushlight::eye(matrix.size(0), matrix.size(1)));
}

Tensor dirac_(Tensor tensor) {
  int64_t dims = tensor.dim();
  RL_CHECK(ValueError, dims >= 3 && dims <= 5, "Only tensors with 3, 4, or 5 dimensions are supported");
  NoGradGuard no_grad;
  tensor.zero_();
  for (int64_t d = 0; d < std::min(tensor.size(0), tensor.size(1)); d++) {
    Tensor at = tensor.select(0, d).select(0, d);
    while (at.dim()) at = at.select(0, at.size(0) / 2);
    at.fill_(1);
  }
  return tensor;
}

Tensor orthogonal_(Tensor tensor, double gain) {
  RL_CHECK(ValueError, tensor.dim() >= 2, "Only tensors with 2 or more dimensions are supported");
  if (tensor.numel() == 0) return tensor;
  NoGradGuard no_grad;
  int64_t rows = tensor.size(0), cols = tensor.numel() / rows;
  Tensor flat = normal_(tensor.new_empty({rows, cols}));
  if (rows < cols) flat = flat.t();
  auto [q, r] = adopt<Tensor, Tensor>(rushlight::linalg_qr(flat));
  Tensor uniform = q * r.diag().sign();  // makes the distribution uniform over orthogonal matrices
  if (rows < cols) uniform = uniform.t();
  tensor.copy_(uniform.reshape(tensor.sizes()));
  return tensor.mul_(gain);
}

Tensor sparse_(Tensor tensor, double sparsity, double std) {
  RL_CHECK(ValueError, tensor.dim() == 2, "Only tensors with 2 dimensions are supported");
  NoGradGuard no_grad;
  int64_t rows = tensor.size(0), zeros = int64_t(std::ceil(sparsity * double(rows)));
  tensor.normal_(0, std);
  for (int64_t col = 0; col < tensor.size(1); col++)
    tensor.index_put_({Tensor(rushlight::randperm(rows)).slice(0, 0, zeros), col}, Scalar(0));
  return tensor;
}

std::tuple<int64_t, int64_t> _calculate_fan_in_and_fan_out(const Tensor& tensor) {
  RL_CHECK(ValueError, tensor.dim() >= 2,
           "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions");
  int64_t field = 1;
  for (int64_t d = 2; d < tensor.dim(); d++) field *= tensor.size(d);
  return {tensor.size(1) * field, tensor.size(0) * field};
}

namespace {
double kaiming_std(const Tensor& tensor, double a, FanModeType mode, NonlinearityType nonlinearity) {
  auto [in, out] = _calculate_fan_in_and_fan_out(tensor);
  int64_t fan = std::holds_alternative<enumtype::kFanIn>(mode) ? in : out;
  return calculate_gain(nonlinearity, a) / std::sqrt(double(fan));
}
double xavier_std(const Tensor& tensor, double gain) {
  auto [in, out] = _calculate_fan_in_and_fan_out(tensor);
  return gain * std::sqrt(2.0 / double(in + out));
}
}  // namespace

Tensor kaiming_normal_(Tensor tensor, double a, FanModeType mode, NonlinearityType nonlinearity) {
  if (tensor.numel() == 0) return tensor;
  return normal_(tensor, 0, kaiming_std(tensor, a, mode, nonlinearity));
}
Tensor kaiming_uniform_(Tensor tensor, double a, FanModeType mode, NonlinearityType nonlinearity) {
  if (tensor.numel() == 0) return tensor;
  double bound = std::sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity);
  return uniform_(tensor, -bound, bound);
}
Tensor xavier_normal_(Tensor tensor, double gain) { return normal_(tensor, 0, xavier_std(tensor, gain)); }
Tensor xavier_uniform_(Tensor tensor, double gain) {
  double bound = std::sqrt(3.0) * xavier_std(tensor, gain);
  return uniform_(tensor, -bound, bound);
}

}  // namespace nn::init
}  // namespace rl
}  // namespace torch
