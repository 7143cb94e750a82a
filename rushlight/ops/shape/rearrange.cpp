// The same elements elsewhere: flip, roll, rot90, repeat, tile, repeat_interleave.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/cat.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/flip.h"
#include "rushlight/fn/full.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/narrow.h"
#include "rushlight/fn/repeat.h"
#include "rushlight/fn/repeat_interleave.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/reduce/dims.h"

namespace rushlight {
namespace {

TensorSpec flip_meta(const Tensor& self, IntArrayRef dims) {
  if (!dims.empty()) dim_set(dims, self.dim());
  return {.sizes = self.sizes(), .dtype = self.dtype(), .device = self.device()};
}
void flip_cpu(const Tensor& self, IntArrayRef dims, const Tensor& out) {
  if (out.numel() == 0) return;
  DimSet set = dims.empty() || self.dim() == 0 ? 0 : dim_set(dims, self.dim());
  Dims strides = self.strides();
  char* last = static_cast<char*>(self.raw());
  for (size_t d = 0; d < strides.size(); d++) {
    if (!(set >> d & 1)) continue;
    last += (self.sizes()[d] - 1) * strides[d] * self.item_size();
    strides[d] = -strides[d];
  }
  LoopPlan plan(out.sizes());
  plan.add(out);
  plan.add(last, strides, self.item_size());
  plan.finish();
  copy_planned(plan, out.dtype(), self.dtype());
}
Grads flip_grad(const Saved& s, const Tensor& g) { return {flip(g, s.arg("dims").int_list())}; }
Tensor fliplr_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() >= 2, "Input must be >= 2-d.");
  return flip(self, IntArrayRef(int64_t(1)));
}
Tensor flipud_op(const Tensor& self) {
  RL_CHECK(RuntimeError, self.dim() >= 1, "Input must be >= 1-d.");
  return flip(self, IntArrayRef(int64_t(0)));
}

Tensor roll_one(const Tensor& t, int64_t shift, int64_t dim) {
  int64_t n = t.size(dim);
  if (n == 0) return t;
  int64_t by = shift % n;
  if (by < 0) by += n;
  if (by == 0) return t;
  return cat(Tensors{narrow(t, dim, n - by, by), narrow(t, dim, 0, n - by)}, dim);
}
Tensor roll_op(const Tensor& self, IntArrayRef shifts, IntArrayRef dims) {
  RL_CHECK(RuntimeError, !shifts.empty(), "`shifts` required");
  if (dims.empty() && shifts.size() == 1)
    return self.dim() == 0 ? clone(self) : reshape(roll_one(flatten(self), shifts[0], 0), self.sizes());
  RL_CHECK(RuntimeError, shifts.size() == dims.size(), "shifts and dimensions must align. shifts: ", shifts.size(),
           ", dims:", dims.size());
  Tensor out = self;
  for (size_t i = 0; i < dims.size(); i++) out = roll_one(out, shifts[i], wrap_dim(dims[i], self.dim()));
  return out.is_same(self) ? clone(self) : out;
}

Tensor rot90_op(const Tensor& self, int64_t k, IntArrayRef dims) {
  RL_CHECK(RuntimeError, dims.size() == 2, "expected total rotation dims == 2, but got dims = ", dims.size());
  RL_CHECK(RuntimeError, self.dim() >= 2, "expected total dims >= 2, but got total dims = ", self.dim());
  int64_t a = wrap_dim(dims[0], self.dim()), b = wrap_dim(dims[1], self.dim());
  RL_CHECK(RuntimeError, a != b, "expected rotation dims to be different, but got dim0 = ", dims[0],
           " and dim1 = ", dims[1]);
  switch (((k % 4) + 4) % 4) {
    case 1: return transpose(flip(self, IntArrayRef(b)), a, b);
    case 2: return flip(self, dims);
    case 3: return transpose(flip(self, IntArrayRef(a)), a, b);
    default: return clone(self, MemoryFormat::Contiguous);
  }
}

// ---- repeat ----

TensorSpec repeat_meta(const Tensor& self, IntArrayRef repeats) {
  RL_CHECK(RuntimeError, int64_t(repeats.size()) >= self.dim(),
           "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor. "
           "Hint: repeat: the tensor has shape ",
           self.sizes(), ", got ", repeats, "; give a count for each dimension, 1 for those to keep");
  Dims sizes(repeats);
  for (int64_t r : repeats)
    RL_CHECK(RuntimeError, r >= 0, "Trying to create tensor with negative dimension ", r, ": ", repeats);
  size_t lead = repeats.size() - size_t(self.dim());
  for (size_t d = lead; d < repeats.size(); d++) sizes[d] = CheckedInt(sizes[d]) * self.sizes()[d - lead];
  return {.sizes = sizes, .dtype = self.dtype(), .device = self.device()};
}
void repeat_cpu(const Tensor& self, IntArrayRef repeats, const Tensor& out) {
  if (out.numel() == 0) return;
  // Each dimension of the result is two: which copy, and where in it.
  Dims sizes, to, from;
  size_t lead = repeats.size() - size_t(self.dim());
  for (size_t d = 0; d < repeats.size(); d++) {
    int64_t n = d < lead ? 1 : self.sizes()[d - lead];
    sizes.push_back(repeats[d]);
    to.push_back(out.strides()[d] * n);
    from.push_back(0);
    sizes.push_back(n);
    to.push_back(out.strides()[d]);
    from.push_back(d < lead ? 0 : self.strides()[d - lead]);
  }
  copy_elements(alias_tensor(out, sizes, to, out.storage_offset()),
                alias_tensor(self, sizes, from, self.storage_offset()));
}
Grads repeat_grad(const Saved& s, const Tensor& g) {
  IntArrayRef repeats = s.arg("repeats").int_list();
  const Dims& sizes = s.sizes("self");
  if (g.numel() == 0) return {zeros(sizes, g.dtype(), std::nullopt, g.device())};
  size_t lead = repeats.size() - sizes.size();
  Dims opened, copies;
  for (size_t d = 0; d < repeats.size(); d++) {
    copies.push_back(int64_t(opened.size()));
    opened.push_back(repeats[d]);
    if (d >= lead) opened.push_back(sizes[d - lead]);
  }
  if (copies.empty()) return {g};
  return {sum(reshape(g, opened), IntArrayRef(copies))};
}
Tensor tile_op(const Tensor& self, IntArrayRef dims) {
  Dims all(size_t(std::max<int64_t>(0, self.dim() - int64_t(dims.size()))), 1);
  for (int64_t d : dims) all.push_back(d);
  return repeat(self, all);
}

// ---- repeat_interleave ----

int64_t total_of(const Tensor& counts) {
  int64_t total = 0;
  for (int64_t i = 0; i < counts.numel(); i++) {
    RL_CHECK(RuntimeError, counts.data<int64_t>()[i] >= 0, "repeats can not be negative");
    RL_CHECK(RuntimeError, !__builtin_add_overflow(total, counts.data<int64_t>()[i], &total),
             "repeat_interleave: the repeats add up to more than 64 bits hold");
  }
  return total;
}
TensorSpec interleave_meta(const Tensor& repeats, const std::optional<int64_t>& size) {
  RL_CHECK(RuntimeError, repeats.dim() == 1, "repeat_interleave only accept 1D vector as repeat");
  RL_CHECK(RuntimeError, repeats.dtype() == DType::Int64 || repeats.dtype() == DType::Int32,
           "repeats has to be Long or Int tensor");
  RL_CHECK(NotImplementedError, size || !repeats.device().is_meta(),
           "repeat_interleave: the size of the result depends ", "on values that device ", repeats.device(),
           " doesn't show; pass output_size");
  return {.sizes = Dims{size ? *size : total_of(dense(repeats, DType::Int64))},
          .dtype = DType::Int64,
          .device = repeats.device()};
}
void interleave_cpu(const Tensor& repeats, const std::optional<int64_t>& size, const Tensor& out) {
  Tensor counts = dense(repeats, DType::Int64);
  RL_CHECK(RuntimeError, !size || *size == total_of(counts), "allocated size does not match required size");
  for (int64_t i = 0, at = 0; i < counts.numel(); i++)
    for (int64_t k = 0; k < counts.data<int64_t>()[i]; k++) out.data<int64_t>()[at++] = i;
}
Tensor interleave_tensor(const Tensor& self, const Tensor& repeats, const std::optional<int64_t>& dim,
                         const std::optional<int64_t>& size) {
  Tensor input = dim ? self : flatten(self);
  int64_t at = wrap_dim(dim.value_or(0), input.dim());
  Tensor counts = at_least_1d(repeats);
  RL_CHECK(RuntimeError, repeats.dim() <= 1, "repeats must be 0-dim or 1-dim tensor");
  int64_t n = input.dim() == 0 ? 1 : input.size(at);
  RL_CHECK(RuntimeError, counts.numel() == 1 || counts.numel() == n,
           "repeats must have the same size as input along dim, but got repeats.size(0) = ", counts.numel(),
           " and input.size(", at, ") = ", n);
  if (counts.numel() == 1) counts = alias_tensor(counts, n, IntArrayRef(int64_t(0)), counts.storage_offset());
  return index_select(at_least_1d(input), at, repeat_interleave(counts, size));
}
Tensor interleave_int(const Tensor& self, int64_t repeats, const std::optional<int64_t>& dim,
                      const std::optional<int64_t>& size) {
  RL_CHECK(RuntimeError, repeats >= 0, "Repeats must be non-negative");
  Tensor input = self.dim() == 0 ? reshape(self, IntArrayRef(int64_t(1))) : self;
  int64_t n = dim ? input.size(*dim) : input.numel(), total = 0;
  RL_CHECK(RuntimeError, !__builtin_mul_overflow(n, repeats, &total), "repeat_interleave: ", n, " elements repeated ",
           repeats, " times are more than 64 bits count");
  RL_CHECK(RuntimeError, !size || *size == total, "allocated size does not match required size");
  return interleave_tensor(input, full({1}, repeats, DType::Int64, std::nullopt, self.device()), dim, total);
}

}  // namespace

OP(flip, {.schema = "flip(Tensor self, int[] dims) -> Tensor",
          .doc = "Reverses dimensions. >>> torch.flip(torch.tensor([1, 2]), [0])\ntensor([2, 1])",
          .kernel = structured<flip_meta, flip_cpu>(),
          .grad = {{}, flip_grad},
          .forms = kFunction | kMethod});
OP(fliplr, {.schema = "fliplr(Tensor self) -> Tensor",
            .doc = "Reverses columns. >>> torch.fliplr(torch.tensor([[1, 2]]))\ntensor([[2, 1]])",
            .kernel = composite<fliplr_op>()});
OP(flipud, {.schema = "flipud(Tensor self) -> Tensor",
            .doc = "Reverses rows. >>> torch.flipud(torch.tensor([1, 2]))\ntensor([2, 1])",
            .kernel = composite<flipud_op>()});
OP(roll, {.schema = "roll(Tensor self, int[1] shifts, int[1] dims=[]) -> Tensor",
          .doc = "Shifts around; what leaves at one end comes in at the other. >>> torch.roll(torch.tensor([1, 2, 3]), "
                 "1)\ntensor([3, 1, 2])",
          .kernel = composite<roll_op>(),
          .node = "RollBackward0"});
OP(rot90,
   {.schema = "rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor",
    .doc = "Rotates a plane by k quarter turns. >>> torch.rot90(torch.tensor([[1, 2]]))\ntensor([[2],\n        [1]])",
    .kernel = composite<rot90_op>()});
OP(repeat, {.schema = "repeat(Tensor self, int[] repeats) -> Tensor",
            .doc = "Copies along dimensions. >>> torch.tensor([1, 2]).repeat(2)\ntensor([1, 2, 1, 2])",
            .kernel = structured<repeat_meta, repeat_cpu>(),
            .grad = {{}, repeat_grad},
            .forms = kMethod});
OP(tile, {.schema = "tile(Tensor self, int[] dims) -> Tensor",
          .doc = "repeat, with missing dims counting from the last. >>> torch.tile(torch.tensor([1, 2]), "
                 "(2,))\ntensor([1, 2, 1, 2])",
          .kernel = composite<tile_op>()});
OP(repeat_interleave,
   {.schema = "repeat_interleave.Tensor(Tensor repeats, *, int? output_size=None) -> Tensor",
    .doc = "Position i, repeats[i] times. >>> torch.repeat_interleave(torch.tensor([1, 2]))\ntensor([0, 1, 1])",
    .kernel = structured<interleave_meta, interleave_cpu>(),
    .forms = kFunction});
OP(repeat_interleave_self,
   {.schema =
        "repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, int? output_size=None) -> Tensor",
    .doc = "Each element as often as repeats says."
           " >>> torch.repeat_interleave(torch.tensor([7, 8]), torch.tensor([1, 3]))\ntensor([7, 8, 8, 8])",
    .kernel = composite<interleave_tensor>()});
OP(repeat_interleave_int,
   {.schema = "repeat_interleave.self_int(Tensor self, int repeats, int? dim=None, *, int? output_size=None) -> Tensor",
    .doc = "Each element so many times. >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)\ntensor([1, 1, 2, 2])",
    .kernel = composite<interleave_int>()});

}  // namespace rushlight
