#include "rushlight/ops/optim/steps.h"

#include "rushlight/core/device_memory.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/dispatch/run.h"

namespace rushlight {

void check_memory_slowly(const char* op, size_t i, const char* what, const Tensor& t, bool written) {
  if (t.numel() == 0 || t.impl()->parts()) return;
  bool single = true;  // no two elements share their bytes, as far as strides of 0 tell
  for (size_t d = 0; d < t.sizes().size(); d++) single = single && (t.sizes()[d] == 1 || t.strides()[d] != 0);
  if (written) materialize(t.storage());
  RL_CHECK(RuntimeError, !written || !t.storage().read_only(), op, ": the ", what, " of parameter ", i,
           " lies in read-only memory. Please clone() it");
  RL_CHECK(RuntimeError, !written || single, op, ": the ", what, " of parameter ", i, " of shape ", t.sizes(),
           " has strides ", t.strides(),
           ": more than one element of the written-to tensor refers to a single memory location. Please clone() it");
  int64_t needed = t.storage_offset() * t.item_size() + int64_t(span_bytes(t));
  RL_CHECK(RuntimeError, needed <= int64_t(t.storage().bytes()), op, ": the ", what, " of parameter ", i, " of shape ",
           t.sizes(), " needs ", needed, " bytes, but its storage has ", t.storage().bytes());
}

// The usual case, quickly: it fits, and has a storage of its own.
static bool surely_fits(const Tensor& p, const Tensor& t) {
  return t.defined() && t.dtype() == p.dtype() && t.sizes() == p.sizes() && &t.storage() != &p.storage() &&
         t.device() == p.device() && lies_inside(t);
}

void check_step(const char* op, TensorList self, TensorList grads, bool scales,
                std::initializer_list<StepList> states) {
  RL_CHECK(RuntimeError, self.size() == grads.size(), op, ": expected as many gradients as parameters, got ",
           grads.size(), " and ", self.size());
  for (const StepList& s : states)
    RL_CHECK(RuntimeError, s.items.size() == self.size(), op, ": expected ", self.size(), " tensors ", s.what, ", got ",
             s.items.size());
  for (size_t i = 0; i < self.size(); i++) {
    const Tensor& p = self[i];
    RL_CHECK(TypeError, p.defined(), op, ": parameter ", i, " is None");
    RL_CHECK(RuntimeError, p.device().is_cpu() || p.device().is_meta(), op, ": parameter ", i, " is on ", p.device());
    auto check_one = [&](const char* what, const Tensor& t, bool written) {
      if (surely_fits(p, t)) return;
      RL_CHECK(TypeError, t.defined(), op, ": the ", what, " of parameter ", i, " is None");
      RL_CHECK(ShapeError, t.sizes() == p.sizes() && t.dtype() == p.dtype() && t.device() == p.device(), op,
               ": parameter ", i, " has shape ", p.sizes(), " and dtype ", p.dtype(), " on ", p.device(), ", but its ",
               what, " has shape ", t.sizes(), " and dtype ", t.dtype(), " on ", t.device(),
               "; state belongs to the parameter that it was made for");
      RL_CHECK(RuntimeError, !may_overlap(p, t), op, ": parameter ", i, " and its ", what,
               " share a part of their memory. Please clone() one of them");
      check_memory(op, i, what, t, written);
    };
    check_memory(op, i, "data", p);
    check_one("gradient", grads[i], scales);
    for (const StepList& s : states) check_one(s.what, s.items[i], true);
    for (const StepList* s = states.begin(); s != states.end(); s++)
      for (const StepList* other = states.begin(); other != s; other++)
        RL_CHECK(RuntimeError,
                 &s->items[i].storage() != &other->items[i].storage() || !may_overlap(s->items[i], other->items[i]), op,
                 ": the ", s->what, " and the ", other->what, " of parameter ", i,
                 " share a part of their memory. Please clone() one");
  }
}

double value_of(const char* op, const char* what, const Tensor& t) {
  RL_CHECK(TypeError, t.defined(), op, ": expected a tensor as ", what, ", got None");
  RL_CHECK(RuntimeError, t.numel() == 1 && t.device().is_cpu() && !is_complex(t.dtype()) && !t.impl()->parts(), op,
           ": expected a tensor with one real element as ", what, ", got one of shape ", t.sizes(), " and dtype ",
           t.dtype(), " on ", t.device());
  check_memory(op, 0, what, t, false);
  if (t.dtype() == DType::Float32) return double(*t.data<float>());  // the usual case without a conversion
  Tensor d = dense(t, DType::Float64);
  return *d.data<double>();
}

void check_float(const char* op, TensorList self) {
  for (const Tensor& p : self) dispatch(FloatTypes{}, p.dtype(), op, []<class T>() {});
}

void check_factor(TensorList self, double v) {
  for (const Tensor& p : self)
    RL_CHECK(RuntimeError, p.dtype() == DType::Float64 || !std::isfinite(v) || std::isfinite(float(v)),
             "value cannot be converted to type float without overflow: ", v);
}

bool found_infinite(const char* op, const Tensor& found_inf) {
  return found_inf.defined() && value_of(op, "found_inf", found_inf) != 0;
}

}  // namespace rushlight
