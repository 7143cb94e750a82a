// ctc_loss (Graves et al., 2006): the likelihood of a sequence of labels over all ways of stretching it, by recursion over time in logarithms.
#include <algorithm>
#include <cmath>
#include <limits>

#include "rushlight/dispatch/expect.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_ctc_loss.h"
#include "rushlight/fn/_ctc_loss_backward.h"
#include "rushlight/fn/clamp_min.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/loss/reduction.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

// One batch as the recursions see it. Of n labels there are 2 n + 1 states: labels in the odd places, blanks between and around them.
struct Batch {
  Tensor log_probs, targets;
  IntArrayRef times, lengths;
  int64_t blank, steps, batch, classes, longest = 0;
  std::vector<int64_t> first;  // where each sample's labels start

  // What can be said without looking at values.
  Batch(const Tensor& given, const Tensor& labels, IntArrayRef input_lengths, IntArrayRef target_lengths, int64_t blank)
      : times(input_lengths), lengths(target_lengths), blank(blank) {
    RL_CHECK(ShapeError, given.dim() == 3, "ctc_loss: expected log_probs of (T, N, C), got ", given.sizes());
    steps = given.size(0), batch = given.size(1), classes = given.size(2);
    RL_CHECK(RuntimeError, blank >= 0 && blank < classes, "blank must be in label range");
    RL_CHECK(RuntimeError, int64_t(times.size()) == batch, "input_lengths must be of size batch_size");
    RL_CHECK(RuntimeError, int64_t(lengths.size()) == batch, "target_lengths must be of size batch_size");
    RL_CHECK(RuntimeError, labels.dtype() == DType::Int64 || labels.dtype() == DType::Int32,
             "ctc_loss: expected targets of integers, got ", labels.dtype());
    RL_CHECK(RuntimeError, labels.dim() == 1 || labels.dim() == 2,
             "ctc_loss: expected targets of 1 or 2 dimensions, got ", labels.sizes());
    bool joined = labels.dim() == 1;
    int64_t total = 0;
    for (size_t n = 0; n < size_t(batch); n++) {
      RL_CHECK(RuntimeError, lengths[n] >= 0, "Expected target_lengths to have value at least 0, but got value ",
               lengths[n]);
      RL_CHECK(RuntimeError, times[n] >= 0, "Expected input_lengths to have value at least 0, but got value ",
               times[n]);
      RL_CHECK(RuntimeError, times[n] <= steps, "Expected input_lengths to have value at most ", steps,
               ", but got value ", times[n],
               ". Hint: ctc_loss: log_probs is (time, batch, classes); give the lengths after the model's strides");
      first.push_back(joined ? total : int64_t(n) * labels.size(1));
      RL_CHECK(RuntimeError, lengths[n] <= labels.numel() - (joined ? total : 0), "Expected target_lengths to add up ",
               "to at most the number of targets, ", labels.numel(), ", got ", lengths);
      total += joined ? lengths[n] : 0;
      longest = std::max(longest, lengths[n]);
    }
    if (joined) {
      RL_CHECK(RuntimeError, labels.size(0) == total, "Expected tensor to have size ", total,
               " at dimension 0, but got ", "size ", labels.size(0),
               " for targets (while checking arguments for ctc_loss_cpu)");
    } else {
      RL_CHECK(RuntimeError, labels.size(0) == batch && labels.size(1) >= longest,
               "Expected tensor to have size at least ", longest, " at dimension 1, but got size ", labels.sizes(),
               " for targets (while checking arguments for ctc_loss_cpu)");
    }
  }
  void read(const Tensor& given, const Tensor& labels) {
    log_probs = dense(given);
    targets = dense(labels, DType::Int64);
    for (size_t n = 0; n < size_t(batch); n++)
      for (int64_t s = 0; s < lengths[n]; s++) {
        int64_t label = targets.data<int64_t>()[first[n] + s];
        RL_CHECK(RuntimeError, label >= 0 && label < classes, "ctc_loss: label ", label, " is not one of ", classes,
                 " classes. Hint: labels are 0 to ", classes - 1,
                 ", the last dimension of log_probs has a place for each");
      }
  }
  int64_t width() const { return 2 * longest + 1; }
  int64_t states(int64_t n) const { return 2 * lengths[size_t(n)] + 1; }
  int64_t label(int64_t n, int64_t state) const {
    return state % 2 == 0 ? blank : targets.data<int64_t>()[first[size_t(n)] + state / 2];
  }
  // From two states before, past the blank between: not between equal labels.
  bool skips(int64_t n, int64_t state) const {
    return state >= 2 && state % 2 == 1 && label(n, state) != label(n, state - 2);
  }
  template <class T>
  const T* at(int64_t t, int64_t n) const {
    return log_probs.data<T>() + (t * batch + n) * classes;
  }
};

template <class T> constexpr T kNever = -std::numeric_limits<T>::infinity();
template <class T>
T log_sum(T a, T b, T c) {
  T most = std::max({a, b, c});
  if (most == kNever<T>) return most;
  return most + std::log(std::exp(a - most) + std::exp(b - most) + std::exp(c - most));
}

std::array<TensorSpec, 2> forward_meta(const Tensor& given, const Tensor& labels, IntArrayRef input_lengths,
                                       IntArrayRef target_lengths, int64_t blank, bool) {
  Batch b(given, labels, input_lengths, target_lengths, blank);
  return {TensorSpec{.sizes = Dims{b.batch}, .dtype = given.dtype(), .device = given.device()},
          TensorSpec{.sizes = {b.batch, b.steps, b.width()}, .dtype = given.dtype(), .device = given.device()}};
}
void forward_cpu(const Tensor& given, const Tensor& labels, IntArrayRef input_lengths, IntArrayRef target_lengths,
                 int64_t blank, bool, const Tensor& loss, const Tensor& log_alpha) {
  Batch b(given, labels, input_lengths, target_lengths, blank);
  b.read(given, labels);
  int64_t width = b.width();
  dispatch(Types<float, double>{}, given.dtype(), "ctc_loss_cpu", [&]<class T>() {
    std::fill(log_alpha.data<T>(), log_alpha.data<T>() + log_alpha.numel(), kNever<T>);
    parallel_for(0, b.batch, 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; n++) {
        int64_t times = b.times[size_t(n)], states = b.states(n);
        T* alpha = log_alpha.data<T>() + n * b.steps * width;
        for (int64_t t = 0; t < times; t++, alpha += width) {
          const T* p = b.at<T>(t, n);
          for (int64_t s = 0; s < states; s++) {
            if (t == 0) {
              if (s < 2) alpha[s] = p[b.label(n, s)];
            } else {
              const T* before = alpha - width;
              alpha[s] =
                  log_sum(before[s], s > 0 ? before[s - 1] : kNever<T>, b.skips(n, s) ? before[s - 2] : kNever<T>) +
                  p[b.label(n, s)];
            }
          }
        }
        const T* last = alpha - width;
        T found = times == 0 ? (states == 1 ? T(0) : kNever<T>)
                             : log_sum(last[states - 1], states > 1 ? last[states - 2] : kNever<T>, kNever<T>);
        loss.data<T>()[n] = -found;
      }
    });
  });
}

TensorSpec backward_meta(const Tensor& grad, const Tensor& given, const Tensor& labels, IntArrayRef input_lengths,
                         IntArrayRef target_lengths, const Tensor& loss, const Tensor& log_alpha, int64_t blank, bool) {
  Batch b(given, labels, input_lengths, target_lengths, blank);
  const char* op = "_ctc_loss_backward";
  expect_shape(op, "grad", grad, Dims{b.batch});
  expect_shape(op, "neg_log_likelihood", loss, Dims{b.batch});
  expect_shape(op, "log_alpha", log_alpha, {b.batch, b.steps, b.width()});
  for (const Tensor& t : {grad, loss, log_alpha}) expect_dtype(op, "all tensors", t, given.dtype());
  return {.sizes = given.sizes(), .dtype = given.dtype(), .device = given.device()};
}
void backward_cpu(const Tensor& grad, const Tensor& given, const Tensor& labels, IntArrayRef input_lengths,
                  IntArrayRef target_lengths, const Tensor& losses, const Tensor& log_alphas, int64_t blank,
                  bool zero_infinity, const Tensor& out) {
  Batch b(given, labels, input_lengths, target_lengths, blank);
  b.read(given, labels);
  int64_t width = b.width();
  Tensor g = dense(grad), loss = dense(losses), log_alpha = dense(log_alphas);
  dispatch(Types<float, double>{}, given.dtype(), "ctc_loss_backward_cpu", [&]<class T>() {
    std::fill(out.data<T>(), out.data<T>() + out.numel(), T(0));
    parallel_for(0, b.batch, 1, [&](int64_t begin, int64_t end) {
      std::vector<T> beta(static_cast<size_t>(width)), next(beta), share(static_cast<size_t>(b.classes));
      for (int64_t n = begin; n < end; n++) {
        T nll = loss.data<T>()[n], by = g.data<T>()[n];
        if (zero_infinity && nll == -kNever<T>) continue;
        int64_t times = b.times[size_t(n)], states = b.states(n);
        for (int64_t t = times - 1; t >= 0; t--) {
          const T *p = b.at<T>(t, n), *alpha = log_alpha.data<T>() + (n * b.steps + t) * width;
          std::fill(share.begin(), share.end(), kNever<T>);
          for (int64_t s = 0; s < states; s++) {
            auto at = [&](int64_t k) { return next[size_t(k)]; };
            T onward = t == times - 1 ? (s >= states - 2 ? T(0) : kNever<T>)
                                      : log_sum(at(s), s + 1 < states ? at(s + 1) : kNever<T>,
                                                s + 2 < states && b.skips(n, s + 2) ? at(s + 2) : kNever<T>);
            int64_t label = b.label(n, s);
            beta[size_t(s)] = onward + p[label];
            T& sum = share[size_t(label)];
            sum = log_sum(sum, alpha[s] + beta[size_t(s)], kNever<T>);
          }
          T* o = out.data<T>() + (t * b.batch + n) * b.classes;
          for (int64_t c = 0; c < b.classes; c++)
            o[c] = (std::exp(p[c]) - std::exp(share[size_t(c)] + nll - p[c])) * by;
          std::swap(beta, next);
        }
      }
    });
  });
}
Grads forward_grad(const Saved& s, const Tensors& g) {
  if (!g[0].defined()) return {Tensor(), Tensor()};
  return {_ctc_loss_backward(g[0], s["log_probs"], s["targets"], s.arg("input_lengths").int_list(),
                             s.arg("target_lengths").int_list(), s["neg_log_likelihood"], s["log_alpha"],
                             s.arg("blank").to_int(), s.arg("zero_infinity").to_bool()),
          Tensor()};
}
Grads no_second(const Saved&, const Tensor&) {
  throw NotImplementedError("the derivative for '_ctc_loss_backward' is not implemented");
}

Tensor ctc_lists(const Tensor& log_probs, const Tensor& targets, IntArrayRef input_lengths, IntArrayRef target_lengths,
                 int64_t blank, int64_t reduction, bool zero_infinity) {
  bool batched = log_probs.dim() == 3;
  RL_CHECK(RuntimeError, batched || log_probs.dim() == 2, "ctc_loss: expected log_probs of (T, N, C) or (T, C), got ",
           log_probs.sizes());
  Tensor loss = std::get<0>(_ctc_loss(batched ? log_probs : unsqueeze(log_probs, 1), targets, input_lengths,
                                      target_lengths, blank, zero_infinity));
  if (zero_infinity) loss = masked_fill(loss, loss == Scalar(std::numeric_limits<double>::infinity()), Scalar(0));
  if (reduction == kMean) {
    Tensor lengths = empty_tensor(Dims{int64_t(target_lengths.size())}, DType::Int64);
    std::copy(target_lengths.begin(), target_lengths.end(), lengths.data<int64_t>());
    return mean(loss / to(clamp_min(lengths, 1), loss.device(), loss.dtype()));
  }
  return reduction == kSum ? sum(loss) : batched ? loss : squeeze(loss, 0);
}
std::vector<int64_t> list_of(const Tensor& t, const char* what) {
  RL_CHECK(RuntimeError, is_integral(t.dtype(), false), what, " must be integral");
  Tensor values = dense(t, DType::Int64);
  return {values.data<int64_t>(), values.data<int64_t>() + values.numel()};
}
Tensor ctc_tensors(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                   const Tensor& target_lengths, int64_t blank, int64_t reduction, bool zero_infinity) {
  return ctc_lists(log_probs, targets, list_of(input_lengths, "input_lengths"),
                   list_of(target_lengths, "target_lengths"), blank, reduction, zero_infinity);
}

}  // namespace

OP(_ctc_loss, {.schema = "_ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int "
                         "blank=0, bool zero_infinity=False) -> (Tensor neg_log_likelihood, Tensor log_alpha)",
               .doc = "ctc_loss of each sample, and the logarithms of the likelihood of every prefix.",
               .kernel = structured<forward_meta, forward_cpu>(),
               .grad = {{"log_probs", "targets", "neg_log_likelihood", "log_alpha"}, forward_grad},
               .forms = kFunction});
OP(_ctc_loss_backward,
   {.schema = "_ctc_loss_backward(Tensor grad, Tensor log_probs, Tensor targets, int[] input_lengths, int[] "
              "target_lengths, Tensor neg_log_likelihood, Tensor log_alpha, int blank, bool zero_infinity=False) -> "
              "Tensor",
    .doc = "Gradient of _ctc_loss.",
    .kernel = structured<backward_meta, backward_cpu>(),
    .grad = {{}, no_second},
    .forms = kFunction});
OP(ctc_loss, {.schema = "ctc_loss.IntList(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, "
                        "int blank=0, int reduction=Mean, bool zero_infinity=False) -> Tensor",
              .doc = "The negative log-likelihood of label sequences that are shorter than their input."
                     " >>> torch.nn.functional.ctc_loss(torch.zeros(3, 1, 2).log_softmax(2), torch.tensor([[1]]), "
                     "(3,), (1,))\ntensor(0.2877)",
              .kernel = composite<ctc_lists>(),
              .forms = kFunction,
              .autocast = Autocast::Float32});
OP(ctc_loss_tensors, {.schema = "ctc_loss.Tensor(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor "
                                "target_lengths, int blank=0, int reduction=Mean, bool zero_infinity=False) -> Tensor",
                      .doc = "ctc_loss with lengths in tensors.",
                      .kernel = composite<ctc_tensors>(),
                      .forms = kFunction,
                      .autocast = Autocast::Float32});

}  // namespace rushlight
