#include "rushlight/api/indexing.h"

#include <cstring>
#include <ostream>

#include "rushlight/fn/add.h"
#include "rushlight/fn/alias.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/fill_.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/index.h"
#include "rushlight/fn/index_put.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros.h"

namespace rushlight::api {
namespace indexing {

TensorIndex::TensorIndex(const char* dots) : kind_(Kind::Ellipsis) {
  RL_CHECK(ValueError, std::strcmp(dots, "...") == 0, "Expected \"...\" to represent an ellipsis index, but got \"",
           dots, "\"");
}

std::ostream& operator<<(std::ostream& out, const Slice& s) {
  return out << s.start() << ":" << s.stop() << ":" << s.step();
}
std::ostream& operator<<(std::ostream& out, const TensorIndex& i) {
  switch (i.kind()) {
    case TensorIndex::Kind::None: return out << "None";
    case TensorIndex::Kind::Ellipsis: return out << "...";
    case TensorIndex::Kind::Integer: return out << i.integer();
    case TensorIndex::Kind::Boolean: return out << (i.boolean() ? "true" : "false");
    case TensorIndex::Kind::Slice: return out << i.slice();
    case TensorIndex::Kind::Tensor: return out << i.tensor();
  }
  return out;
}
std::ostream& operator<<(std::ostream& out, const std::vector<TensorIndex>& indices) {
  out << "(";
  for (size_t i = 0; i < indices.size(); i++) out << (i ? ", " : "") << indices[i];
  return out << ")";
}

}  // namespace indexing

namespace {

using indexing::TensorIndex;

constexpr const char* kNoDimensions =
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
    "tensor to a number";

// What basic indices make of a tensor, a view, and what is left for index or index_put_.
struct Indexed {
  rushlight::Tensor view;
  Tensors indices;  // undefined for dimensions that are not indexed
  bool advanced = false;

  void put(rushlight::Tensor index, int64_t& dim) {
    indices.resize(size_t(dim) + 1);
    indices[size_t(dim)] = std::move(index);
    advanced = true;
    dim++;
  }
};

rushlight::Tensor select(const rushlight::Tensor& t, int64_t dim, int64_t index, int64_t shown_dim) {
  int64_t size = t.sizes()[size_t(dim)];
  RL_CHECK(IndexError, index >= -size && index < size, "index ", index, " is out of bounds for dimension ", shown_dim,
           " with size ", size);
  return rushlight::select(t, dim, index);
}

// True stands for one element of a new dimension, False for none.
rushlight::Tensor bool_index(bool v) { return rushlight::zeros({v ? 1 : 0}, DType::Int64); }

void put_tensor(Indexed& at, const rushlight::Tensor& index, int64_t& dim, int64_t shown_dim, int64_t& gone) {
  if (index.dim() > 0 || !is_integral(index.dtype(), true)) return at.put(index, dim);
  int64_t value = rushlight::item(index).to_int();
  if (index.dtype() != DType::Bool && index.dtype() != DType::UInt8) {
    at.view = select(at.view, dim, value, shown_dim);
    gone++;
    return;
  }
  at.view = rushlight::unsqueeze(at.view, dim);
  gone--;
  at.put(bool_index(value != 0), dim);
}

Indexed apply(const Tensor& self, ArrayRef<TensorIndex> by, const char* method) {
  if (!self.defined()) fail_undefined(method);
  RL_CHECK(IndexError, !by.empty(), "Passing an empty index list to Tensor::", method, "() is not valid syntax");
  Indexed at{self, {}, false};
  int64_t specified = 0;
  for (const TensorIndex& i : by) {
    if (i.is_tensor()) {
      if (!i.tensor().defined()) fail_undefined(method);
      bool mask = i.tensor().scalar_type() == kBool || i.tensor().scalar_type() == kByte;
      specified += mask ? i.tensor().dim() : 1;
    } else if (i.is_integer() || i.is_slice()) {
      specified++;
    }
  }
  RL_CHECK(IndexError, self.dim() > 0 || specified == 0 || !by[0].is_integer(), kNoDimensions);
  RL_CHECK(IndexError, specified <= self.dim(), "too many indices for tensor of dimension ", self.dim());
  int64_t dim = 0, gone = 0, shown = 0;  // gone: dimensions that were taken away, less those that were added
  for (const TensorIndex& i : by) {
    switch (i.kind()) {
      case TensorIndex::Kind::None:
        at.view = rushlight::unsqueeze(at.view, dim++);
        gone--;
        break;
      case TensorIndex::Kind::Ellipsis: dim += self.dim() - specified; break;
      case TensorIndex::Kind::Integer:
        at.view = select(at.view, dim, i.integer(), dim + gone);
        gone++;
        break;
      case TensorIndex::Kind::Boolean:
        at.view = rushlight::unsqueeze(at.view, dim);
        gone--;
        at.put(bool_index(i.boolean()), dim);
        break;
      case TensorIndex::Kind::Slice:
        RL_CHECK(ValueError, i.slice().step() > 0, "step must be greater than zero");
        at.view = rushlight::slice(at.view, dim++, i.slice().start(), i.slice().stop(), i.slice().step());
        break;
      case TensorIndex::Kind::Tensor: put_tensor(at, i.tensor(), dim, shown, gone); break;
    }
    shown++;
  }
  return at;
}

}  // namespace

Tensor Tensor::index(ArrayRef<TensorIndex> by) const {
  Indexed at = apply(*this, by, "index");
  if (at.advanced) return rushlight::index(at.view, at.indices);
  return at.view.is_same(*this) ? rushlight::alias(at.view) : at.view;
}
Tensor Tensor::index(std::initializer_list<TensorIndex> by) const { return index(ArrayRef<TensorIndex>(by)); }
Tensor Tensor::index(const Tensor& by) const { return index(std::initializer_list<TensorIndex>{by}); }

Tensor& Tensor::index_put_(ArrayRef<TensorIndex> by, const Tensor& values, bool accumulate) const {
  if (!values.defined()) fail_undefined("index_put_");
  Indexed at = apply(*this, by, "index_put_");
  // Leading dimensions of size one may be too many.
  auto cut = [&](int64_t dims) {
    rushlight::Tensor from = values;
    while (from.dim() > dims && from.sizes()[0] == 1) from = rushlight::select(from, 0, 0);
    return from;
  };
  if (at.advanced) {
    int64_t taken = 0, broadcast = 0;
    for (const rushlight::Tensor& t : at.indices) {
      if (!t.defined()) continue;
      bool mask = t.dtype() == DType::Bool || t.dtype() == DType::UInt8;
      taken += mask ? t.dim() : 1;
      broadcast = std::max<int64_t>(broadcast, mask ? 1 : t.dim());
    }
    rushlight::index_put_(at.view, at.indices, cut(at.view.dim() - taken + broadcast), accumulate);
  } else if (accumulate) {
    rushlight::add_(at.view, values);
  } else {
    rushlight::copy_(at.view, cut(at.view.dim()));
  }
  return const_cast<Tensor&>(*this);
}
Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> by, const Tensor& values, bool accumulate) const {
  return index_put_(ArrayRef<TensorIndex>(by), values, accumulate);
}
Tensor& Tensor::index_put_(ArrayRef<TensorIndex> by, const Scalar& value) const {
  Indexed at = apply(*this, by, "index_put_");
  if (at.advanced)
    rushlight::index_put_(at.view, at.indices,
                          rushlight::full({}, value, at.view.dtype(), std::nullopt, at.view.device()));
  else rushlight::fill_(at.view, value);
  return const_cast<Tensor&>(*this);
}
Tensor& Tensor::index_put_(std::initializer_list<TensorIndex> by, const Scalar& value) const {
  return index_put_(ArrayRef<TensorIndex>(by), value);
}

Tensor Tensor::operator[](int64_t i) const {
  RL_CHECK(IndexError, !defined() || dim() > 0, kNoDimensions);
  return index({i});
}
Tensor Tensor::operator[](const Tensor& i) const { return index({i}); }

}  // namespace rushlight::api
