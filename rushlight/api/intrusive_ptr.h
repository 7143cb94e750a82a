// c10::intrusive_ptr: a pointer to an object that counts its owners itself, as custom classes, tuples and futures of C++ programs are held.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <utility>

#include "rushlight/core/cxx17.h"

namespace rushlight::api {

// What an intrusive_ptr may point to.
class intrusive_ptr_target {
 public:
  intrusive_ptr_target() noexcept = default;
  intrusive_ptr_target(const intrusive_ptr_target&) noexcept {}
  intrusive_ptr_target& operator=(const intrusive_ptr_target&) noexcept { return *this; }

 protected:
  virtual ~intrusive_ptr_target() = default;
  // Called when the last owner is gone, while weak pointers may keep the memory.
  virtual void release_resources() {}

 private:
  template <class T>
  friend class intrusive_ptr;
  template <class T>
  friend class weak_intrusive_ptr;
  void retain() const { owners_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    // All owners together are one holder of the memory.
    if (holders_.load(std::memory_order_acquire) == 1) delete this;
    else {
      const_cast<intrusive_ptr_target*>(this)->release_resources();
      let_go();
    }
  }
  void hold() const { holders_.fetch_add(1, std::memory_order_relaxed); }
  void let_go() const {
    if (holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  bool revive() const {  // false: the last owner is gone
    size_t n = owners_.load(std::memory_order_relaxed);
    while (n && !owners_.compare_exchange_weak(n, n + 1, std::memory_order_acq_rel)) {}
    return n;
  }
  mutable std::atomic<size_t> owners_{0}, holders_{1};
};

namespace raw {
struct DontIncreaseRefcount {};
}  // namespace raw

template <class T>
class intrusive_ptr {
 public:
  using element_type = T;
  intrusive_ptr() noexcept = default;
  intrusive_ptr(std::nullptr_t) noexcept {}
  // A template, so that the unique_ptr of each T is compiled where one is used only.
  template <class U, require<std::is_convertible_v<U*, T*>> = 0>
  explicit intrusive_ptr(std::unique_ptr<U> p) noexcept : p_(p.release()) {
    retain();
  }
  // Takes over an owner that was counted before.
  intrusive_ptr(T* p, raw::DontIncreaseRefcount) noexcept : p_(p) {}
  intrusive_ptr(const intrusive_ptr& o) noexcept : p_(o.p_) { retain(); }
  intrusive_ptr(intrusive_ptr&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  template <class U, require<std::is_convertible_v<U*, T*>> = 0>
  intrusive_ptr(const intrusive_ptr<U>& o) noexcept : p_(o.get()) {
    retain();
  }
  template <class U, require<std::is_convertible_v<U*, T*>> = 0>
  intrusive_ptr(intrusive_ptr<U>&& o) noexcept : p_(o.release()) {}
  ~intrusive_ptr() {
    if (p_) base()->release();
  }
  intrusive_ptr& operator=(intrusive_ptr o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }

  T* get() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  T* operator->() const noexcept { return p_; }
  explicit operator bool() const noexcept { return p_; }
  bool defined() const noexcept { return p_; }
  void reset() noexcept { *this = intrusive_ptr(); }
  void swap(intrusive_ptr& o) noexcept { std::swap(p_, o.p_); }
  uint32_t use_count() const noexcept { return p_ ? uint32_t(base()->owners_.load()) : 0; }
  uint32_t weak_use_count() const noexcept { return p_ ? uint32_t(base()->holders_.load()) : 0; }
  bool unique() const noexcept { return use_count() == 1; }
  // Gives the owner away, as a pointer that reclaim() takes back.
  T* release() noexcept { return std::exchange(p_, nullptr); }
  static intrusive_ptr reclaim(T* p) { return intrusive_ptr(p, raw::DontIncreaseRefcount{}); }
  static intrusive_ptr reclaim_copy(T* p) {
    intrusive_ptr out(p, raw::DontIncreaseRefcount{});
    out.retain();
    return out;
  }
  static intrusive_ptr unsafe_steal_from_new(T* p) { return reclaim_copy(p); }
  template <class... Args>
  static intrusive_ptr make(Args&&... args) {
    return reclaim_copy(new T(std::forward<Args>(args)...));
  }

 private:
  const intrusive_ptr_target* base() const { return p_; }
  void retain() const {
    if (p_) base()->retain();
  }
  T* p_ = nullptr;
};
template <class T, class... Args>
intrusive_ptr<T> make_intrusive(Args&&... args) {
  return intrusive_ptr<T>::make(std::forward<Args>(args)...);
}
template <class T, class U>
bool operator==(const intrusive_ptr<T>& a, const intrusive_ptr<U>& b) {
  return a.get() == b.get();
}
template <class T, class U>
bool operator!=(const intrusive_ptr<T>& a, const intrusive_ptr<U>& b) {
  return a.get() != b.get();
}
template <class T>
bool operator==(const intrusive_ptr<T>& a, std::nullptr_t) {
  return !a;
}
template <class T>
bool operator!=(const intrusive_ptr<T>& a, std::nullptr_t) {
  return bool(a);
}
template <class T>
bool operator<(const intrusive_ptr<T>& a, const intrusive_ptr<T>& b) {
  return a.get() < b.get();
}
template <class T, class U>
intrusive_ptr<T> static_intrusive_pointer_cast(intrusive_ptr<U> p) {
  return intrusive_ptr<T>::reclaim(static_cast<T*>(p.release()));
}
template <class T, class U>
intrusive_ptr<T> dynamic_intrusive_pointer_cast(const intrusive_ptr<U>& p) {
  T* as = dynamic_cast<T*>(p.get());
  return as ? intrusive_ptr<T>::reclaim_copy(as) : intrusive_ptr<T>();
}

template <class T>
class weak_intrusive_ptr {
 public:
  weak_intrusive_ptr() = default;
  explicit weak_intrusive_ptr(const intrusive_ptr<T>& p) : p_(p.get()) { hold(); }
  weak_intrusive_ptr(const weak_intrusive_ptr& o) : p_(o.p_) { hold(); }
  weak_intrusive_ptr(weak_intrusive_ptr&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  ~weak_intrusive_ptr() {
    if (p_) base()->let_go();
  }
  weak_intrusive_ptr& operator=(weak_intrusive_ptr o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  // Null where the object is gone.
  intrusive_ptr<T> lock() const { return p_ && base()->revive() ? intrusive_ptr<T>::reclaim(p_) : intrusive_ptr<T>(); }
  bool expired() const { return use_count() == 0; }
  uint32_t use_count() const { return p_ ? uint32_t(base()->owners_.load()) : 0; }
  void reset() { *this = weak_intrusive_ptr(); }
  T* _unsafe_get_target() const { return p_; }

 private:
  const intrusive_ptr_target* base() const { return p_; }
  void hold() const {
    if (p_) base()->hold();
  }
  T* p_ = nullptr;
};

}  // namespace rushlight::api

template <class T>
struct std::hash<rushlight::api::intrusive_ptr<T>> {
  size_t operator()(const rushlight::api::intrusive_ptr<T>& p) const { return std::hash<T*>()(p.get()); }
};
