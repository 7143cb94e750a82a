// Levels: interceptors that wrap tensors, so that transforms nest.
//
// Each level has a number of its own, and a tensor that it wrapped says so (TensorImpl::wrapper). A call reaches the innermost level
// first. One that has wrapped none of the arguments passes it on; else it unwraps them and calls what lies outside of it, where the
// next level finds its own tensors, and at the end plain ones are left for base autograd and the kernel.
//
// A level belongs to one thread while it is pushed. It may be pushed again later: the tensors that it wrapped are its own still.
#pragma once
#include "rushlight/autograd/meta.h"
#include "rushlight/dispatch/values.h"

namespace rushlight {

// The value with f over its tensors. What it holds besides is borrowed from `v`.
template <class F>
IValue mapped(const IValue& v, F&& f) {
  if (v.is_tensor()) return f(v.tensor());
  if (!v.is_tensor_list()) return IValue::borrow(v);
  Tensors out = v.tensor_list().vec();
  for (Tensor& t : out)
    if (t.defined()) t = f(t);
  return out;
}

class TransformLevel : public Interceptor {
 public:
  TransformLevel();
  bool takes_whole(const Op& op) const override { return !is_composite(op); }
  bool owns(const Tensor& t) const {
    const TensorWrapper* w = t.impl()->wrapper();
    return w && w->level == number_;
  }
  bool owns_any(const Op& op, const IValue* args) const;
  void* front_end = nullptr;  // the front end's object, borrowed
  // What is behind a tensor of this level; any other as it is. Undefined for undefined.
  Tensor unwrapped(const Tensor& t) const;

 protected:
  // A tensor of this level that shows `sizes` and `strides` of the inner one's memory.
  Tensor wrap_as(const Tensor& inner, IntArrayRef sizes, IntArrayRef strides, bool batched) const;
  uint64_t number_;
};

// Autograd at a level: what its tensors go through is recorded on them, whatever is recorded inside or outside.
class GradLevel final : public TransformLevel {
 public:
  // `forward`: for a jvp. Whether it records is a matter of `carries_tangents`, not of the grad mode, which is the outer levels'.
  explicit GradLevel(bool forward = false);
  bool takes_whole(const Op& op) const override { return !is_composite(op) && !has_autograd_kernel(op); }
  void call(const Op& op, IValue* args, IValue* rets) override;
  // A leaf of this level, over what is behind `given` if that is a tensor of this level already.
  Tensor wrap(const Tensor& given, bool requires_grad) const;
  // To be called with each push: calls that leave the level see gradients enabled as they are now.
  void enter() { outer_grad_ = thread_state.grad_enabled, outer_carries_ = carries_tangents; }
  // While calls leave the level: the modes of what is outside of it.
  struct Outside {
    explicit Outside(const GradLevel& l, bool grad_here = thread_state.grad_enabled)
        : grad(thread_state.grad_enabled, l.outer_grad_ && (!l.forward_ || grad_here)),
          carries(carries_tangents, l.forward_ ? l.outer_carries_ : carries_tangents) {}
    Scoped<bool> grad, carries;
  };

 private:
  // What is left of a call when this level has recorded it.
  struct Below final : Interceptor {
    explicit Below(GradLevel& l) : Interceptor(Place::BelowAutograd), level(l) {}
    void call(const Op& op, IValue* args, IValue* rets) override;
    GradLevel& level;
    bool grad_here = true;
  };
  Tensor shown(const Op& op, const IValue* args, const Tensor& result) const;
  Below below_;
  bool forward_, outer_grad_ = true, outer_carries_ = true;
};

// One example's program for a batch: the tensors of this level hide a first dimension.
class BatchLevel final : public TransformLevel {
 public:
  enum class Randomness : uint8_t { Error, Same, Different };
  BatchLevel(int64_t size, Randomness randomness) : size_(size), randomness_(randomness) {}
  void call(const Op& op, IValue* args, IValue* rets) override;
  void reads(const Tensor& t, Read how) override;
  // REQUIRES: inner.size(0) is the size of the batch.
  Tensor wrap(const Tensor& inner) const;
  int64_t batch_size() const { return size_; }
  Randomness randomness() const { return randomness_; }

 private:
  bool run_pointwise(const Op& op, IValue* args, IValue* rets);
  bool run_view(const Op& op, IValue* args, IValue* rets);
  bool run_view_in_place(const Op& op, IValue* args, IValue* rets);
  void run_slices(const Op& op, IValue* args, IValue* rets);
  int64_t size_;
  Randomness randomness_;
};

}  // namespace rushlight
