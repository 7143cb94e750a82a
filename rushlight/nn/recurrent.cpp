// RNN, LSTM, GRU and their cells: operators over the weights in order.
#include <cmath>

#include "rushlight/api/lowered.h"
#include "rushlight/functions.h"
#include "rushlight/nn/init.h"
#include "rushlight/nn/layers.h"
#include "rushlight/nn/printer.h"

namespace torch {
inline namespace rl {
namespace nn {

using utils::rnn::PackedSequence;

template <class Impl>
void RNNImplBase<Impl>::reset() {
  const auto& o = options_base;
  bool lstm = std::holds_alternative<enumtype::kLSTM>(o.mode()), gru = std::holds_alternative<enumtype::kGRU>(o.mode());
  RL_CHECK(ValueError, o.dropout() >= 0 && o.dropout() <= 1,
           "dropout should be a number in range [0, 1] representing the probability of an element being zeroed");
  RL_CHECK(ValueError, o.input_size() > 0, "input_size must be greater than zero, got ", o.input_size());
  RL_CHECK(ValueError, o.hidden_size() > 0, "hidden_size must be greater than zero, got ", o.hidden_size());
  RL_CHECK(ValueError, o.num_layers() > 0, "num_layers must be greater than zero, got ", o.num_layers());
  if (o.dropout() > 0 && o.num_layers() == 1)
    TORCH_WARN(
        "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects num_layers "
        "greater than 1, but got dropout=",
        o.dropout(), " and num_layers=", o.num_layers());
  RL_CHECK(ValueError, o.proj_size() >= 0 && o.proj_size() < o.hidden_size(),
           "proj_size has to be a positive integer, smaller than hidden_size or zero to disable projections");
  RL_CHECK(ValueError, o.proj_size() == 0 || lstm, "proj_size argument is only supported for LSTM, not RNN or GRU");
  int64_t gates = (lstm ? 4 : gru ? 3 : 1) * o.hidden_size();
  int64_t directions = o.bidirectional() ? 2 : 1, out = o.proj_size() ? o.proj_size() : o.hidden_size();
  for (int64_t layer = 0; layer < o.num_layers(); layer++)
    for (int64_t direction = 0; direction < directions; direction++) {
      std::string suffix = str("_l", layer, direction ? "_reverse" : "");
      int64_t in = layer ? out * directions : o.input_size();
      auto add = [&](const char* name, std::initializer_list<int64_t> sizes) {
        this->register_parameter(name + suffix, empty(IntArrayRef(sizes.begin(), sizes.size()), TensorOptions()));
      };
      add("weight_ih", {gates, in});
      add("weight_hh", {gates, out});
      if (o.bias()) {
        add("bias_ih", {gates});
        add("bias_hh", {gates});
      }
      if (o.proj_size()) add("weight_hr", {o.proj_size(), o.hidden_size()});
    }
  reset_parameters();
}
template <class Impl>
void RNNImplBase<Impl>::reset_parameters() {
  double bound = 1.0 / std::sqrt(double(options_base.hidden_size()));
  for (auto& weight : this->parameters_) init::uniform_(*weight, -bound, bound);
}
template <class Impl>
std::vector<Tensor> RNNImplBase<Impl>::all_weights() const {
  return this->parameters_.values();
}
template <class Impl>
void RNNImplBase<Impl>::pretty_print(std::ostream& stream) const {
  const auto& o = options_base;
  std::string name = demangle(typeid(Impl).name()).substr(std::string_view("torch::nn::").size());
  Printer print(stream, name.substr(0, name.size() - 4).c_str());
  print("input_size", o.input_size())("hidden_size", o.hidden_size())("num_layers", o.num_layers())("bias", o.bias());
  print("batch_first", o.batch_first())("dropout", o.dropout())("bidirectional", o.bidirectional());
  if (o.proj_size()) print("proj_size", o.proj_size());
}

// One call of any of the three: what is checked and put in order before the operator, and after it.
namespace {

struct Run {
  const detail::RNNOptionsBase& o;
  std::vector<Tensor> weights;
  Tensor input, batch_sizes, sorted;
  bool training, batched = true;

  Run(const detail::RNNOptionsBase& options, std::vector<Tensor> w, const Tensor& x, bool train)
      : o(options), weights(std::move(w)), input(x), training(train) {
    RL_CHECK(ShapeError, x.dim() == 2 || x.dim() == 3, "input must have 3 dimensions, got ", x.dim());
    batched = x.dim() == 3;
    if (!batched) input = x.unsqueeze(time());
    check_width();
  }
  Run(const detail::RNNOptionsBase& options, std::vector<Tensor> w, const PackedSequence& x, bool train)
      : o(options),
        weights(std::move(w)),
        input(x.data()),
        batch_sizes(x.batch_sizes()),
        sorted(x.sorted_indices()),
        training(train) {
    RL_CHECK(ShapeError, input.dim() == 2, "input must have 2 dimensions, got ", input.dim());
    check_width();
  }
  int64_t time() const { return o.batch_first() ? 0 : 1; }  // where a batch of one goes
  void check_width() const {
    RL_CHECK(ShapeError, input.size(-1) == o.input_size(), "input.size(-1) must be equal to input_size. Expected ",
             o.input_size(), ", got ", input.size(-1));
  }
  int64_t batch() const {
    return batch_sizes.defined() ? batch_sizes[0].item<int64_t>() : input.size(o.batch_first() ? 0 : 1);
  }
  Tensor state(const Tensor& hx, int64_t width, const char* name) const {
    int64_t n = o.num_layers() * (o.bidirectional() ? 2 : 1);
    if (!hx.defined()) return input.new_zeros({n, batch(), width});
    RL_CHECK(ShapeError, hx.dim() == (batched ? 3 : 2), "Expected ", name, " of ", batched ? 3 : 2,
             " dimensions for this input, got ", hx.sizes());
    Tensor h = batched ? hx : hx.unsqueeze(1);
    RL_CHECK(ShapeError, (h.sizes() == IntArrayRef({n, batch(), width})), "Expected ", name, " size [", n, ", ",
             batch(), ", ", width, "], got ", h.sizes());
    return sorted.defined() ? Tensor(h.index_select(1, sorted)) : h;
  }
  Tensor hidden(const Tensor& hx, const char* name = "hidden") const {
    return state(hx, o.proj_size() ? o.proj_size() : o.hidden_size(), name);
  }
  // A last state, in the caller's order.
  Tensor back(const Tensor& h, const PackedSequence* packed) const {
    if (packed && packed->unsorted_indices().defined()) return h.index_select(1, packed->unsorted_indices());
    return batched ? h : h.squeeze(1);
  }
  Tensor out(const Tensor& y) const { return batched ? y : y.squeeze(time()); }
};

using Two = std::tuple<rushlight::Tensor, rushlight::Tensor>;
template <class Padded, class Packed>
Two call(const Run& r, const Tensor& h, Padded padded, Packed packed) {
  const auto& o = r.o;
  rushlight::TensorList weights = lowered(TensorList(r.weights));
  if (r.batch_sizes.defined())
    return packed(r.input, r.batch_sizes, h, weights, o.bias(), o.num_layers(), o.dropout(), r.training,
                  o.bidirectional());
  return padded(r.input, h, weights, o.bias(), o.num_layers(), o.dropout(), r.training, o.bidirectional(),
                o.batch_first());
}
#define RL_RUN(name)                                                  \
  call(                                                               \
      r, h, [](auto&&... a) -> Two { return rushlight::name(a...); }, \
      [](auto&&... a) -> Two { return rushlight::name(a...); })
Two run_simple(const Run& r, const Tensor& hx) {
  Tensor h = r.hidden(hx);
  if (std::holds_alternative<enumtype::kGRU>(r.o.mode())) return RL_RUN(gru);
  return std::holds_alternative<enumtype::kRNN_RELU>(r.o.mode()) ? RL_RUN(rnn_relu) : RL_RUN(rnn_tanh);
}
#undef RL_RUN
std::tuple<rushlight::Tensor, rushlight::Tensor, rushlight::Tensor> run_lstm(const Run& r,
                                                                             const std::optional<LSTMState>& hx) {
  const auto& o = r.o;
  rushlight::Tensor states[2] = {r.hidden(hx ? std::get<0>(*hx) : Tensor(), "hidden[0]"),
                                 r.state(hx ? std::get<1>(*hx) : Tensor(), o.hidden_size(), "hidden[1]")};
  rushlight::TensorList state(states, 2), weights = lowered(TensorList(r.weights));
  if (r.batch_sizes.defined())
    return rushlight::lstm(r.input, r.batch_sizes, state, weights, o.bias(), o.num_layers(), o.dropout(), r.training,
                           o.bidirectional());
  return rushlight::lstm(r.input, state, weights, o.bias(), o.num_layers(), o.dropout(), r.training, o.bidirectional(),
                         o.batch_first());
}

template <class O, class Mode>
detail::RNNOptionsBase base_of(const O& o, Mode mode) {
  return detail::RNNOptionsBase(mode, o.input_size(), o.hidden_size())
      .num_layers(o.num_layers())
      .bias(o.bias())
      .batch_first(o.batch_first())
      .dropout(o.dropout())
      .bidirectional(o.bidirectional());
}
detail::RNNOptionsBase base_of(const RNNOptions& o) {
  return std::holds_alternative<enumtype::kTanh>(o.nonlinearity()) ? base_of(o, kRNN_TANH) : base_of(o, kRNN_RELU);
}
detail::RNNOptionsBase base_of(const GRUOptions& o) { return base_of(o, kGRU); }
detail::RNNOptionsBase base_of(const LSTMOptions& o) { return base_of(o, kLSTM).proj_size(o.proj_size()); }

PackedSequence repacked(const rushlight::Tensor& data, const PackedSequence& like) {
  return PackedSequence(data, like.batch_sizes(), like.sorted_indices(), like.unsorted_indices());
}

}  // namespace

#define RL_SIMPLE(Name)                                                                                              \
  Name##Impl::Name##Impl(const Options& o) : RNNImplBase(base_of(o)), options(o) { reset(); }                        \
  void Name##Impl::pretty_print(std::ostream& stream) const { RNNImplBase::pretty_print(stream); }                   \
  std::tuple<Tensor, Tensor> Name##Impl::forward(const Tensor& input, Tensor hx) {                                   \
    Run run(options_base, all_weights(), input, is_training());                                                      \
    auto [y, h] = run_simple(run, hx);                                                                               \
    return {run.out(y), run.back(h, nullptr)};                                                                       \
  }                                                                                                                  \
  std::tuple<PackedSequence, Tensor> Name##Impl::forward_with_packed_input(const PackedSequence& input, Tensor hx) { \
    Run run(options_base, all_weights(), input, is_training());                                                      \
    auto [y, h] = run_simple(run, hx);                                                                               \
    return {repacked(y, input), run.back(h, &input)};                                                                \
  }
RL_SIMPLE(RNN)
RL_SIMPLE(GRU)
#undef RL_SIMPLE

LSTMImpl::LSTMImpl(const Options& o) : RNNImplBase(base_of(o)), options(o) { reset(); }
void LSTMImpl::pretty_print(std::ostream& stream) const { RNNImplBase::pretty_print(stream); }
std::tuple<Tensor, LSTMState> LSTMImpl::forward(const Tensor& input, std::optional<LSTMState> hx) {
  Run run(options_base, all_weights(), input, is_training());
  auto [y, h, c] = run_lstm(run, hx);
  return {run.out(y), {run.back(h, nullptr), run.back(c, nullptr)}};
}
std::tuple<PackedSequence, LSTMState> LSTMImpl::forward_with_packed_input(const PackedSequence& input,
                                                                          std::optional<LSTMState> hx) {
  Run run(options_base, all_weights(), input, is_training());
  auto [y, h, c] = run_lstm(run, hx);
  return {repacked(y, input), {run.back(h, &input), run.back(c, &input)}};
}
template class RNNImplBase<RNNImpl>;
template class RNNImplBase<LSTMImpl>;
template class RNNImplBase<GRUImpl>;

// ---- cells -----------------------------------------------------------------------------------------------------------

template <class Impl>
void RNNCellImplBase<Impl>::reset() {
  const auto& o = options_base;
  auto add = [&](const char* name, bool wanted, std::initializer_list<int64_t> sizes) {
    Tensor t = wanted ? Tensor(empty(IntArrayRef(sizes.begin(), sizes.size()), TensorOptions())) : Tensor();
    return this->register_parameter(name, t, wanted);
  };
  int64_t gates = o.num_chunks() * o.hidden_size();
  weight_ih = add("weight_ih", true, {gates, o.input_size()});
  weight_hh = add("weight_hh", true, {gates, o.hidden_size()});
  bias_ih = add("bias_ih", o.bias(), {gates});
  bias_hh = add("bias_hh", o.bias(), {gates});
  reset_parameters();
}
template <class Impl>
void RNNCellImplBase<Impl>::reset_parameters() {
  double bound = 1.0 / std::sqrt(double(options_base.hidden_size()));
  for (auto& weight : this->parameters_)
    if (weight->defined()) init::uniform_(*weight, -bound, bound);
}
template <class Impl>
void RNNCellImplBase<Impl>::check(const Tensor& input, const Tensor& hx, const char* label) const {
  RL_CHECK(ShapeError, input.dim() == 1 || input.dim() == 2, "Expected input to be 1D or 2D, got ", input.dim(),
           "D instead");
  RL_CHECK(ShapeError, input.size(-1) == options_base.input_size(), "input has inconsistent input_size: got ",
           input.size(-1), " expected ", options_base.input_size());
  if (!hx.defined()) return;
  RL_CHECK(ShapeError, hx.dim() == input.dim(), "Expected hidden", label, " to have ", input.dim(),
           " dimensions as the input, got ", hx.dim());
  RL_CHECK(ShapeError, input.dim() == 1 || input.size(0) == hx.size(0), "Input batch size ", input.size(0),
           " doesn't match hidden", label, " batch size ", hx.size(0));
  RL_CHECK(ShapeError, hx.size(-1) == options_base.hidden_size(), "hidden", label,
           " has inconsistent hidden_size: got ", hx.size(-1), ", expected ", options_base.hidden_size());
}
namespace {
// Of an input without a batch: one of one.
Tensor row(const Tensor& t) { return t.dim() == 1 ? Tensor(t.unsqueeze(0)) : t; }
Tensor start(const Tensor& hx, const Tensor& input, int64_t width) {
  return hx.defined() ? row(hx) : Tensor(input.new_zeros({row(input).size(0), width}));
}
Tensor like(const Tensor& input, const rushlight::Tensor& h) { return input.dim() == 1 ? rushlight::squeeze(h, 0) : h; }
template <class O>
void print_cell(std::ostream& stream, const char* name, const O& o) {
  Printer print(stream, name);
  print(o.input_size())(o.hidden_size()).other("bias", o.bias(), true);
  if constexpr (std::is_same_v<O, RNNCellOptions>)
    print.other("nonlinearity", enumtype::get_enum_name(o.nonlinearity()), std::string("kTanh"));
}
}  // namespace
#define RL_CELL(Name, chunks)                                                                                        \
  Name##Impl::Name##Impl(const Options& o)                                                                           \
      : RNNCellImplBase(detail::RNNCellOptionsBase(o.input_size(), o.hidden_size(), o.bias(), chunks)), options(o) { \
    reset();                                                                                                         \
  }                                                                                                                  \
  void Name##Impl::pretty_print(std::ostream& stream) const { print_cell(stream, #Name, options); }                  \
  template class RNNCellImplBase<Name##Impl>;
RL_CELL(RNNCell, 1)
RL_CELL(LSTMCell, 4)
RL_CELL(GRUCell, 3)
#undef RL_CELL

Tensor RNNCellImpl::forward(const Tensor& x, Tensor hx) {
  check(x, hx, "0");
  Tensor h = start(hx, x, options.hidden_size());
  bool tanh = std::holds_alternative<enumtype::kTanh>(options.nonlinearity());
  return like(x, tanh ? rushlight::rnn_tanh_cell(row(x), h, weight_ih, weight_hh, bias_ih, bias_hh)
                      : rushlight::rnn_relu_cell(row(x), h, weight_ih, weight_hh, bias_ih, bias_hh));
}
Tensor GRUCellImpl::forward(const Tensor& x, Tensor hx) {
  check(x, hx, "0");
  Tensor h = start(hx, x, options.hidden_size());
  return like(x, rushlight::gru_cell(row(x), h, weight_ih, weight_hh, bias_ih, bias_hh));
}
LSTMState LSTMCellImpl::forward(const Tensor& x, std::optional<LSTMState> hx) {
  auto [h, c] = hx.value_or(LSTMState());
  check(x, h, "0");
  check(x, c, "1");
  rushlight::Tensor states[2] = {start(h, x, options.hidden_size()), start(c, x, options.hidden_size())};
  auto [h1, c1] =
      rushlight::lstm_cell(row(x), rushlight::TensorList(states, 2), weight_ih, weight_hh, bias_ih, bias_hh);
  return {like(x, h1), like(x, c1)};
}

}  // namespace nn
}  // namespace rl
}  // namespace torch
