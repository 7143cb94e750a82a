// ArrayRef<T>: a borrowed run of values; Dims: a small owned list of sizes or strides.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "rushlight/core/error.h"

namespace rushlight {

template <class T>
class ArrayRef {
 public:
  constexpr ArrayRef() = default;
  constexpr ArrayRef(const T* data, size_t size) : data_(data), size_(size) {}
  // The list must outlive the call it is passed to, as every temporary argument does.
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
#endif
  constexpr ArrayRef(std::initializer_list<T> items) : data_(items.begin()), size_(items.size()) {}
#pragma GCC diagnostic pop
  ArrayRef(const std::vector<T>& items) : data_(items.data()), size_(items.size()) {}
#if __cplusplus >= 202002L
  constexpr ArrayRef(std::span<const T> items) : data_(items.data()), size_(items.size()) {}
#endif
  template <size_t N>
  constexpr ArrayRef(const std::array<T, N>& items) : data_(items.data()), size_(N) {}
  template <size_t N>
  constexpr ArrayRef(const T (&items)[N]) : data_(items), size_(N) {}
  constexpr ArrayRef(const T& one) : data_(&one), size_(1) {}

  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const T* data() const { return data_; }
  constexpr const T* begin() const { return data_; }
  constexpr const T* end() const { return data_ + size_; }
  constexpr const T& operator[](size_t i) const {
    RL_BOUNDS(i < size_);
    return data_[i];
  }
  constexpr const T& front() const { return (*this)[0]; }
  constexpr const T& back() const { return (*this)[size_ - 1]; }
  // Throws IndexError.
  const T& at(size_t i) const {
    RL_CHECK(IndexError, i < size_, "ArrayRef: index ", i, " is out of range for ", size_, " items");
    return data_[i];
  }
  ArrayRef slice(size_t start, size_t count) const {
    RL_BOUNDS(start <= size_ && count <= size_ - start);
    return {data_ + start, count};
  }
  ArrayRef slice(size_t start) const { return slice(start, size_ - start); }
  std::vector<T> vec() const { return {begin(), end()}; }
  bool equals(ArrayRef o) const { return std::equal(begin(), end(), o.begin(), o.end()); }
  friend bool operator==(ArrayRef a, ArrayRef b) { return a.equals(b); }
  friend bool operator!=(ArrayRef a, ArrayRef b) { return !a.equals(b); }

 private:
  const T* data_ = nullptr;
  size_t size_ = 0;
};
using IntArrayRef = ArrayRef<int64_t>;

// std::optional<IntArrayRef> as a parameter, for which `0` and `{0, 1}` may be written: those bind here, in the caller's expression. In an optional
// the numbers would be temporaries of its own constructor, gone when it returns.
class OptionalIntArrayRef : public std::optional<IntArrayRef> {
 public:
  OptionalIntArrayRef() = default;
  OptionalIntArrayRef(std::nullopt_t) {}
  OptionalIntArrayRef(std::initializer_list<int64_t> items) : optional(IntArrayRef(items)) {}
  OptionalIntArrayRef(const int64_t& one) : optional(IntArrayRef(one)) {}
  OptionalIntArrayRef(const std::optional<IntArrayRef>& other) : optional(other) {}
  template <class List, require<std::is_convertible_v<const List&, IntArrayRef> && !std::is_arithmetic_v<List>> = 0>
  OptionalIntArrayRef(const List& items) : optional(IntArrayRef(items)) {}
};

template <class T>
void append_text(std::string& out, ArrayRef<T> items) {
  append_list(out, items);
}

// Up to five values inline: deeper tensors are rare and may allocate.
class Dims {
 public:
  static constexpr size_t kInline = 5;
  Dims() = default;
  Dims(IntArrayRef items) { assign(items); }
  Dims(std::initializer_list<int64_t> items) { assign(IntArrayRef(items)); }
  explicit Dims(size_t count, int64_t value) { resize(count, value); }
  Dims(const Dims& o) { assign(o); }
  Dims(Dims&& o) noexcept { steal(o); }
  Dims& operator=(const Dims& o) {
    if (this != &o) assign(o);
    return *this;
  }
  Dims& operator=(Dims&& o) noexcept {
    if (this != &o) {
      drop();
      steal(o);
    }
    return *this;
  }
  ~Dims() { drop(); }

  void assign(IntArrayRef items) {
    if (items.size() > capacity_) grow(items.size(), false);
    std::copy(items.begin(), items.end(), data());
    size_ = uint32_t(items.size());
  }
  void resize(size_t count, int64_t value = 0) {
    if (count > capacity_) grow(count, true);
    for (size_t i = size_; i < count; i++) data()[i] = value;
    size_ = uint32_t(count);
  }
  void push_back(int64_t v) { resize(size_ + 1, v); }
  void insert(size_t at, int64_t v) {
    RL_BOUNDS(at <= size_);
    resize(size_ + 1);
    for (size_t i = size_ - 1; i > at; i--) data()[i] = data()[i - 1];
    data()[at] = v;
  }
  void erase(size_t at) {
    RL_BOUNDS(at < size_);
    for (size_t i = at; i + 1 < size_; i++) data()[i] = data()[i + 1];
    size_--;
  }
  void clear() { size_ = 0; }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t* data() { return capacity_ == kInline ? inline_ : heap_; }
  const int64_t* data() const { return capacity_ == kInline ? inline_ : heap_; }
  int64_t* begin() { return data(); }
  int64_t* end() { return data() + size_; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + size_; }
  int64_t& operator[](size_t i) {
    RL_BOUNDS(i < size_);
    return data()[i];
  }
  int64_t operator[](size_t i) const {
    RL_BOUNDS(i < size_);
    return data()[i];
  }
  int64_t& back() { return (*this)[size_ - 1]; }
  int64_t back() const { return (*this)[size_ - 1]; }
  operator IntArrayRef() const { return {data(), size_}; }
  friend bool operator==(const Dims& a, const Dims& b) { return IntArrayRef(a) == IntArrayRef(b); }
  friend bool operator==(const Dims& a, IntArrayRef b) { return IntArrayRef(a) == b; }
  friend bool operator!=(const Dims& a, const Dims& b) { return !(a == b); }
  friend bool operator!=(const Dims& a, IntArrayRef b) { return !(a == b); }

 private:
  void drop() {
    if (capacity_ != kInline) delete[] heap_;
  }
  void steal(Dims& o) {
    size_ = o.size_;
    capacity_ = o.capacity_;
    if (capacity_ == kInline) std::copy(o.inline_, o.inline_ + kInline, inline_);
    else heap_ = o.heap_;
    o.size_ = 0;
    o.capacity_ = kInline;
  }
  void grow(size_t count, bool keep) {
    int64_t* fresh = new int64_t[count];
    if (keep) std::copy(begin(), end(), fresh);
    drop();
    heap_ = fresh;
    capacity_ = uint32_t(count);
  }
  union {
    int64_t inline_[kInline] = {};
    int64_t* heap_;
  };
  uint32_t size_ = 0;
  uint32_t capacity_ = kInline;
};
inline void append_text(std::string& out, const Dims& d) { append_list(out, d); }

}  // namespace rushlight
