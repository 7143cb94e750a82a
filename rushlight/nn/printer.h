// How modules print: torch::nn::Linear(in_features=3, out_features=4, bias=true).
#pragma once
#include <ostream>

#include "rushlight/nn/layers.h"

namespace torch {
inline namespace rl {
namespace nn {

class Printer {
 public:
  Printer(std::ostream& out, const char* name) : out_(out), flags_(out.flags()) {
    out_ << std::boolalpha << "torch::nn::" << name << "(";
  }
  ~Printer() {
    out_ << ")";
    out_.flags(flags_);
  }
  template <class T>
  Printer& operator()(const T& value) {
    out_ << (first_ ? "" : ", ") << value;
    first_ = false;
    return *this;
  }
  template <class T>
  Printer& operator()(const char* name, const T& value) {
    out_ << (first_ ? "" : ", ") << name << "=" << value;
    first_ = false;
    return *this;
  }
  // Only where it is not the default.
  template <class T>
  Printer& other(const char* name, const T& value, const T& default_) {
    return value == default_ ? *this : (*this)(name, value);
  }
  template <class T>
  Printer& given(const char* name, const std::optional<T>& value) {
    return value ? (*this)(name, *value) : *this;
  }

 private:
  std::ostream& out_;
  std::ios_base::fmtflags flags_;
  bool first_ = true;
};

// The constructor of a layer without parameters, and how it prints.
#define RL_DEFINE(Name, print)                                \
  Name##Impl::Name##Impl(const Options& o) : Layer(o) {}      \
  void Name##Impl::pretty_print(std::ostream& stream) const { \
    [[maybe_unused]] const Options& o = options;              \
    Printer(stream, #Name) print;                             \
  }
// Of one with parameters.
#define RL_DEFINE_WITH_PARAMETERS(Name, Base, print)              \
  Name##Impl::Name##Impl(const Options& o) : Base(o) { reset(); } \
  void Name##Impl::pretty_print(std::ostream& stream) const {     \
    [[maybe_unused]] const Options& o = options;                  \
    Printer(stream, #Name) print;                                 \
  }

}  // namespace nn
}  // namespace rl
}  // namespace torch
