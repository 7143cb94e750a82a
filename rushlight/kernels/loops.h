// Loops over the elements of broadcast tensors. Kernels see contiguous rows only: LoopPlan orders and merges dimensions, and rows that are
// strided or of another dtype go through a buffer that stays in the first-level cache.
#pragma once
#include "rushlight/core/tensor.h"
#include "rushlight/kernels/isa.h"
#include "rushlight/kernels/parallel.h"

namespace rushlight {

constexpr int kMaxOperands = 6;
constexpr int64_t kGrain = 32768;  // elements a thread should have at least

// Copies n elements, converting; strides in bytes. Complex to real drops the imaginary part; to bool tests for non-zero.
void convert_row(DType to, void* out, int64_t out_stride, DType from, const void* in, int64_t in_stride, int64_t n);

// Operands seen at one shape, dimensions sorted so that the first operand's innermost stride is smallest, and merged where possible.
class LoopPlan {
 public:
  explicit LoopPlan(IntArrayRef shape) : shape_(shape) {}
  // Broadcasts t to the shape. The first operand is the one written.
  void add(const Tensor& t) { add(t.raw(), broadcast_strides(t, shape_), t.item_size()); }
  void add(void* data, const Dims& strides, int64_t item_size);
  // A single value for all elements.
  void add_value(void* data) { add(data, Dims(shape_.size(), 0), 0); }
  void finish();

  int operands() const { return operands_; }
  int64_t numel() const { return numel_; }
  int64_t row_length() const { return shape_[shape_.size() - 1]; }
  int64_t row_stride(int operand) const { return strides_[operand][shape_.size() - 1]; }  // bytes
  const Dims& shape() const { return shape_; }
  const Dims& strides(int operand) const { return strides_[operand]; }  // bytes
  char* data(int operand) const { return data_[operand]; }

  // A piece of a row: pointers and strides (bytes) of all operands, number of elements.
  using Row = FunctionRef<void(char* const*, const int64_t*, int64_t)>;
  // `parallel` where rows don't write to the same place.
  void for_each_row(bool parallel, Row f) const;

 private:
  void run(int64_t begin, int64_t end, const int64_t* strides, Row f) const;

  Dims shape_;
  Dims strides_[kMaxOperands];
  char* data_[kMaxOperands];
  int operands_ = 0;
  int64_t numel_ = 0;
};

}  // namespace rushlight
