#include "rushlight/kernels/copying.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "rushlight/core/device_interface.h"
#include "rushlight/core/device_memory.h"
#include "rushlight/kernels/dispatch.h"
#include "rushlight/kernels/loops.h"

namespace rushlight {
namespace {

// A plane: rows by columns of the two innermost dimensions. Strides in bytes.
struct Plane { int64_t rows, columns, out_row, out_column, in_row, in_column; };

// Transposing copies go by tiles, so that both sides use whole cache lines.
constexpr int64_t kTile = 32;
// Rows shorter than this are copied by columns, in blocks of kTall rows, which stay in the first-level cache meanwhile.
constexpr int64_t kShort = 16;
constexpr int64_t kTall = 128;

#if defined(__GNUC__) && defined(__SSE2__)
// Four rows of four words, turned in registers.
inline void turn_four(uint32_t (*out)[kTile], const uint32_t (*block)[kTile]) {
  using Four [[gnu::vector_size(16)]] = uint32_t;
  Four a, b, c, d;
  std::memcpy(&a, block[0], 16);
  std::memcpy(&b, block[1], 16);
  std::memcpy(&c, block[2], 16);
  std::memcpy(&d, block[3], 16);
  Four ac_low = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  Four bd_low = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  Four turned[4] = {
      __builtin_shufflevector(ac_low, bd_low, 0, 4, 1, 5), __builtin_shufflevector(ac_low, bd_low, 2, 6, 3, 7),
      __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5), __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7)};
  for (int64_t k = 0; k < 4; k++) std::memcpy(out[k], &turned[k], 16);
}
#define RL_TURN_FOUR 1
#endif

// Rows are dense in `in`, columns in `out`. The rows of the next tile, far apart in memory, are asked for ahead. A tile is turned within the first-level cache: rows of the result written in one go cost half as
// much as pieces of several rows in turn.
template <class Word>
void copy_turned(char* out, const char* in, const Plane& p) {
  alignas(64) Word block[kTile][kTile], turned[kTile][kTile];
  for (int64_t c0 = 0; c0 < p.columns; c0 += kTile)
    for (int64_t r0 = 0; r0 < p.rows; r0 += kTile) {
      int64_t rows = std::min(kTile, p.rows - r0), columns = std::min(kTile, p.columns - c0);
      const char* after = in + (c0 + kTile) * p.in_column + r0 * int64_t(sizeof(Word));
      for (int64_t c = 0; c < std::min(kTile, p.columns - c0 - kTile); c++, after += p.in_column)
        for (int64_t byte = 0; byte < rows * int64_t(sizeof(Word)); byte += 64) __builtin_prefetch(after + byte);
      for (int64_t c = 0; c < columns; c++)
        std::memcpy(block[c], in + (c0 + c) * p.in_column + r0 * int64_t(sizeof(Word)), size_t(rows) * sizeof(Word));
      bool whole = rows == kTile && columns == kTile;
#ifdef RL_TURN_FOUR
      if constexpr (sizeof(Word) == 4)
        for (int64_t r = 0; whole && r < kTile; r += 4)
          for (int64_t c = 0; c < kTile; c += 4)
            turn_four(reinterpret_cast<uint32_t (*)[kTile]>(&turned[r][c]),
                      reinterpret_cast<const uint32_t (*)[kTile]>(&block[c][r]));
      whole = whole && sizeof(Word) == 4;
#else
      whole = false;
#endif
      char* to = out + r0 * p.out_row + c0 * int64_t(sizeof(Word));
      for (int64_t r = 0; r < rows; r++) {
        if (!whole)
          for (int64_t c = 0; c < columns; c++) turned[r][c] = block[c][r];
        std::memcpy(to + r * p.out_row, turned[r], size_t(columns) * sizeof(Word));
      }
    }
}

template <class Word>
void copy_line(char* out, int64_t out_stride, const char* in, int64_t in_stride, int64_t n) {
  for (int64_t i = 0; i < n; i++, out += out_stride, in += in_stride)
    *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
}

void copy_plane(char* out, const char* in, const Plane& p, DType dtype, bool turned) {
  if (turned) return dispatch_size(dtype, [&]<class Word>() { copy_turned<Word>(out, in, p); });
  int64_t size = item_size(dtype);
  if (p.columns >= kShort || (p.out_column == size && p.in_column == size && p.columns * size >= 32)) {
    for (int64_t r = 0; r < p.rows; r++)
      convert_row(dtype, out + r * p.out_row, p.out_column, dtype, in + r * p.in_row, p.in_column, p.columns);
    return;
  }
  dispatch_size(dtype, [&]<class Word>() {
    for (int64_t c = 0; c < p.columns; c++)
      copy_line<Word>(out + c * p.out_column, p.out_row, in + c * p.in_column, p.in_row, p.rows);
  });
}

}  // namespace

void copy_planned(const LoopPlan& plan, DType to, DType from) {
  size_t n = plan.shape().size();
  if (to != from || n < 2) {
    plan.for_each_row(true, [&](char* const* p, const int64_t* strides, int64_t count) {
      convert_row(to, p[0], strides[0], from, p[1], strides[1], count);
    });
    return;
  }
  if (plan.numel() == 0) return;
  Dims shape = plan.shape(), out = plan.strides(0), in = plan.strides(1);
  int64_t size = item_size(to);
  bool turned = false;
  if (out[n - 1] == size && in[n - 1] != size && shape[n - 1] >= 4)
    for (size_t d = 0; d + 1 < n && !turned; d++)
      if (in[d] == size && shape[d] >= 8) {
        turned = true;
        for (Dims* v : {&shape, &out, &in}) std::swap((*v)[d], (*v)[n - 2]);
      }
  Plane plane{.rows = shape[n - 2],
              .columns = shape[n - 1],
              .out_row = out[n - 2],
              .out_column = out[n - 1],
              .in_row = in[n - 2],
              .in_column = in[n - 1]};
  int64_t tall = turned ? kTile : kTall, blocks = (plane.rows + tall - 1) / tall,
          planes = plan.numel() / (plane.rows * plane.columns);
  int64_t grain = std::max<int64_t>(1, kGrain / (std::min(tall, plane.rows) * plane.columns));
  parallel_for(0, planes * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      int64_t row = i % blocks * tall, rest = i / blocks;
      char* o = plan.data(0) + row * plane.out_row;
      const char* p = plan.data(1) + row * plane.in_row;
      for (size_t d = n - 2; d-- > 0;) {
        int64_t at = rest % shape[d];
        rest /= shape[d];
        o += at * out[d];
        p += at * in[d];
      }
      Plane part = plane;
      part.rows = std::min(tall, plane.rows - row);
      copy_plane(o, p, part, to, turned);
    }
  });
}

// With memory that only the device may touch on either side: through the host, where the CPU does what is to be done besides.
static void copy_across(const Tensor& to, const Tensor& from) {
  if (to.numel() == 0 || to.device().is_meta()) return;
  bool plain = to.dtype() == from.dtype() && to.sizes() == from.sizes() && to.is_contiguous() && from.is_contiguous();
  if (plain) {
    DeviceGuard guard(to.device().is_cpu() ? from.device() : to.device());
    copy_bytes(to.device(), to.raw(), from.device(), from.raw(), size_t(to.nbytes()));
    return;
  }
  Tensor here = host_span(from);
  if (to.device().is_cpu()) return copy_elements(to, here);
  // Between the elements of a tensor with gaps lie others that have to stay.
  bool whole = is_dense_non_overlapping(to.sizes(), to.strides());
  Tensor host = whole ? host_like(to) : host_span(to);
  copy_elements(host, here);
  send_span(to, host);
}

// Composites take sparse tensors (Note [Sparse forms] in dispatch/sparse.cpp); those that read an argument's memory themselves come here.
static void check_not_in_parts(const Tensor& t) {
  RL_CHECK(NotImplementedError, !t.impl()->parts(), "not implemented for tensors of layout ", t.layout(),
           ", which an argument has; use .to_dense() first");
}

void copy_elements(const Tensor& to, const Tensor& from) {
  if ((to.impl()->flags() | from.impl()->flags()) & (kNotCpu | kInParts)) [[unlikely]] {
    check_not_in_parts(to);
    check_not_in_parts(from);
    return copy_across(to, from);
  }
  LoopPlan plan(to.sizes());
  plan.add(to);
  plan.add(from);
  plan.finish();
  copy_planned(plan, to.dtype(), from.dtype());
}

Tensor dense(const Tensor& t, DType dtype) {
  if (t.impl()->flags() & (kNotCpu | kInParts)) [[unlikely]] {
    check_not_in_parts(t);
    return dense(host_span(t), dtype);
  }
  if (t.is_contiguous() && t.dtype() == dtype) return t;
  Tensor out = empty_tensor(t.sizes(), dtype);
  copy_elements(out, t);
  return out;
}

Tensor moved_last(const Tensor& t, int64_t from) {
  if (t.dim() < 2) return t;
  Dims sizes = t.sizes(), strides = t.strides();
  int64_t size = sizes[size_t(from)], stride = strides[size_t(from)];
  sizes.erase(size_t(from));
  strides.erase(size_t(from));
  sizes.push_back(size);
  strides.push_back(stride);
  return alias_tensor(t, sizes, strides, t.storage_offset());
}

}  // namespace rushlight
