// _lstm_gates: what an LSTM does with the sum of its linear maps, in one pass, and the same for its gradient. _lstm_steps: a whole layer.
#include "rushlight/dispatch/cost.h"
#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_lstm_gates.h"
#include "rushlight/fn/_lstm_gates_backward.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/chunk.h"
#include "rushlight/fn/mm.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/tanh.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/gemm.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/math.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// One row: g is the maps of the input, the forget, the cell and the output gate, each of n.
RL_FOR_EACH_ISA(
    template <class T>, void, gates_row, (T * h, T* c, const T* g, const T* before, int64_t n),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) {
        T cell = math::sigmoid(g[n + i]) * before[i] + math::sigmoid(g[i]) * math::tanh(g[2 * n + i]);
        c[i] = cell;
        h[i] = math::sigmoid(g[3 * n + i]) * math::tanh(cell);
      }
    },
    <T>)

RL_FOR_EACH_ISA(
    template <class T>, void, gates_backward_row,
    (T * dg, T* dc, const T* gh, const T* gc, const T* g, const T* before, const T* c, int64_t n),
    {
      RL_IVDEP
      for (int64_t i = 0; i < n; i++) {
        T in = math::sigmoid(g[i]);
        T forget = math::sigmoid(g[n + i]);
        T cell = math::tanh(g[2 * n + i]);
        T out = math::sigmoid(g[3 * n + i]);
        T bent = math::tanh(c[i]);
        T d = gc[i] + gh[i] * out * (1 - bent * bent);
        dg[i] = d * cell * in * (1 - in);
        dg[n + i] = d * before[i] * forget * (1 - forget);
        dg[2 * n + i] = d * in * (1 - cell * cell);
        dg[3 * n + i] = gh[i] * bent * out * (1 - out);
        dc[i] = d * forget;
      }
    },
    <T>)

constexpr int64_t kRowsWork = 8192;  // elements that are worth a thread

std::array<TensorSpec, 2> lstm_gates_meta(const Tensor& gates, const Tensor& cell) {
  RL_CHECK(ShapeError,
           gates.dim() == 2 && cell.dim() == 2 && gates.size(0) == cell.size(0) && gates.size(1) == 4 * cell.size(1),
           "_lstm_gates: expected gates of (N, 4 * H) and a cell of (N, H), got ", gates.sizes(), " and ",
           cell.sizes());
  RL_CHECK(DTypeError, gates.dtype() == cell.dtype(), "_lstm_gates: expected one dtype, got ", gates.dtype(), " and ",
           cell.dtype());
  TensorSpec out{.sizes = cell.sizes(), .dtype = cell.dtype(), .device = cell.device()};
  return {out, out};
}
void lstm_gates_cpu(const Tensor& gates, const Tensor& cell, const Tensor& h, const Tensor& c) {
  Tensor g = dense(gates), before = dense(cell);
  int64_t rows = cell.size(0), n = cell.size(1);
  dispatch(Types<float, double>{}, cell.dtype(), "_lstm_gates", [&]<class T>() {
    auto run = gates_row_isa<T>();
    parallel_for(0, rows, std::max<int64_t>(1, kRowsWork / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        run(h.data<T>() + r * n, c.data<T>() + r * n, g.data<T>() + 4 * r * n, before.data<T>() + r * n, n);
    });
  });
}

std::array<TensorSpec, 2> lstm_gates_backward_meta(const Tensor& grad_h, const Tensor& grad_c, const Tensor& gates,
                                                   const Tensor& cell, const Tensor& result) {
  lstm_gates_meta(gates, cell);
  for (const Tensor* t : {&grad_h, &grad_c, &result})
    if (t->defined()) {
      expect_shape("_lstm_gates_backward", "gradients and c", *t, cell.sizes());
      expect_dtype("_lstm_gates_backward", "gradients and c", *t, cell.dtype());
    }
  return {TensorSpec{.sizes = gates.sizes(), .dtype = gates.dtype(), .device = gates.device()},
          TensorSpec{.sizes = cell.sizes(), .dtype = cell.dtype(), .device = cell.device()}};
}
void lstm_gates_backward_cpu(const Tensor& grad_h, const Tensor& grad_c, const Tensor& gates, const Tensor& cell,
                             const Tensor& result, const Tensor& dg, const Tensor& dc) {
  Tensor g = dense(gates), before = dense(cell), c = dense(result);
  auto given = [&](const Tensor& grad) { return grad.defined() ? dense(grad) : zeros(c.sizes(), c.dtype()); };
  Tensor gh = given(grad_h), gc = given(grad_c);
  int64_t rows = c.size(0), n = c.size(1);
  dispatch(Types<float, double>{}, c.dtype(), "_lstm_gates_backward", [&]<class T>() {
    auto run = gates_backward_row_isa<T>();
    parallel_for(0, rows, std::max<int64_t>(1, kRowsWork / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        run(dg.data<T>() + 4 * r * n, dc.data<T>() + r * n, gh.data<T>() + r * n, gc.data<T>() + r * n,
            g.data<T>() + 4 * r * n, before.data<T>() + r * n, c.data<T>() + r * n, n);
    });
  });
}

// With operators where the gradient is to be differentiated again.
std::pair<Tensor, Tensor> gates_grad(const Tensor& gh, const Tensor& gc, const Tensor& gates, const Tensor& before,
                                     const Tensor& c) {
  if (!thread_state.grad_enabled) {
    auto [dg, dc] = _lstm_gates_backward(gh, gc, gates, before, c);
    return {dg, dc};
  }
  Tensors each = chunk(gates, 4, 1);
  Tensor in = sigmoid(each[0]), forget = sigmoid(each[1]), cell = tanh(each[2]), out = sigmoid(each[3]), bent = tanh(c);
  Tensor d = gc;
  if (gh.defined()) {
    Tensor through_h = gh * out * (1 - bent * bent);
    d = d.defined() ? d + through_h : through_h;
  }
  if (!d.defined()) return {};
  Tensor d_out = gh.defined() ? gh * bent * out * (1 - out) : out * Scalar(0);
  return {cat({d * cell * in * (1 - in), d * before * forget * (1 - forget), d * in * (1 - cell * cell), d_out}, 1),
          d * forget};
}
Grads lstm_gates_grad(const Saved& s, const Tensors& g) {
  auto [d_gates, d_cell] = gates_grad(g[0], g[1], s["gates"], s["cell"], s["c"]);
  return {d_gates, d_cell};
}

// ---- all steps of a layer ----

std::array<TensorSpec, 3> lstm_steps_meta(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& hh, bool) {
  RL_CHECK(ShapeError, x.dim() == 2 && c0.dim() == 2,
           "_lstm_steps: expected x of (T * N, 4 * H) and c0 of (N, H), got ", x.sizes(), " and ", c0.sizes());
  int64_t batch = c0.size(0), n = c0.size(1), steps = batch ? x.size(0) / batch : 0;
  RL_CHECK(ShapeError,
           x.sizes() == Dims({steps * batch, 4 * n}) && h0.sizes() == c0.sizes() && hh.sizes() == Dims({4 * n, n}),
           "_lstm_steps: expected x of (T * N, 4 * H), h0 and c0 of (N, H) and hh of (4 * H, H), got ", x.sizes(), ", ",
           h0.sizes(), ", ", c0.sizes(), " and ", hh.sizes());
  for (const Tensor* t : {&h0, &c0, &hh}) expect_dtype("_lstm_steps", "h0, c0 and hh", *t, x.dtype());
  TensorSpec out{.sizes = {steps * batch, n}, .dtype = x.dtype(), .device = x.device()};
  return {out, out, TensorSpec{.sizes = x.sizes(), .dtype = x.dtype(), .device = x.device()}};
}
void lstm_steps_cpu(const Tensor& x, const Tensor& h0, const Tensor& c0, const Tensor& hh, bool reverse,
                    const Tensor& out, const Tensor& cells, const Tensor& gates) {
  int64_t batch = c0.size(0), n = c0.size(1), steps = batch ? x.size(0) / batch : 0;
  constexpr int64_t kManySteps = 24;  // a transposed copy costs as much as the time it saves in these
  bool copied = steps >= kManySteps;
  Tensor w = dense(copied ? transpose(hh, 0, 1) : hh), before = dense(h0), first = dense(c0);
  copy_elements(gates, x);
  dispatch(Types<float, double>{}, x.dtype(), "_lstm_steps", [&]<class T>() {
    auto run = gates_row_isa<T>();
    const T *h = before.data<T>(), *c = first.data<T>();
    for (int64_t i = 0; i < steps; i++) {
      int64_t row = (reverse ? steps - 1 - i : i) * batch;
      T *g = gates.data<T>() + 4 * row * n, *to_h = out.data<T>() + row * n, *to_c = cells.data<T>() + row * n;
      gemm({.dtype = x.dtype(),
            .m = batch,
            .n = 4 * n,
            .k = n,
            .a = h,
            .a_row = n,
            .a_col = 1,
            .b = w.raw(),
            .b_row = copied ? 4 * n : 1,
            .b_col = copied ? 1 : n,
            .c = g,
            .c_row = 4 * n,
            .alpha = 1,
            .beta = 1});
      parallel_for(0, batch, std::max<int64_t>(1, kRowsWork / std::max<int64_t>(1, n)), [&](int64_t from, int64_t to) {
        for (int64_t r = from; r < to; r++) run(to_h + r * n, to_c + r * n, g + 4 * r * n, c + r * n, n);
      });
      h = to_h;
      c = to_c;
    }
  });
}

Tensor sum_of(const Tensor& a, const Tensor& b) { return !a.defined() ? b : !b.defined() ? a : a + b; }

// The weight's gradient is one product over all steps, not a sum of theirs.
Grads lstm_steps_grad(const Saved& s, const Tensors& g) {
  Tensor h0 = s["h0"], c0 = s["c0"], hh = s["hh"], out = s["out"], cells = s["cells"], gates = s["gates"];
  bool reverse = s.arg("reverse").to_bool();
  int64_t batch = c0.size(0), steps = out.size(0) / batch;
  auto at = [&](const Tensor& t, int64_t step) { return t.defined() ? narrow(t, 0, step * batch, batch) : Tensor(); };
  Tensor dh, dc;
  Tensors dx(static_cast<size_t>(steps));
  for (int64_t i = steps; i-- > 0;) {
    int64_t step = reverse ? steps - 1 - i : i, last = reverse ? step + 1 : step - 1;
    auto [d_gates, d_cell] = gates_grad(sum_of(at(g[0], step), dh), sum_of(at(g[1], step), dc), at(gates, step),
                                        i ? at(cells, last) : c0, at(cells, step));
    Tensor& d = dx[size_t(step)] = sum_of(d_gates, at(g[2], step));
    dc = d_cell;
    dh = i > 0 || s.needs("h0") ? mm(d, hh) : Tensor();
  }
  Tensor all = cat(dx), d_hh;
  if (s.needs("hh")) {
    Tensor others = narrow(out, 0, reverse ? batch : 0, (steps - 1) * batch);
    d_hh = mm(transpose(all, 0, 1), reverse ? cat({others, h0}) : cat({h0, others}));
  }
  return {all, dh, dc, d_hh};
}

}  // namespace

OP(_lstm_gates,
   {.schema = "_lstm_gates(Tensor gates, Tensor cell) -> (Tensor h, Tensor c)",
    .doc = "The new h and c of an LSTM from the sum of its linear maps, (N, 4 * H), and the last c, (N, H).",
    .kernel = structured<lstm_gates_meta, lstm_gates_cpu>(),
    .grad = {{"gates", "cell", "c"}, lstm_gates_grad},
    .forms = kFunction});
OP(_lstm_steps,
   {.schema =
        "_lstm_steps(Tensor x, Tensor h0, Tensor c0, Tensor hh, bool reverse) -> (Tensor out, Tensor cells, Tensor "
        "gates)",
    .doc = "h, c and the sums of the maps at every step of an LSTM over sequences of one length; x is the map of the "
           "input with all biases, (T * N, 4 * H).",
    .kernel = structured<lstm_steps_meta, lstm_steps_cpu>(),
    .grad = {{"h0", "c0", "hh", "out", "cells", "gates"}, lstm_steps_grad},
    .forms = kFunction});
COST(_lstm_steps, [](auto args, auto) { return args[0].tensor().size(0) * args[3].tensor().numel(); })
OP(_lstm_gates_backward,
   {.schema = "_lstm_gates_backward(Tensor? grad_h, Tensor? grad_c, Tensor gates, Tensor cell, Tensor c) -> (Tensor, "
              "Tensor)",
    .doc = "Gradients of _lstm_gates for gates and cell.",
    .kernel = structured<lstm_gates_backward_meta, lstm_gates_backward_cpu>(),
    .forms = kFunction});

}  // namespace rushlight
