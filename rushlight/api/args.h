// What options classes are made of: TORCH_ARG, lists that one number fills, and choices (torch::kMean, torch::kReLU) as variants.
#pragma once
#include <array>
#include <functional>
#include <variant>

#include "rushlight/api/check.h"
#include "rushlight/api/context.h"
#include "rushlight/api/tensor.h"

// A field of an options class: TORCH_ARG(int64_t, size) = 3; gives o.size() and o.size(5), which returns o. What sets it is a template, so
// that only a program that does compiles the assignment of a variant or a list.
#define TORCH_ARG(T, name)                                   \
 public:                                                     \
  template <class V = T>                                     \
  auto& name(V&& value) {                                    \
    this->name##_ = static_cast<T>(static_cast<V&&>(value)); \
    return *this;                                            \
  }                                                          \
  const T& name() const noexcept { return this->name##_; }   \
  T& name() noexcept { return this->name##_; }               \
                                                             \
 private:                                                    \
  T name##_

// The standard's under the names that PyTorch had for them.
namespace c10 {
using std::get;
using std::get_if;
using std::holds_alternative;
using std::monostate;
using std::variant;
using std::visit;
}  // namespace c10

namespace rushlight::api {

[[noreturn]] void fail_count(size_t wanted, size_t got);

// D numbers; one number stands for all of them.
template <size_t D, class T = int64_t>
class ExpandingArray {
 public:
  ExpandingArray(std::initializer_list<T> list) : ExpandingArray(list.begin(), list.size()) {}
  ExpandingArray(const std::vector<T>& list) : ExpandingArray(list.data(), list.size()) {}
  ExpandingArray(ArrayRef<T> list) : ExpandingArray(list.data(), list.size()) {}
  ExpandingArray(T all) { values_.fill(all); }
  ExpandingArray(const std::array<T, D>& values) : values_(values) {}
  std::array<T, D>& operator*() { return values_; }
  const std::array<T, D>& operator*() const { return values_; }
  std::array<T, D>* operator->() { return &values_; }
  const std::array<T, D>* operator->() const { return &values_; }
  operator ArrayRef<T>() const { return {values_.data(), D}; }
  operator OptionalIntArrayRef() const { return IntArrayRef(values_.data(), D); }
  size_t size() const noexcept { return D; }

 protected:
  ExpandingArray(const T* first, size_t count) {
    if (count != D) fail_count(D, count);
    for (size_t i = 0; i < D; i++) values_[i] = first[i];
  }
  std::array<T, D> values_;
};
template <size_t D, class T>
std::ostream& operator<<(std::ostream& out, const ExpandingArray<D, T>& a) {
  if (D == 1) return out << (*a)[0];
  return out << ArrayRef<T>(a);
}

// D numbers, some of which may be left out.
template <size_t D, class T = int64_t>
class ExpandingArrayWithOptionalElem : public ExpandingArray<D, std::optional<T>> {
 public:
  using Base = ExpandingArray<D, std::optional<T>>;
  using Base::Base;
  ExpandingArrayWithOptionalElem(std::initializer_list<T> list) : Base(std::nullopt) {
    take(list.begin(), list.size());
  }
  ExpandingArrayWithOptionalElem(const std::vector<T>& list) : Base(std::nullopt) { take(list.data(), list.size()); }
  ExpandingArrayWithOptionalElem(T all) : Base(std::optional<T>(all)) {}
  ExpandingArrayWithOptionalElem(const std::array<T, D>& list) : Base(std::nullopt) { take(list.data(), D); }

 private:
  void take(const T* first, size_t count) {
    if (count != D) fail_count(D, count);
    for (size_t i = 0; i < D; i++) this->values_[i] = first[i];
  }
};
template <size_t D, class T>
std::ostream& operator<<(std::ostream& out, const ExpandingArrayWithOptionalElem<D, T>& a) {
  if (D > 1) out << "[";
  for (size_t i = 0; i < D; i++) {
    out << (i ? ", " : "");
    if ((*a)[i]) out << *(*a)[i];
    else out << "None";
  }
  return D > 1 ? out << "]" : out;
}

// Choices. Each is a type, so that options take only those that mean something there.
// clang-format off
#define RL_CHOICES(_)                                                                                            \
  _(Linear) _(Conv1D) _(Conv2D) _(Conv3D) _(ConvTranspose1D) _(ConvTranspose2D) _(ConvTranspose3D) _(Sigmoid)    \
  _(Tanh) _(ReLU) _(GELU) _(SiLU) _(Mish) _(LeakyReLU) _(FanIn) _(FanOut) _(Constant) _(Reflect) _(Replicate)    \
  _(Circular) _(Nearest) _(Bilinear) _(Bicubic) _(Trilinear) _(Area) _(NearestExact) _(Sum) _(Mean) _(Max)       \
  _(None) _(BatchMean) _(Zeros) _(Border) _(Reflection) _(RNN_TANH) _(RNN_RELU) _(LSTM) _(GRU) _(Valid) _(Same)
// clang-format on
namespace enumtype {
#define RL_CHOICE(Name) \
  struct k##Name { static constexpr const char* name = "k" #Name; };
RL_CHOICES(RL_CHOICE)
#undef RL_CHOICE
// "kMean"
template <class V>
std::string get_enum_name(const V& v) {
  return std::visit([](const auto& choice) { return std::string(choice.name); }, v);
}
using reduction_t = std::variant<kNone, kMean, kSum>;
inline Reduction::Reduction reduction_get_enum(const reduction_t& v) { return Reduction::Reduction(v.index()); }
// The variants of kl_div and others in another order.
template <class V>
Reduction::Reduction reduction_get_enum(const V& v) {
  if (std::holds_alternative<kNone>(v)) return Reduction::None;
  return std::holds_alternative<kSum>(v) ? Reduction::Sum : Reduction::Mean;
}
}  // namespace enumtype
#define RL_CHOICE(Name) constexpr enumtype::k##Name k##Name{};
RL_CHOICES(RL_CHOICE)
#undef RL_CHOICE

}  // namespace rushlight::api
