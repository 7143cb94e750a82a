// Recurrent networks (rnn_tanh, rnn_relu, lstm, gru) over padded or packed sequences, and their cells: linear maps and activations, a step at a
// time. A sequence's rows lie by time; sizes[t] sequences are as long as step t, the longest first.
#include <algorithm>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_lstm_gates.h"
#include "rushlight/fn/_lstm_steps.h"
#include "rushlight/fn/addmm.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/chunk.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/dropout.h"
#include "rushlight/fn/linear.h"
#include "rushlight/fn/mm.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/relu.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/split.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/tanh.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

enum class Cell { Tanh, Relu, Lstm, Gru };

// Of one layer and direction. The maps are (gates * hidden, width); hr, of an LSTM with projections only, is (projected, hidden).
struct Weights {
  Tensor ih, hh, bias_ih, bias_hh, hr;
  Tensor hh_transposed;  // where a map is used so often that a copy laid out for the product pays
};

// c is the cell of an LSTM, else undefined.
struct State {
  Tensor h, c;

  template <class F>
  State each(const F& f) const {
    return {f(h), c.defined() ? f(c) : Tensor()};
  }
};

int64_t gates_of(Cell cell) { return cell == Cell::Lstm ? 4 : cell == Cell::Gru ? 3 : 1; }

// The maps give whole gates, as wide as the state that they meet.
void check_weights(Cell cell, const Weights& w) {
  RL_CHECK(ShapeError, w.ih.dim() == 2 && w.hh.dim() == 2, "expected weights of two dimensions, got ", w.ih.sizes(),
           " and ", w.hh.sizes());
  int64_t gates = gates_of(cell), hidden = w.hh.size(0) / gates, width = w.hh.size(1);
  if (w.hr.defined()) {
    RL_CHECK(ShapeError, w.hr.dim() == 2 && w.hr.size(0) == width && w.hr.size(1) == hidden,
             "expected weight_hr of shape [", width, ", ", hidden, "], got ", w.hr.sizes());
  } else {
    hidden = width;
  }
  RL_CHECK(ShapeError, w.ih.size(0) == gates * hidden && w.hh.size(0) == gates * hidden,
           "expected weight_ih of shape [", gates * hidden, ", *] and weight_hh of shape [", gates * hidden, ", ",
           width, "], got ", w.ih.sizes(), " and ", w.hh.sizes());
}

State joined(const std::vector<State>& parts) {
  Tensors h, c;
  for (const State& s : parts) {
    h.push_back(s.h);
    if (s.c.defined()) c.push_back(s.c);
  }
  return {cat(h), c.empty() ? Tensor() : cat(c)};
}

Tensor recurrent_map(const Tensor& h, const Weights& w) {
  if (!w.hh_transposed.defined()) return linear(h, w.hh, w.bias_hh);
  return w.bias_hh.defined() ? addmm(w.bias_hh, h, w.hh_transposed) : mm(h, w.hh_transposed);
}
// x and the map of h.
Tensor maps_sum(const Tensor& x, const Tensor& h, const Weights& w) {
  if (w.bias_hh.defined()) return x + recurrent_map(h, w);
  return addmm(x, h, w.hh_transposed.defined() ? w.hh_transposed : t(w.hh));
}

bool is_single_or_double(DType d) { return d == DType::Float32 || d == DType::Float64; }

// x is the input's linear map already. fused: an LSTM's gates in one pass; a lone cell is made of operators, as the names of its gradients
// show, which programs print.
State step(Cell cell, const Tensor& x, const State& s, const Weights& w, bool fused) {
  switch (cell) {
    case Cell::Tanh: return {tanh(maps_sum(x, s.h, w)), {}};
    case Cell::Relu: return {relu(maps_sum(x, s.h, w)), {}};
    case Cell::Lstm: {
      Tensor sum = maps_sum(x, s.h, w), h, c;
      if (fused && is_single_or_double(sum.dtype())) {
        std::tie(h, c) = _lstm_gates(sum, s.c);
      } else {
        Tensors gates = chunk(sum, 4, 1);
        c = sigmoid(gates[1]) * s.c + sigmoid(gates[0]) * tanh(gates[2]);
        h = sigmoid(gates[3]) * tanh(c);
      }
      return {w.hr.defined() ? linear(h, w.hr) : h, c};
    }
    case Cell::Gru: {
      Tensors a = chunk(x, 3, 1), b = chunk(recurrent_map(s.h, w), 3, 1);
      Tensor z = sigmoid(a[1] + b[1]);
      Tensor n = tanh(a[2] + sigmoid(a[0] + b[0]) * b[2]);
      return {(s.h - n) * z + n, {}};
    }
  }
  RL_INVARIANT(false, "a cell of no kind");
}

// The outputs of all steps, and each sequence's last state.
std::pair<Tensor, State> run_direction(Cell cell, const Tensor& data, IntArrayRef sizes, const State& start, Weights w,
                                       bool reverse) {
  if (cell != Cell::Gru && w.bias_ih.defined()) {  // they are only ever added
    w.bias_ih = w.bias_ih + w.bias_hh;
    w.bias_hh = Tensor();
  }
  Tensor mapped = linear(data, w.ih, w.bias_ih);
  auto fits = [&](const Tensor& s) { return s.dtype() == mapped.dtype(); };
  if (cell == Cell::Lstm && !w.hr.defined() && is_single_or_double(mapped.dtype()) && fits(w.hh) && fits(start.h) &&
      fits(start.c) && sizes[0] == sizes.back() && sizes[0] > 0) {
    auto [out, cells, gates] = _lstm_steps(mapped, start.h, start.c, w.hh, reverse);
    int64_t from = reverse ? 0 : out.size(0) - sizes[0];
    return {out, {narrow(out, 0, from, sizes[0]), narrow(cells, 0, from, sizes[0])}};
  }
  constexpr size_t kManySteps = 24;  // a transposed copy costs as much as the time it saves in these
  if (sizes.size() >= kManySteps) w.hh_transposed = contiguous(t(w.hh));
  Tensors x = split(mapped, sizes), out(sizes.size());
  auto rows = [](int64_t from, int64_t to) {
    return [=](const Tensor& s) { return from == 0 && to == s.size(0) ? s : narrow(s, 0, from, to - from); };
  };
  if (reverse) {
    State now = start.each(rows(0, sizes.back()));
    for (size_t i = sizes.size(); i-- > 0;) {
      int64_t have = now.h.size(0);
      if (sizes[i] > have) now = joined({now, start.each(rows(have, sizes[i]))});  // their last step is this one
      now = step(cell, x[i], now, w, true);
      out[i] = now.h;
    }
    return {cat(out), now};
  }
  State now = start;
  std::vector<State> ended;  // the shortest first
  for (size_t i = 0; i < sizes.size(); i++) {
    int64_t have = now.h.size(0);
    if (sizes[i] < have) {
      ended.push_back(now.each(rows(sizes[i], have)));
      now = now.each(rows(0, sizes[i]));
    }
    now = step(cell, x[i], now, w, true);
    out[i] = now.h;
  }
  if (ended.empty()) return {cat(out), now};
  ended.push_back(now);
  std::ranges::reverse(ended);
  return {cat(out), joined(ended)};
}

struct Network {
  Cell cell;
  bool has_biases;
  int64_t layers;
  double dropout;
  bool train, bidirectional;
};

void check_state(const char* name, const Tensor& s, int64_t count, int64_t batch, int64_t width) {
  RL_CHECK(ShapeError, s.dim() == 3 && s.sizes() == Dims({count, batch, width}), "Expected ", name, " size (", count,
           ", ", batch, ", ", width, "), got ", s.sizes());
}

// Outputs (rows, directions * hidden), and the final states (layers * directions, batch, hidden).
std::pair<Tensor, State> run_network(const Network& net, Tensor data, IntArrayRef sizes, const State& start,
                                     TensorList params) {
  bool lstm = net.cell == Cell::Lstm;
  RL_CHECK(RuntimeError, net.layers > 0, "num_layers must be greater than zero, got ", net.layers);
  int64_t directions = net.bidirectional ? 2 : 1, count = CheckedInt(net.layers) * directions;
  RL_CHECK(RuntimeError, !sizes.empty(), "Expected sequence length to be larger than 0 in RNN");
  RL_CHECK(RuntimeError, !lstm || start.c.defined(), "lstm expects two hidden states");
  RL_CHECK(RuntimeError, start.h.dtype() == data.dtype(), "Input and hidden tensors are not the same dtype, found ",
           "input tensor with ", scalar_type_name(data.dtype()), " and hidden tensor with ",
           scalar_type_name(start.h.dtype()));
  for (const Tensor* s : {&start.h, &start.c})
    RL_CHECK(ShapeError, !s->defined() || s->dim() == 3, "expected hidden states of 3 dimensions, got ", s->sizes());
  bool projects = lstm && start.h.sizes().back() != start.c.sizes().back();
  size_t each = 2 + (net.has_biases ? 2 : 0) + (projects ? 1 : 0);
  RL_CHECK(RuntimeError, params.size() == each * size_t(count), "expected ", each, " weights for each of ", count,
           " layers and directions, got ", params.size());
  std::vector<Weights> weights;
  for (size_t at = 0; at < params.size(); at += each) {
    Weights w{.ih = params[at], .hh = params[at + 1]};
    if (net.has_biases) w.bias_ih = params[at + 2], w.bias_hh = params[at + 3];
    if (projects) w.hr = params[at + each - 1];
    check_weights(net.cell, w);
    weights.push_back(w);
  }
  RL_CHECK(RuntimeError, data.size(1) == weights[0].ih.size(1), "input.size(-1) must be equal to input_size. Expected ",
           weights[0].ih.size(1), ", got ", data.size(1));
  check_state(lstm ? "hidden[0]" : "hidden", start.h, count, sizes[0], weights[0].hh.size(1));
  if (lstm) check_state("hidden[1]", start.c, count, sizes[0], weights[0].hh.size(0) / 4);
  std::vector<State> finals;
  for (int64_t layer = 0; layer < net.layers; layer++) {
    Tensors outs;
    for (int64_t d = 0; d < directions; d++) {
      int64_t i = layer * directions + d;
      auto [out, last] =
          run_direction(net.cell, data, sizes, start.each([&](const Tensor& s) { return select(s, 0, i); }),
                        weights[size_t(i)], d == 1);
      outs.push_back(out);
      finals.push_back(last);
    }
    data = directions == 1 ? outs[0] : cat(outs, -1);
    if (net.dropout > 0 && net.train && layer + 1 < net.layers) data = dropout(data, net.dropout, true);
  }
  Tensors h, c;
  for (const State& s : finals) {
    h.push_back(s.h);
    if (lstm) c.push_back(s.c);
  }
  return {data, {stack(h), lstm ? stack(c) : Tensor()}};
}

std::pair<Tensor, State> run_padded(const Network& net, const Tensor& input, const State& start, TensorList params,
                                    bool batch_first) {
  RL_CHECK(ShapeError, input.dim() == 3, "input must have 3 dimensions, got ", input.dim());
  Tensor by_time = batch_first ? transpose(input, 0, 1) : input;
  int64_t steps = by_time.size(0), batch = by_time.size(1);
  auto [out, last] =
      run_network(net, reshape(by_time, {steps * batch, by_time.size(2)}), Dims(size_t(steps), batch), start, params);
  Tensor padded = reshape(out, {steps, batch, out.size(1)});
  return {batch_first ? transpose(padded, 0, 1) : padded, last};
}
std::pair<Tensor, State> run_packed(const Network& net, const Tensor& data, const Tensor& batch_sizes,
                                    const State& start, TensorList params) {
  RL_CHECK(ShapeError, data.dim() == 2 && batch_sizes.dim() == 1,
           "expected packed data of 2 dimensions and sizes of 1, ", "got ", data.sizes(), " and ", batch_sizes.sizes());
  Tensor list = dense(batch_sizes, DType::Int64);
  IntArrayRef sizes(list.data<int64_t>(), size_t(list.numel()));
  int64_t rows = 0;
  for (size_t i = 0; i < sizes.size(); i++) {
    RL_CHECK(RuntimeError, sizes[i] > 0 && (i == 0 || sizes[i] <= sizes[i - 1]),
             "batch sizes must be positive and not grow, got ", sizes);
    rows += sizes[i];
  }
  RL_CHECK(ShapeError, rows == data.size(0), "the batch sizes sum to ", rows, ", but there are ", data.size(0),
           " rows");
  return run_network(net, data, sizes, start, params);
}

State pair_of(TensorList hx) {
  RL_CHECK(RuntimeError, hx.size() == 2, "lstm expects two hidden states, got ", hx.size());
  return {hx[0], hx[1]};
}
using Two = std::tuple<Tensor, Tensor>;
using Three = std::tuple<Tensor, Tensor, Tensor>;

Three lstm_padded(const Tensor& input, TensorList hx, TensorList params, bool has_biases, int64_t layers,
                  double dropout, bool train, bool bidirectional, bool batch_first) {
  auto [out, s] = run_padded({Cell::Lstm, has_biases, layers, dropout, train, bidirectional}, input, pair_of(hx),
                             params, batch_first);
  return {out, s.h, s.c};
}
Three lstm_packed(const Tensor& data, const Tensor& sizes, TensorList hx, TensorList params, bool has_biases,
                  int64_t layers, double dropout, bool train, bool bidirectional) {
  auto [out, s] =
      run_packed({Cell::Lstm, has_biases, layers, dropout, train, bidirectional}, data, sizes, pair_of(hx), params);
  return {out, s.h, s.c};
}
template <Cell cell>
Two padded(const Tensor& input, const Tensor& hx, TensorList params, bool has_biases, int64_t layers, double dropout,
           bool train, bool bidirectional, bool batch_first) {
  auto [out, s] =
      run_padded({cell, has_biases, layers, dropout, train, bidirectional}, input, {hx, {}}, params, batch_first);
  return {out, s.h};
}
template <Cell cell>
Two packed(const Tensor& data, const Tensor& sizes, const Tensor& hx, TensorList params, bool has_biases,
           int64_t layers, double dropout, bool train, bool bidirectional) {
  auto [out, s] = run_packed({cell, has_biases, layers, dropout, train, bidirectional}, data, sizes, {hx, {}}, params);
  return {out, s.h};
}

State one_step(Cell cell, const Tensor& input, const State& s, const Weights& w) {
  RL_CHECK(ShapeError, input.dim() == 2 && s.h.dim() == 2 && input.size(0) == s.h.size(0),
           "expected an input and a state of two dimensions and one batch size, got ", input.sizes(), " and ",
           s.h.sizes());
  RL_CHECK(ShapeError, w.ih.dim() == 2 && input.size(1) == w.ih.size(1), "input has inconsistent input_size: got ",
           input.size(1), " expected ", w.ih.dim() == 2 ? w.ih.size(1) : 0,
           ". Hint: make the cell with input_size=", input.size(1), "; it takes (batch, features)");
  RL_CHECK(ShapeError, w.hh.dim() == 2 && s.h.size(1) == w.hh.size(1), "hidden0 has inconsistent hidden_size: got ",
           s.h.size(1), ", expected ", w.hh.dim() == 2 ? w.hh.size(1) : 0);
  check_weights(cell, w);
  RL_CHECK(ShapeError, cell != Cell::Lstm || s.c.sizes() == s.h.sizes(),
           "expected two hidden states of one shape, got ", s.h.sizes(), " and ", s.c.defined() ? s.c.sizes() : Dims());
  return step(cell, linear(input, w.ih, w.bias_ih), s, w, false);
}
Two lstm_cell(const Tensor& input, TensorList hx, const Tensor& ih, const Tensor& hh, const Tensor& bias_ih,
              const Tensor& bias_hh) {
  State s = one_step(Cell::Lstm, input, pair_of(hx), {.ih = ih, .hh = hh, .bias_ih = bias_ih, .bias_hh = bias_hh});
  return {s.h, s.c};
}
template <Cell cell>
Tensor any_cell(const Tensor& input, const Tensor& hx, const Tensor& ih, const Tensor& hh, const Tensor& bias_ih,
                const Tensor& bias_hh) {
  return one_step(cell, input, {hx, {}}, {.ih = ih, .hh = hh, .bias_ih = bias_ih, .bias_hh = bias_hh}).h;
}

}  // namespace

OP(lstm_input,
   {.schema = "lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int num_layers, float dropout, "
              "bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor, Tensor)",
    .doc =
        "Long short-term memory (Hochreiter and Schmidhuber 1997) over (time, batch, width): the outputs, h and c of "
        "the last step. params are weight_ih, weight_hh, bias_ih, bias_hh of each layer and direction."
        " >>> h = torch.zeros(1, 1, 1)\n"
        ">>> torch.lstm(torch.ones(2, 1, 1), (h, h), [torch.ones(4, 1)] * 2, False, 1, 0.0, False, False, "
        "False)[0].flatten()\ntensor([0.3696, 0.6505])",
    .kernel = composite<lstm_padded>(),
    .forms = kFunction,
    .draws = "dropout"});
OP(lstm_data,
   {.schema = "lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, Tensor[] params, bool has_biases, int "
              "num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor, Tensor)",
    .doc = "lstm over a packed batch.",
    .kernel = composite<lstm_packed>(),
    .forms = kFunction,
    .draws = "dropout"});
OP(gru_input, {.schema = "gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float "
                         "dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
               .doc = "Gated recurrent units (Cho et al. 2014) over (time, batch, width): the outputs and the last h.",
               .kernel = composite<padded<Cell::Gru>>(),
               .forms = kFunction,
               .draws = "dropout"});
OP(gru_data, {.schema = "gru.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int "
                        "num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
              .doc = "gru over a packed batch.",
              .kernel = composite<packed<Cell::Gru>>(),
              .forms = kFunction,
              .draws = "dropout"});
OP(rnn_tanh_input,
   {.schema = "rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float "
              "dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
    .doc = "h' = tanh(W_ih x + b_ih + W_hh h + b_hh) over (time, batch, width): the outputs and the last h.",
    .kernel = composite<padded<Cell::Tanh>>(),
    .forms = kFunction,
    .draws = "dropout"});
OP(rnn_tanh_data,
   {.schema = "rnn_tanh.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int "
              "num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
    .doc = "rnn_tanh over a packed batch.",
    .kernel = composite<packed<Cell::Tanh>>(),
    .forms = kFunction,
    .draws = "dropout"});
OP(rnn_relu_input,
   {.schema = "rnn_relu.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int num_layers, float "
              "dropout, bool train, bool bidirectional, bool batch_first) -> (Tensor, Tensor)",
    .doc = "rnn_tanh with relu in the place of tanh.",
    .kernel = composite<padded<Cell::Relu>>(),
    .forms = kFunction,
    .draws = "dropout"});
OP(rnn_relu_data,
   {.schema = "rnn_relu.data(Tensor data, Tensor batch_sizes, Tensor hx, Tensor[] params, bool has_biases, int "
              "num_layers, float dropout, bool train, bool bidirectional) -> (Tensor, Tensor)",
    .doc = "rnn_relu over a packed batch.",
    .kernel = composite<packed<Cell::Relu>>(),
    .forms = kFunction,
    .draws = "dropout"});
OP(lstm_cell, {.schema = "lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? "
                         "b_hh=None) -> (Tensor, Tensor)",
               .doc = "One step of an LSTM: the new h and c.",
               .kernel = composite<lstm_cell>(),
               .forms = kFunction,
               .node = "MulBackward0"});
OP(gru_cell, {.schema = "gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? "
                        "b_hh=None) -> Tensor",
              .doc = "One step of a GRU.",
              .kernel = composite<any_cell<Cell::Gru>>(),
              .forms = kFunction});
OP(rnn_tanh_cell, {.schema = "rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
                             "Tensor? b_hh=None) -> Tensor",
                   .doc = "tanh(W_ih x + b_ih + W_hh h + b_hh). >>> one = torch.ones(1, 1)\n"
                          ">>> torch.rnn_tanh_cell(one, one, one, one)\ntensor([[0.9640]])",
                   .kernel = composite<any_cell<Cell::Tanh>>(),
                   .forms = kFunction});
OP(rnn_relu_cell, {.schema = "rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
                             "Tensor? b_hh=None) -> Tensor",
                   .doc = "relu(W_ih x + b_ih + W_hh h + b_hh).",
                   .kernel = composite<any_cell<Cell::Relu>>(),
                   .forms = kFunction});

}  // namespace rushlight
