// x.index({Slice(1, None), 0, "...", mask}): Python's x[1:, 0, ..., mask].
#pragma once
#include <limits>

#include "rushlight/api/tensor.h"

namespace rushlight::api::indexing {

struct EllipsisIndexType {};
constexpr EllipsisIndexType Ellipsis = {};
constexpr std::nullopt_t None = std::nullopt;

constexpr int64_t INDEX_MIN = std::numeric_limits<int64_t>::min(), INDEX_MAX = std::numeric_limits<int64_t>::max();

// start:stop:step, each of which may be None. Throws ValueError for a step of 0.
class Slice {
 public:
  Slice(std::optional<int64_t> start = std::nullopt, std::optional<int64_t> stop = std::nullopt,
        std::optional<int64_t> step = std::nullopt)
      : step_(step.value_or(1)),
        start_(start.value_or(step_ < 0 ? INDEX_MAX : 0)),
        stop_(stop.value_or(step_ < 0 ? INDEX_MIN : INDEX_MAX)) {
    RL_CHECK(ValueError, step_ != 0, "slice step cannot be zero");
  }
  int64_t start() const { return start_; }
  int64_t stop() const { return stop_; }
  int64_t step() const { return step_; }

 private:
  int64_t step_, start_, stop_;
};
std::ostream& operator<<(std::ostream& out, const Slice& s);

// One of the things that may stand in brackets.
class TensorIndex {
 public:
  enum class Kind { None, Ellipsis, Integer, Boolean, Slice, Tensor };
  TensorIndex(std::nullopt_t) : kind_(Kind::None) {}
  TensorIndex(EllipsisIndexType) : kind_(Kind::Ellipsis) {}
  TensorIndex(const char* dots);  // "..."
  template <class T, require<std::is_integral_v<T> && !std::is_same_v<T, bool>> = 0>
  TensorIndex(T i) : kind_(Kind::Integer), integer_(int64_t(i)) {}
  template <class T, require<std::is_same_v<T, bool>> = 0>
  TensorIndex(T b) : kind_(Kind::Boolean), integer_(b) {}
  TensorIndex(indexing::Slice s) : kind_(Kind::Slice), slice_(s) {}
  TensorIndex(api::Tensor t) : kind_(Kind::Tensor), tensor_(std::move(t)) {}
  TensorIndex(const std::optional<api::Tensor>& t)
      : kind_(t && t->defined() ? Kind::Tensor : Kind::Slice), tensor_(t ? *t : api::Tensor()) {}

  Kind kind() const { return kind_; }
  bool is_none() const { return kind_ == Kind::None; }
  bool is_ellipsis() const { return kind_ == Kind::Ellipsis; }
  bool is_integer() const { return kind_ == Kind::Integer; }
  bool is_boolean() const { return kind_ == Kind::Boolean; }
  bool is_slice() const { return kind_ == Kind::Slice; }
  bool is_tensor() const { return kind_ == Kind::Tensor; }
  int64_t integer() const { return integer_; }
  bool boolean() const { return integer_ != 0; }
  const indexing::Slice& slice() const { return slice_; }
  const api::Tensor& tensor() const { return tensor_; }

 private:
  Kind kind_;
  int64_t integer_ = 0;
  indexing::Slice slice_;
  api::Tensor tensor_;
};

std::ostream& operator<<(std::ostream& out, const TensorIndex& i);
std::ostream& operator<<(std::ostream& out, const std::vector<TensorIndex>& indices);

}  // namespace rushlight::api::indexing
