// torch::nn::utils: sequences of different lengths, clipping of gradients, parameters as one vector.
#pragma once
#include "rushlight/api/args.h"

namespace torch {
inline namespace rl {
namespace nn::utils {

// Scales the gradients so that their norm, all taken as one vector, is at most max_norm; returns what it was. Throws RuntimeError with
// error_if_nonfinite where it is infinite or NaN.
double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type = 2.0,
                       bool error_if_nonfinite = false);
double clip_grad_norm_(Tensor parameter, double max_norm, double norm_type = 2.0, bool error_if_nonfinite = false);
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value);
void clip_grad_value_(Tensor parameter, double clip_value);

Tensor parameters_to_vector(const std::vector<Tensor>& parameters);
// Parameters become parts of the vector. Throws ShapeError unless it has as many elements as they.
void vector_to_parameters(const Tensor& vec, const std::vector<Tensor>& parameters);

namespace rnn {

// Sequences, longest first, with the steps of all of them side by side.
class PackedSequence {
 public:
  explicit PackedSequence(Tensor data, Tensor batch_sizes, Tensor sorted_indices = {}, Tensor unsorted_indices = {});
  const Tensor& data() const { return data_; }
  const Tensor& batch_sizes() const { return batch_sizes_; }
  const Tensor& sorted_indices() const { return sorted_indices_; }
  const Tensor& unsorted_indices() const { return unsorted_indices_; }
  PackedSequence to(TensorOptions options) const;
  PackedSequence cpu() const { return to(kCPU); }
  PackedSequence cuda() const { return to(kCUDA); }
  PackedSequence pin_memory() const { return *this; }
  bool is_cuda() const { return data_.is_cuda(); }
  bool is_pinned() const { return false; }

 private:
  Tensor data_, batch_sizes_, sorted_indices_, unsorted_indices_;
};

Tensor invert_permutation(const Tensor& permutation);
PackedSequence pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first = false, bool enforce_sorted = true);
// The padded tensor and the lengths.
std::tuple<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first = false,
                                               double padding_value = 0.0,
                                               std::optional<int64_t> total_length = std::nullopt);
Tensor pad_sequence(TensorList sequences, bool batch_first = false, double padding_value = 0,
                    std::string_view padding_side = "right");
PackedSequence pack_sequence(TensorList sequences, bool enforce_sorted = true);

}  // namespace rnn
}  // namespace nn::utils
}  // namespace rl
}  // namespace torch
