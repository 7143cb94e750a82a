// Reductions over any set of dimensions of tensors with any strides.
//
// Note [Fixed splits]: every output element is made of segments of a size that depends on the shape and strides only; segments are merged in a
// fixed tree. So threads may take segments or outputs as they like and the bits are the same; and the tree keeps float sums accurate.
//
// A reducer R says how: types T (element), Acc, Out; merge(Acc, Acc), finish(Acc, n), and either identity() and fold(Acc, T), which loops over
// rows and columns are made of (FoldReducer), or row() and columns() of its own. Only those are compiled for each reducer: the driver, which
// splits and merges, sees them through AnyReducer.
#pragma once
#include "rushlight/core/tensor.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {

using DimSet = uint64_t;  // bit d: dimension d

RL_FOR_EACH_ISA(
    template <class Op>, typename Op::Acc, fold_row, (const Op& op, const typename Op::T* x, int64_t n),
    {
      // Lanes of accumulators, as many on every instruction set: the sum's order must not depend on the machine.
      constexpr int64_t lanes = 256 / sizeof(typename Op::Acc);
      typename Op::Acc acc[lanes];
      for (int64_t j = 0; j < lanes; j++) acc[j] = op.identity();
      int64_t i = 0;
      for (; i + lanes <= n; i += lanes)
        for (int64_t j = 0; j < lanes; j++) acc[j] = op.fold(acc[j], x[i + j]);
      for (int64_t j = 0; j < n - i; j++) acc[j] = op.fold(acc[j], x[i + j]);
      for (int64_t width = lanes / 2; width > 0; width /= 2)
        for (int64_t j = 0; j < width; j++) acc[j] = op.merge(acc[j], acc[j + width]);
      return acc[0];
    },
    <Op>)

RL_FOR_EACH_ISA(
    template <class Op>, void, fold_columns,
    (const Op& op, typename Op::Acc* acc, const typename Op::T* x, int64_t row_stride, int64_t rows, int64_t columns),
    {
      const Op by = op;  // no store to acc changes it
      for (int64_t j = 0; j < columns; j++) acc[j] = by.identity();
      for (int64_t i = 0; i < rows; i++) {
        const typename Op::T* p = x + i * row_stride;
        RL_IVDEP
        for (int64_t j = 0; j < columns; j++) acc[j] = by.fold(acc[j], p[j]);
      }
    },
    <Op>)

// Op::Fold names the operation that folds as Op does, where two differ in finish() only.
template <class Op> struct fold_of { using type = Op; };
template <class Op>
  requires requires { typename Op::Fold; }
struct fold_of<Op> {
  using type = typename Op::Fold;
};

template <class Op>
struct FoldReducer : Op {
  using Acc = typename Op::Acc;
  using T = typename Op::T;
  using Fold = typename fold_of<Op>::type;
  Acc row(const T* x, int64_t stride, int64_t n) const {
    const Op& op = *this;
    if (n < 16) {
      Acc one = op.identity();
      for (int64_t i = 0; i < n; i++) one = op.fold(one, x[i * stride]);
      return one;
    }
    if (stride == 1) return fold_row_isa<Fold>()(op, x, n);
    Acc acc[4] = {op.identity(), op.identity(), op.identity(), op.identity()};
    for (int64_t i = 0; i < n; i++) acc[i & 3] = op.fold(acc[i & 3], x[i * stride]);
    return op.merge(op.merge(acc[0], acc[1]), op.merge(acc[2], acc[3]));
  }
  void columns(Acc* acc, const T* x, int64_t row_stride, int64_t rows, int64_t columns) const {
    fold_columns_isa<Fold>()(*this, acc, x, row_stride, rows, columns);
  }
};

// The geometry of one reduction: kept dimensions and reduced ones, merged where their strides allow. Strides in elements.
struct ReducePlan {
  static constexpr int64_t kSegment = 16384;  // elements of a row a segment takes
  static constexpr int64_t kRows = 128;       // rows a segment takes by columns
  static constexpr int64_t kBlock = 256;      // columns taken together

  Dims kept, kept_in, kept_out;  // outermost first; by columns: without the column dimension
  Dims reduced, reduced_in;      // innermost first
  bool by_columns = false;
  int64_t columns = 1, column_out = 0;
  int64_t count = 1;  // elements that make one output

  // `out` has the kept dimensions of `in`, reduced ones being absent or of size 1.
  ReducePlan(const Tensor& in, DimSet dims, const Tensor& out);

  int64_t blocks() const { return (columns + kBlock - 1) / kBlock; }
  int64_t units() const { return product(kept) * blocks(); }
  int64_t row_length() const { return reduced.empty() ? 1 : reduced[0]; }
  int64_t row_stride() const { return reduced.empty() ? 1 : reduced_in[0]; }
  int64_t rows() const { return count / row_length(); }
  int64_t row_offset(int64_t row) const {
    int64_t offset = 0;
    for (size_t d = 1; d < reduced.size(); d++) {
      offset += row % reduced[d] * reduced_in[d];
      row /= reduced[d];
    }
    return offset;
  }
  struct Offsets { int64_t in, out; };
  Offsets unit_offsets(int64_t unit) const {
    Offsets at = {0, 0};
    for (size_t d = kept.size(); d-- > 0;) {
      int64_t i = unit % kept[d];
      unit /= kept[d];
      at.in += i * kept_in[d];
      at.out += i * kept_out[d];
    }
    return at;
  }
};

// A reducer with its types erased. Strides in elements; a row of none gives the identity.
struct AnyReducer {
  const void* reducer;
  int64_t item_size, out_size, acc_size;
  void (*row)(const void* reducer, const void* x, int64_t stride, int64_t n, void* acc);
  void (*columns)(const void* reducer, const void* x, int64_t row_stride, int64_t rows, int64_t columns, void* acc);
  // out[u * out_stride] = finish(row(x + u * in_stride)) for rows that are whole outputs.
  void (*rows)(const void* reducer, const void* x, int64_t in_stride, int64_t units, int64_t stride, int64_t n,
               void* out, int64_t out_stride);
  // b[j] = merge(a[j], b[j]) for n accumulators.
  void (*merge)(const void* reducer, const void* a, void* b, int64_t n);
  // out[j * stride] = finish(acc[j], count) for n accumulators, each made of `count` elements.
  void (*finish)(const void* reducer, const void* acc, int64_t n, int64_t count, void* out, int64_t stride);
};

constexpr int64_t kMaxAcc = 24;  // bytes

template <class R>
AnyReducer any_reducer(const R& r) {
  using T = typename R::T;
  using Acc = typename R::Acc;
  using Out = typename R::Out;
  static_assert(std::is_trivially_copyable_v<Acc> && sizeof(Acc) <= kMaxAcc && alignof(Acc) <= 8);
  return {.reducer = &r,
          .item_size = sizeof(T),
          .out_size = sizeof(Out),
          .acc_size = sizeof(Acc),
          .row =
              [](const void* self, const void* x, int64_t stride, int64_t n, void* acc) {
                *static_cast<Acc*>(acc) = static_cast<const R*>(self)->row(static_cast<const T*>(x), stride, n);
              },
          .columns =
              [](const void* self, const void* x, int64_t row_stride, int64_t rows, int64_t columns, void* acc) {
                static_cast<const R*>(self)->columns(static_cast<Acc*>(acc), static_cast<const T*>(x), row_stride, rows,
                                                     columns);
              },
          .rows =
              [](const void* self, const void* x, int64_t in_stride, int64_t units, int64_t stride, int64_t n,
                 void* out, int64_t out_stride) {
                const R& reducer = *static_cast<const R*>(self);
                for (int64_t u = 0; u < units; u++)
                  static_cast<Out*>(out)[u * out_stride] =
                      reducer.finish(reducer.row(static_cast<const T*>(x) + u * in_stride, stride, n), n);
              },
          .merge =
              [](const void* self, const void* a, void* b, int64_t n) {
                auto* from = static_cast<const Acc*>(a);
                auto* into = static_cast<Acc*>(b);
                for (int64_t j = 0; j < n; j++) into[j] = static_cast<const R*>(self)->merge(from[j], into[j]);
              },
          .finish =
              [](const void* self, const void* acc, int64_t n, int64_t count, void* out, int64_t stride) {
                for (int64_t j = 0; j < n; j++)
                  static_cast<Out*>(out)[j * stride] =
                      static_cast<const R*>(self)->finish(static_cast<const Acc*>(acc)[j], count);
              }};
}

void reduce(const AnyReducer& r, const Tensor& self, DimSet dims, const Tensor& out);

template <class R>
  requires(!std::is_same_v<R, AnyReducer>)
void reduce(const R& r, const Tensor& self, DimSet dims, const Tensor& out) {
  RL_INVARIANT(self.item_size() == sizeof(typename R::T) && out.item_size() == sizeof(typename R::Out));
  reduce(any_reducer(r), self, dims, out);
}

}  // namespace rushlight
