#include "rushlight/nn/utils.h"

#include <cmath>
#include <limits>

#include "rushlight/api/autograd.h"
#include "rushlight/api/lowered.h"
#include "rushlight/functions.h"

namespace torch {
inline namespace rl {
namespace nn::utils {

double clip_grad_norm_(const std::vector<Tensor>& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  NoGradGuard no_grad;
  std::vector<Tensor> grads, norms;
  for (const Tensor& p : parameters)
    if (p.grad().defined()) grads.push_back(p.grad());
  if (grads.empty()) return 0;
  auto norm = [&](const Tensor& t) -> Tensor { return rushlight::linalg_vector_norm(t, norm_type); };
  for (const Tensor& g : grads) norms.push_back(norm(g));
  double total = norm_type == 0 ? double(grads.size())
                                : norm(rushlight::stack(lowered(TensorList(norms)))).to(kDouble).item<double>();
  RL_CHECK(
      RuntimeError, !error_if_nonfinite || std::isfinite(total), "The total norm of order ", norm_type,
      " for gradients from `parameters` is non-finite, so it cannot be clipped. To disable this error and scale the "
      "gradients with the non-finite norm anyway, set `error_if_nonfinite=false`");
  double factor = max_norm / (total + 1e-6);
  if (!(factor >= 1))
    for (Tensor& g : grads) g.mul_(factor);
  return total;
}
double clip_grad_norm_(Tensor parameter, double max_norm, double norm_type, bool error_if_nonfinite) {
  return clip_grad_norm_(std::vector<Tensor>{std::move(parameter)}, max_norm, norm_type, error_if_nonfinite);
}
void clip_grad_value_(const std::vector<Tensor>& parameters, double clip_value) {
  NoGradGuard no_grad;
  for (const Tensor& p : parameters)
    if (p.grad().defined()) p.mutable_grad().clamp_(-clip_value, clip_value);
}
void clip_grad_value_(Tensor parameter, double clip_value) {
  clip_grad_value_(std::vector<Tensor>{std::move(parameter)}, clip_value);
}

Tensor parameters_to_vector(const std::vector<Tensor>& parameters) {
  std::vector<Tensor> flat;
  for (const Tensor& p : parameters) flat.push_back(p.reshape({-1}));
  return rushlight::cat(lowered(TensorList(flat)));
}
void vector_to_parameters(const Tensor& vec, const std::vector<Tensor>& parameters) {
  NoGradGuard no_grad;
  int64_t all = 0, at = 0;
  for (const Tensor& p : parameters) all += p.numel();
  RL_CHECK(ShapeError, vec.dim() == 1 && vec.numel() == all, "vector_to_parameters: expected a vector of ", all,
           " elements, got shape ", vec.sizes());
  for (const Tensor& p : parameters) {
    p.set_data(vec.slice(0, at, at + p.numel()).view(p.sizes()).detach());
    at += p.numel();
  }
}

namespace rnn {

Tensor invert_permutation(const Tensor& permutation) {
  if (!permutation.defined()) return {};
  Tensor steps = rushlight::arange(permutation.numel(), permutation.scalar_type(), std::nullopt, permutation.device());
  return Tensor(rushlight::empty_like(permutation)).scatter_(0, permutation, steps);
}

PackedSequence::PackedSequence(Tensor data, Tensor batch_sizes, Tensor sorted_indices, Tensor unsorted_indices)
    : data_(std::move(data)),
      batch_sizes_(std::move(batch_sizes)),
      sorted_indices_(std::move(sorted_indices)),
      unsorted_indices_(unsorted_indices.defined() ? std::move(unsorted_indices)
                                                   : invert_permutation(sorted_indices_)) {
  RL_CHECK(ValueError, batch_sizes_.device().type() == kCPU,
           "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually. They "
           "should be instantiated by functions like pack_sequence and pack_padded_sequences in nn::utils::rnn.");
}
PackedSequence PackedSequence::to(TensorOptions options) const {
  Tensor data = data_.to(options);
  if (data.is_same(data_)) return *this;
  auto moved = [&](const Tensor& t) { return t.defined() ? Tensor(t.to(data.device())) : t; };
  return PackedSequence(data, batch_sizes_, moved(sorted_indices_), moved(unsorted_indices_));
}

PackedSequence pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first, bool enforce_sorted) {
  lengths = lengths.to(kLong).cpu();
  Tensor sorted;
  if (!enforce_sorted) {
    auto [falling, order] = rushlight::sort(lengths, -1, true);
    lengths = falling;
    sorted = Tensor(order).to(input.device());
    input = input.index_select(batch_first ? 0 : 1, sorted);
  }
  if (batch_first) input = input.transpose(0, 1);
  RL_CHECK(RuntimeError, input.numel() > 0, "Cannot pack empty tensors: got an input of shape ", input.sizes());
  lengths = lengths.contiguous();
  IntArrayRef sizes(lengths.data_ptr<int64_t>(), size_t(lengths.numel()));
  RL_CHECK(RuntimeError, int64_t(sizes.size()) == input.size(1),
           "Expected `len(lengths)` to be equal to batch_size, but got ", sizes.size(), " (batch_size=", input.size(1),
           ")");
  for (size_t i = 0; i < sizes.size(); i++) {
    RL_CHECK(RuntimeError, i == 0 || sizes[i] <= sizes[i - 1],
             "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
             "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement.");
    RL_CHECK(RuntimeError, sizes[i] > 0,
             "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0");
  }
  RL_CHECK(RuntimeError, sizes[0] <= input.size(0), "pack_padded_sequence: expected lengths of at most ", input.size(0),
           ", got ", sizes[0]);
  std::vector<int64_t> counts;
  std::vector<Tensor> steps;
  size_t active = sizes.size();
  for (int64_t t = 0; t < sizes[0]; t++) {
    while (sizes[active - 1] <= t) active--;
    counts.push_back(int64_t(active));
    steps.push_back(input.select(0, t).slice(0, 0, int64_t(active)));
  }
  return PackedSequence(rushlight::cat(lowered(TensorList(steps))), tensor(counts), sorted);
}

std::tuple<Tensor, Tensor> pad_packed_sequence(const PackedSequence& sequence, bool batch_first, double padding_value,
                                               std::optional<int64_t> total_length) {
  Tensor counts = sequence.batch_sizes().contiguous();
  IntArrayRef sizes(counts.data_ptr<int64_t>(), size_t(counts.numel()));
  int64_t longest = int64_t(sizes.size());
  if (total_length) {
    RL_CHECK(ValueError, *total_length >= longest,
             "Expected total_length to be at least the length of the longest sequence in input, but got total_length=",
             *total_length, " and max sequence length being ", longest);
  }
  const Tensor& data = sequence.data();
  int64_t batch = sizes.empty() ? 0 : sizes[0], start = 0;
  std::vector<Tensor> steps;
  std::vector<int64_t> lengths(size_t(batch), 0);
  for (int64_t t = 0; t < total_length.value_or(longest); t++) {
    int64_t n = t < longest ? sizes[size_t(t)] : 0;
    Tensor step = data.slice(0, start, start + n);
    if (n < batch) {
      std::vector<int64_t> rest = data.sizes().vec();
      rest[0] = batch - n;
      Tensor both[2] = {step,
                        Tensor(rushlight::full(rest, padding_value, data.scalar_type(), std::nullopt, data.device()))};
      step = rushlight::cat(lowered(TensorList(both, 2)));
    }
    steps.push_back(step);
    start += n;
    for (int64_t b = 0; b < n; b++) lengths[size_t(b)] = t + 1;
  }
  Tensor padded = rushlight::stack(lowered(TensorList(steps)), batch_first ? 1 : 0), counted = tensor(lengths);
  if (sequence.unsorted_indices().defined()) {
    padded = padded.index_select(batch_first ? 0 : 1, sequence.unsorted_indices());
    counted = counted.index_select(0, sequence.unsorted_indices().cpu());
  }
  return {padded, counted};
}

Tensor pad_sequence(TensorList sequences, bool batch_first, double padding_value, std::string_view padding_side) {
  RL_CHECK(RuntimeError, padding_side == "left" || padding_side == "right",
           "Expected padding_side to be one of left or right, but got ", padding_side, ".");
  RL_CHECK(RuntimeError, !sequences.empty(), "received an empty list of sequences");
  int64_t longest = 0;
  for (const Tensor& s : sequences) longest = std::max(longest, s.size(0));
  std::vector<Tensor> rows;
  for (const Tensor& s : sequences) {
    std::vector<int64_t> missing = s.sizes().vec();
    missing[0] = longest - s.size(0);
    if (!missing[0]) {
      rows.push_back(s);
      continue;
    }
    Tensor filler = rushlight::full(missing, padding_value, s.scalar_type(), std::nullopt, s.device());
    Tensor both[2] = {s, filler};
    if (padding_side == "left") std::swap(both[0], both[1]);
    rows.push_back(rushlight::cat(lowered(TensorList(both, 2))));
  }
  return rushlight::stack(lowered(TensorList(rows)), batch_first ? 0 : 1);
}

PackedSequence pack_sequence(TensorList sequences, bool enforce_sorted) {
  std::vector<int64_t> lengths;
  for (const Tensor& s : sequences) lengths.push_back(s.size(0));
  return pack_padded_sequence(pad_sequence(sequences), tensor(lengths), false, enforce_sorted);
}

}  // namespace rnn
}  // namespace nn::utils
}  // namespace rl
}  // namespace torch
