// LSTM and GRU whose products are those of packed weights, and single steps of them. A sequence's rows lie by time; sizes[t] sequences are as
// long as step t, the longest first.
#include <algorithm>

#include "rushlight/fn/cat.h"
#include "rushlight/fn/chunk.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/dropout.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/relu.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/tanh.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/ops/operators.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

struct State { Tensor h, c; };  // c is undefined for a GRU

Tensor map_input(const CellParts& p, const Tensor& x) { return dynamic_linear(x, *p.input, p.reduce_range, false); }
Tensor map_hidden(const CellParts& p, const Tensor& h) { return dynamic_linear(h, *p.hidden, p.reduce_range, false); }

State lstm_step(const Tensor& from_input, const Tensor& from_hidden, const State& was) {
  Tensors g = chunk(from_hidden + from_input, 4, 1);
  Tensor c = sigmoid(g[1]) * was.c + sigmoid(g[0]) * tanh(g[2]);
  return {sigmoid(g[3]) * tanh(c), c};
}
State gru_step(const Tensor& from_input, const Tensor& from_hidden, const State& was) {
  Tensors i = chunk(from_input, 3, 1), h = chunk(from_hidden, 3, 1);
  Tensor keeps = sigmoid(h[1] + i[1]), fresh = tanh(i[2] + h[2] * sigmoid(h[0] + i[0]));
  return {(was.h - fresh) * keeps + fresh, Tensor()};
}

// One layer in one direction: the outputs' rows; `state` becomes the last one.
Tensor run_layer(const CellParts& p, const Tensor& rows, const std::vector<int64_t>& sizes, State& state,
                 bool backwards) {
  Tensor mapped = map_input(p, rows);
  std::vector<int64_t> begins;
  int64_t at = 0;
  for (int64_t n : sizes) begins.push_back(std::exchange(at, at + n));
  Tensors out(sizes.size());
  for (size_t k = 0; k < sizes.size(); k++) {
    size_t t = backwards ? sizes.size() - 1 - k : k;
    int64_t n = sizes[t], all = state.h.sizes()[0];
    auto first = [&](const Tensor& x) { return x.defined() ? narrow(x, 0, 0, n) : x; };
    State now{first(state.h), first(state.c)};
    Tensor input = narrow(mapped, 0, begins[t], n), hidden = map_hidden(p, now.h);
    State next = now.c.defined() ? lstm_step(input, hidden, now) : gru_step(input, hidden, now);
    auto joined = [&](const Tensor& fresh, const Tensor& old) {
      return !old.defined() || n == all ? fresh : cat(Tensors{fresh, narrow(old, 0, n, all - n)}, 0);
    };
    out[t] = next.h;
    state = {joined(next.h, state.h), joined(next.c, state.c)};
  }
  return cat(out, 0);
}

struct Setting {
  int64_t layers;
  double dropout;
  bool train, bidirectional;
};
// All layers: (outputs' rows, last h, last c).
std::tuple<Tensor, Tensor, Tensor> run(Tensor rows, const std::vector<int64_t>& sizes, const Tensor& h0,
                                       const Tensor& c0, const IValue& params, const Setting& s) {
  const char* who = c0.defined() ? "quantized_lstm" : "quantized_gru";
  int64_t directions = s.bidirectional ? 2 : 1, n = params.is_any_list() ? int64_t(graph::list_size(params)) : 0;
  RL_CHECK(RuntimeError, s.layers > 0 && n == s.layers * directions, who, ": expected ", s.layers * directions,
           " packed cells, got ", n);
  RL_CHECK(ShapeError, !sizes.empty(), who, ": expected a sequence of at least one step");
  Tensors hs, cs;
  for (int64_t layer = 0; layer < s.layers; layer++) {
    Tensors outputs;
    for (int64_t d = 0; d < directions; d++) {
      int64_t i = layer * directions + d;
      const IValue cell = graph::list_get(params, size_t(i));
      auto begin = [&](const Tensor& all) {
        RL_CHECK(ShapeError, !all.defined() || (all.dim() == 3 && all.sizes()[0] == n && all.sizes()[1] == sizes[0]),
                 who, ": expected a state of shape [", n, ", ", sizes[0], ", hidden], got ", all.sizes());
        return all.defined() ? select(all, 0, i) : all;
      };
      State state{begin(h0), begin(c0)};
      outputs.push_back(run_layer(cell_of(cell), rows, sizes, state, d == 1));
      hs.push_back(state.h);
      if (state.c.defined()) cs.push_back(state.c);
    }
    rows = directions == 1 ? outputs[0] : cat(outputs, 1);
    if (s.train && s.dropout > 0 && layer + 1 < s.layers) rows = dropout(rows, s.dropout, true);
  }
  return {rows, stack(hs, 0), cs.empty() ? Tensor() : stack(cs, 0)};
}
std::tuple<Tensor, Tensor, Tensor> run_padded(const Tensor& given, const Tensor& h0, const Tensor& c0,
                                              const IValue& params, const Setting& s, bool batch_first) {
  RL_CHECK(ShapeError, given.dim() == 3, "quantized_lstm: expected an input of 3 dimensions, got shape ",
           given.sizes());
  Tensor x = batch_first ? transpose(given, 0, 1) : given;
  int64_t steps = x.sizes()[0], batch = x.sizes()[1];
  auto [rows, h, c] =
      run(reshape(x, {steps * batch, x.sizes()[2]}), std::vector<int64_t>(size_t(steps), batch), h0, c0, params, s);
  Tensor out = reshape(rows, {steps, batch, rows.sizes()[1]});
  return {batch_first ? transpose(out, 0, 1) : out, h, c};
}
std::tuple<Tensor, Tensor, Tensor> run_packed(const Tensor& data, const Tensor& batch_sizes, const Tensor& h0,
                                              const Tensor& c0, const IValue& params, const Setting& s) {
  Tensor sizes = dense(batch_sizes, DType::Int64);
  std::vector<int64_t> n(sizes.data<int64_t>(), sizes.data<int64_t>() + sizes.numel());
  int64_t rows = 0;
  for (size_t i = 0; i < n.size(); i++) {
    RL_CHECK(ShapeError, n[i] > 0 && (i == 0 || n[i] <= n[i - 1]),
             "quantized_lstm: expected batch sizes above 0 that don't grow, got ", n);
    rows += n[i];
  }
  RL_CHECK(ShapeError, data.dim() == 2 && data.sizes()[0] == rows, "quantized_lstm: expected packed data of ", rows,
           " rows, got shape ", data.sizes());
  return run(data, n, h0, c0, params, s);
}

const Tensor& of(TensorList hx, size_t i) {
  RL_CHECK(RuntimeError, hx.size() == 2, "quantized_lstm: expected the states h and c, got ", hx.size(), " tensors");
  return hx[i];
}
std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& x, TensorList hx, const IValue& params, bool, int64_t layers,
                                        double dropout, bool train, bool bidirectional, bool batch_first,
                                        const std::optional<DType>&, bool) {
  return run_padded(x, of(hx, 0), of(hx, 1), params, {layers, dropout, train, bidirectional}, batch_first);
}
std::tuple<Tensor, Tensor, Tensor> lstm_packed(const Tensor& x, const Tensor& sizes, TensorList hx,
                                               const IValue& params, bool, int64_t layers, double dropout, bool train,
                                               bool bidirectional, const std::optional<DType>&, bool) {
  return run_packed(x, sizes, of(hx, 0), of(hx, 1), params, {layers, dropout, train, bidirectional});
}
std::tuple<Tensor, Tensor> gru(const Tensor& x, const Tensor& hx, const IValue& params, bool, int64_t layers,
                               double dropout, bool train, bool bidirectional, bool batch_first) {
  auto [y, h, c] = run_padded(x, hx, Tensor(), params, {layers, dropout, train, bidirectional}, batch_first);
  return {y, h};
}
std::tuple<Tensor, Tensor> gru_packed(const Tensor& x, const Tensor& sizes, const Tensor& hx, const IValue& params,
                                      bool, int64_t layers, double dropout, bool train, bool bidirectional) {
  auto [y, h, c] = run_packed(x, sizes, hx, Tensor(), params, {layers, dropout, train, bidirectional});
  return {y, h};
}

// ---- single steps: the biases stand in the packed weights ----

Tensor mapped(const Tensor& x, const IValue& w) { return dynamic_linear(x, linear_of(w), true, false); }
std::tuple<Tensor, Tensor> lstm_cell(const Tensor& x, TensorList hx, const IValue& ih, const IValue& hh, const Tensor&,
                                     const Tensor&) {
  State next = lstm_step(mapped(x, ih), mapped(of(hx, 0), hh), {of(hx, 0), of(hx, 1)});
  return {next.h, next.c};
}
Tensor gru_cell(const Tensor& x, const Tensor& hx, const IValue& ih, const IValue& hh, const Tensor&, const Tensor&) {
  return gru_step(mapped(x, ih), mapped(hx, hh), {hx, Tensor()}).h;
}
template <bool kTanh>
Tensor rnn_cell(const Tensor& x, const Tensor& hx, const IValue& ih, const IValue& hh, const Tensor&, const Tensor&) {
  Tensor y = mapped(x, ih) + mapped(hx, hh);
  return kTanh ? tanh(y) : relu(y);
}

IValue cell_params(const char* kind, Tensors biases, std::vector<int64_t> numbers, const IValue& ih, const IValue& hh) {
  linear_of(ih), linear_of(hh);
  IValue linears = graph::make_list(ih.type(), {ih, hh});
  return packed("rnn.CellParamsBase", IValue::tuple({kind, IValue(std::move(biases)), IValue(std::vector<double>{}),
                                                     IValue(std::move(numbers)), linears}));
}
IValue dynamic_params(const IValue& ih, const IValue& hh, const Tensor& bias_ih, const Tensor& bias_hh,
                      bool reduce_range) {
  return cell_params("quantized_dynamic", {bias_ih, bias_hh}, {reduce_range}, ih, hh);
}
IValue half_params(const IValue& ih, const IValue& hh) { return cell_params("quantized_fp16", {}, {}, ih, hh); }

}  // namespace

void define_recurrent(OpLibrary& m, OpLibrary& aten) {
  std::string w = class_of("Linear"), cell = "__torch__.torch.classes.rnn.CellParamsBase";
  define<dynamic_params>(m, "make_quantized_cell_params_dynamic(" + w + " w_ih, " + w +
                                " w_hh, Tensor bias_ih, Tensor bias_hh, bool reduce_range=False) -> " + cell);
  define<half_params>(m, "make_quantized_cell_params_fp16(" + w + " w_ih, " + w + " w_hh) -> " + cell);
  std::string weights = ", " + w + " w_ih, " + w + " w_hh, Tensor ";
  define<lstm_cell>(m, "quantized_lstm_cell_dynamic(Tensor input, Tensor[] hx" + weights +
                           "bias_ih, Tensor bias_hh) -> (Tensor, Tensor)");
  define<gru_cell>(m, "quantized_gru_cell_dynamic(Tensor input, Tensor hx" + weights + "b_ih, Tensor b_hh) -> Tensor");
  define<rnn_cell<true>>(
      m, "quantized_rnn_tanh_cell_dynamic(Tensor input, Tensor hx" + weights + "b_ih, Tensor b_hh) -> Tensor");
  define<rnn_cell<false>>(
      m, "quantized_rnn_relu_cell_dynamic(Tensor input, Tensor hx" + weights + "b_ih, Tensor b_hh) -> Tensor");
  std::string settings =
      cell + "[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional";
  define<lstm>(
      aten, "quantized_lstm.input(Tensor input, Tensor[] hx, " + settings +
                ", bool batch_first, *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)");
  define<lstm_packed>(aten, "quantized_lstm.data(Tensor data, Tensor batch_sizes, Tensor[] hx, " + settings +
                                ", *, ScalarType? dtype=None, bool use_dynamic=False) -> (Tensor, Tensor, Tensor)");
  define<gru>(aten,
              "quantized_gru.input(Tensor input, Tensor hx, " + settings + ", bool batch_first) -> (Tensor, Tensor)");
  define<gru_packed>(
      aten, "quantized_gru.data(Tensor data, Tensor batch_sizes, Tensor hx, " + settings + ") -> (Tensor, Tensor)");
}

}  // namespace rushlight::quantized
