// What the optimizers' steps over lists of tensors share: checks of everything they touch, and elements in memory order.
#pragma once
#include <cmath>
#include <optional>

#include "rushlight/dispatch/kernel.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {

constexpr int64_t kStepGrain = 16384;

// A function that only changes its arguments.
template <auto F>
Kernel effect() {
  using S = Signature<decltype(F)>;
  return {.kind = Kernel::Kind::Function,
          .call = [](const Op&, IValue* args, IValue*) { S::apply(F, args); },
          .arity = S::arity};
}

// Note [What a step trusts]: state comes from checkpoints, and users set `.data` and `.grad.data`. So every tensor whose memory a step
// touches is checked here, all of them before the first is written: a step is done for all parameters or for none.

// The usual case: dense, whole and writable.
inline bool lies_inside(const Tensor& t) {
  const Storage& s = t.storage();
  return t.impl()->contiguous() && !s.read_only() &&
         (t.storage_offset() + t.numel()) * t.item_size() <= int64_t(s.bytes()) && !t.impl()->parts();
}
void check_memory_slowly(const char* op, size_t i, const char* what, const Tensor& t, bool written);
// The tensor lies inside of its storage, which may have been made smaller since.
inline void check_memory(const char* op, size_t i, const char* what, const Tensor& t, bool written = true) {
  if (!lies_inside(t)) check_memory_slowly(op, i, what, t, written);
}

struct StepList {
  const char* what;
  TensorList items;
};

// `scales`: the step divides the gradients where they are.
void check_step(const char* op, TensorList self, TensorList grads, bool scales, std::initializer_list<StepList> states);
// The value of a rate, a count or a flag that came as a tensor.
double value_of(const char* op, const char* what, const Tensor& t);
// The kernels' own dtypes.
void check_float(const char* op, TensorList self);
// PyTorch's text for a factor that the parameters' arithmetic can't hold.
void check_factor(TensorList self, double v);
bool found_infinite(const char* op, const Tensor& found_inf);
// Parameters without memory: there is nothing to compute.
inline bool is_meta(const Tensor& p) { return p.device().is_meta(); }

// What a step is computed in: loops of their own for half types would double the object code.
inline DType step_dtype(const Tensor& p) { return p.dtype() == DType::Float64 ? DType::Float64 : DType::Float32; }

// The tensor's elements in memory order; written back at the end where the tensor is not contiguous.
class Flat {
 public:
  explicit Flat(const Tensor& t) : Flat(t, t.dtype()) {}
  // Computed with in another dtype.
  Flat(const Tensor& t, DType as) : target_(t) {
    if (!t.impl()->contiguous() || t.dtype() != as || !t.device().is_cpu()) copy_ = dense(t, as);
  }
  template <class T> T* data() const { return (copy_.defined() ? copy_ : target_).template data<T>(); }
  void changed() const {
    if (copy_.defined()) copy_elements(target_, copy_);
    target_.impl()->bump_version();
  }

 private:
  const Tensor& target_;
  Tensor copy_;  // no second reference where the tensor itself will do: a step of a small one is mostly counting
};

}  // namespace rushlight
