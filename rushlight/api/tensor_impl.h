// A tensor's insides for programs that bring a backend of their own: c10::intrusive_ptr<TensorImpl>, and what such a backend keeps with a tensor.
#pragma once
#include "rushlight/api/intrusive_ptr.h"
#include "rushlight/api/tensor.h"

namespace rushlight::api {

struct BackendMeta : intrusive_ptr_target {
  // What a shallow copy of the tensor gets, given the pointer that holds *this: the same object, unless a class of its own says otherwise.
  virtual intrusive_ptr<BackendMeta> clone(const intrusive_ptr<BackendMeta>& held) const { return held; }
};

// An owner of a tensor. It counts as a Tensor does.
template <>
class intrusive_ptr<TensorImpl> {
 public:
  using element_type = TensorImpl;
  intrusive_ptr() noexcept = default;
  intrusive_ptr(std::nullptr_t) noexcept {}
  explicit intrusive_ptr(const Tensor& held) noexcept : held_(held) {}
  TensorImpl* get() const noexcept { return held_.unsafeGetTensorImpl(); }
  TensorImpl& operator*() const noexcept { return *get(); }
  TensorImpl* operator->() const noexcept { return get(); }
  explicit operator bool() const noexcept { return held_.defined(); }
  bool defined() const noexcept { return held_.defined(); }
  size_t use_count() const noexcept { return held_.use_count(); }
  bool unique() const noexcept { return held_.unique(); }
  void reset() noexcept { held_.reset(); }
  const Tensor& held() const noexcept { return held_; }

 private:
  Tensor held_;
};

inline intrusive_ptr<TensorImpl> Tensor::getIntrusivePtr() const { return intrusive_ptr<TensorImpl>(*this); }
inline Tensor::Tensor(const intrusive_ptr<TensorImpl>& insides) : Tensor(insides.held()) {}

}  // namespace rushlight::api
