// _lstm_gates: what an LSTM does with the sum of its linear maps, in one pass, and the same for its gradient.
#include "rushlight/fn/_lstm_gates.h"
#include "rushlight/fn/_lstm_gates_backward.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/chunk.h"
#include "rushlight/fn/sigmoid.h"
#include "rushlight/fn/tanh.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/math.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/kernel.h"
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

std::tuple<Tensor, Tensor> lstm_gates(const Tensor& gates, const Tensor& cell) {
  RL_CHECK(ShapeError,
           gates.dim() == 2 && cell.dim() == 2 && gates.size(0) == cell.size(0) && gates.size(1) == 4 * cell.size(1),
           "_lstm_gates: expected gates of (N, 4 * H) and a cell of (N, H), got ", gates.sizes(), " and ",
           cell.sizes());
  RL_CHECK(DTypeError, gates.dtype() == cell.dtype(), "_lstm_gates: expected one dtype, got ", gates.dtype(), " and ",
           cell.dtype());
  Tensor g = dense(gates), before = dense(cell), h = empty_tensor(cell.sizes(), cell.dtype()),
         c = empty_tensor(cell.sizes(), cell.dtype());
  int64_t rows = cell.size(0), n = cell.size(1);
  dispatch(Types<float, double>{}, cell.dtype(), "_lstm_gates", [&]<class T>() {
    auto run = gates_row_isa<T>();
    parallel_for(0, rows, std::max<int64_t>(1, kRowsWork / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        run(h.data<T>() + r * n, c.data<T>() + r * n, g.data<T>() + 4 * r * n, before.data<T>() + r * n, n);
    });
  });
  return {h, c};
}

std::tuple<Tensor, Tensor> lstm_gates_backward(const Tensor& grad_h, const Tensor& grad_c, const Tensor& gates,
                                               const Tensor& cell, const Tensor& result) {
  Tensor g = dense(gates), before = dense(cell), c = dense(result);
  auto given = [&](const Tensor& grad) { return grad.defined() ? dense(grad) : zeros(c.sizes(), c.dtype()); };
  Tensor gh = given(grad_h), gc = given(grad_c);
  Tensor dg = empty_tensor(g.sizes(), g.dtype()), dc = empty_tensor(c.sizes(), c.dtype());
  int64_t rows = c.size(0), n = c.size(1);
  dispatch(Types<float, double>{}, c.dtype(), "_lstm_gates_backward", [&]<class T>() {
    auto run = gates_backward_row_isa<T>();
    parallel_for(0, rows, std::max<int64_t>(1, kRowsWork / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        run(dg.data<T>() + 4 * r * n, dc.data<T>() + r * n, gh.data<T>() + r * n, gc.data<T>() + r * n,
            g.data<T>() + 4 * r * n, before.data<T>() + r * n, c.data<T>() + r * n, n);
    });
  });
  return {dg, dc};
}

// With operators where the gradient is to be differentiated again.
Grads lstm_gates_grad(const Saved& s, const Tensors& g) {
  Tensor gates = s["gates"], before = s["cell"], c = s["c"];
  if (!thread_state.grad_enabled) {
    auto [dg, dc] = _lstm_gates_backward(g[0], g[1], gates, before, c);
    return {dg, dc};
  }
  Tensors each = chunk(gates, 4, 1);
  Tensor in = sigmoid(each[0]), forget = sigmoid(each[1]), cell = tanh(each[2]), out = sigmoid(each[3]), bent = tanh(c);
  Tensor d = g[1], through_h;
  if (g[0].defined()) {
    through_h = g[0] * out * (1 - bent * bent);
    d = d.defined() ? d + through_h : through_h;
  }
  if (!d.defined()) return {Tensor(), Tensor()};
  Tensor d_out = g[0].defined() ? g[0] * bent * out * (1 - out) : out * Scalar(0);
  return {cat({d * cell * in * (1 - in), d * before * forget * (1 - forget), d * in * (1 - cell * cell), d_out}, 1),
          d * forget};
}

}  // namespace

OP(_lstm_gates,
   {.schema = "_lstm_gates(Tensor gates, Tensor cell) -> (Tensor h, Tensor c)",
    .doc = "The new h and c of an LSTM from the sum of its linear maps, (N, 4 * H), and the last c, (N, H).",
    .kernel = function<lstm_gates>(),
    .grad = {{"gates", "cell", "c"}, lstm_gates_grad},
    .forms = kFunction});
OP(_lstm_gates_backward,
   {.schema = "_lstm_gates_backward(Tensor? grad_h, Tensor? grad_c, Tensor gates, Tensor cell, Tensor c) -> (Tensor, "
              "Tensor)",
    .doc = "Gradients of _lstm_gates for gates and cell.",
    .kernel = function<lstm_gates_backward>(),
    .forms = kFunction});

}  // namespace rushlight
