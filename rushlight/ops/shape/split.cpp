// Cutting a tensor into views: split, chunk, tensor_split, unbind and their relatives.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/slice.h"
#include "rushlight/kernels/copying.h"

namespace rushlight {
namespace {

int64_t checked_dim(const char* op, const Tensor& self, int64_t dim) {
  RL_CHECK(RuntimeError, self.dim() > 0, op, " expects at least a 1-dimensional tensor");
  return wrap_dim(dim, self.dim());
}

// Pieces without elements cost memory too.
void check_pieces(const char* op, int64_t pieces) {
  RL_CHECK(OutOfMemory, pieces <= int64_t(1) << 28, op, ": ", pieces, " tensors are more than memory can hold");
}

Tensors split_size(const Tensor& self, int64_t size, int64_t dim) {
  dim = checked_dim("split", self, dim);
  RL_CHECK(RuntimeError, size >= 0, "split expects split_size be non-negative, but got split_size=", size);
  int64_t n = self.size(dim);
  RL_CHECK(RuntimeError, size > 0 || n == 0,
           "split_size can only be 0 if dimension size is 0, but got dimension size of ", n);
  Tensors out;
  int64_t at = 0;
  do {
    int64_t length = std::min(size, n - at);
    out.push_back(slice(self, dim, at, at + length));
    at += length;
  } while (at < n);
  return out;
}

Tensors split_with_sizes(const Tensor& self, IntArrayRef sizes, int64_t dim) {
  dim = checked_dim("split", self, dim);
  int64_t n = self.size(dim), at = 0;
  for (int64_t s : sizes) {
    RL_CHECK(RuntimeError, s >= 0,
             "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", sizes);
    at = CheckedInt(at) + s;
  }
  RL_CHECK(RuntimeError, at == n, "split_with_sizes expects split_sizes to sum exactly to ", n,
           " (input tensor's size at dimension ", dim, "), but got split_sizes=", sizes,
           ". Hint: a single number n makes parts of n elements, the last one smaller");
  Tensors out;
  at = 0;
  for (int64_t s : sizes) {
    out.push_back(slice(self, dim, at, at + s));
    at += s;
  }
  return out;
}

Tensors chunk(const Tensor& self, int64_t chunks, int64_t dim) {
  RL_CHECK(RuntimeError, self.dim() > 0, "chunk expects at least a 1-dimensional tensor");
  RL_CHECK(RuntimeError, chunks > 0, "chunk expects `chunks` to be greater than 0, got: ", chunks);
  int64_t n = self.size(dim), size = ceil_div(n, chunks);
  if (size == 0) {
    check_pieces("chunk", chunks);
    return split_with_sizes(self, std::vector<int64_t>(size_t(chunks), 0), dim);
  }
  return split_size(self, size, dim);
}

Tensors tensor_split_sections(const Tensor& self, int64_t sections, int64_t dim) {
  RL_CHECK(RuntimeError, self.dim() > 0,
           "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", self.dim(), " dims");
  int64_t at = wrap_dim(dim, self.dim());
  RL_CHECK(RuntimeError, sections > 0, "number of sections must be larger than 0, got ", sections);
  check_pieces("tensor_split", sections);
  int64_t n = self.size(at), start = 0;
  Tensors out;
  for (int64_t i = 0; i < sections; i++) {
    int64_t size = n / sections + (i < n % sections);
    out.push_back(slice(self, at, start, start + size));
    start += size;
  }
  return out;
}
Tensors tensor_split_indices(const Tensor& self, IntArrayRef indices, int64_t dim) {
  RL_CHECK(RuntimeError, self.dim() > 0,
           "tensor_split expected at least a 1-dimensional tensor, but got a tensor with ", self.dim(), " dims");
  int64_t at = wrap_dim(dim, self.dim()), start = 0;
  Tensors out;
  for (int64_t end : indices) {
    out.push_back(slice(self, at, start, end));
    start = end;
  }
  out.push_back(slice(self, at, start, self.size(at)));
  return out;
}
Tensors tensor_split_tensor(const Tensor& self, const Tensor& by, int64_t dim) {
  RL_CHECK(RuntimeError, by.dtype() == DType::Int64,
           "tensor_split expected tensor_indices_or_sections to have dtype of long, but got ",
           scalar_type_name(by.dtype()));
  RL_CHECK(RuntimeError, by.dim() <= 1,
           "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but "
           "got a tensor with ",
           by.dim(), " dims");
  check_has_memory(by, "tensor_split");
  Tensor values = dense(by);
  if (by.dim() == 0) return tensor_split_sections(self, *values.data<int64_t>(), dim);
  return tensor_split_indices(self, IntArrayRef(values.data<int64_t>(), size_t(values.numel())), dim);
}

// hsplit, vsplit, dsplit: tensor_split along a fixed dimension, with sections that must divide evenly.
Tensors split_evenly(const char* op, int64_t min_rank, int64_t dim, const Tensor& self, int64_t sections) {
  RL_CHECK(RuntimeError, self.dim() >= min_rank, "torch.", op, " requires a tensor with at least ", min_rank,
           " dimension", min_rank > 1 ? "s" : "", ", but got a tensor with ", self.dim(), " dimensions!");
  RL_CHECK(RuntimeError, sections != 0 && self.size(dim) % sections == 0, "torch.", op,
           " attempted to split along dimension ", dim, ", but the size of the dimension ", self.size(dim),
           " is not divisible by the split_size ", sections, "!");
  return tensor_split_sections(self, sections, dim);
}
Tensors split_at(const char* op, int64_t min_rank, int64_t dim, const Tensor& self, IntArrayRef indices) {
  RL_CHECK(RuntimeError, self.dim() >= min_rank, "torch.", op, " requires a tensor with at least ", min_rank,
           " dimension", min_rank > 1 ? "s" : "", ", but got a tensor with ", self.dim(), " dimensions!");
  return tensor_split_indices(self, indices, dim);
}
Tensors hsplit_int(const Tensor& self, int64_t sections) {
  return split_evenly("hsplit", 1, self.dim() == 1 ? 0 : 1, self, sections);
}
Tensors hsplit_array(const Tensor& self, IntArrayRef indices) {
  return split_at("hsplit", 1, self.dim() == 1 ? 0 : 1, self, indices);
}
Tensors vsplit_int(const Tensor& self, int64_t sections) { return split_evenly("vsplit", 2, 0, self, sections); }
Tensors vsplit_array(const Tensor& self, IntArrayRef indices) { return split_at("vsplit", 2, 0, self, indices); }
Tensors dsplit_int(const Tensor& self, int64_t sections) { return split_evenly("dsplit", 3, 2, self, sections); }
Tensors dsplit_array(const Tensor& self, IntArrayRef indices) { return split_at("dsplit", 3, 2, self, indices); }

Tensors unbind(const Tensor& self, int64_t dim) {
  RL_CHECK(IndexError, self.dim() > 0, "Dimension specified as ", dim, " but tensor has no dimensions");
  dim = wrap_dim(dim, self.dim());
  Tensors out;
  for (int64_t i = 0; i < self.size(dim); i++) out.push_back(select(self, dim, i));
  return out;
}

// To autograd the pieces are tensors of their own, no views: a write to one concerns no other.
template <auto split, class... Args> Tensors unsafe(const Tensor& self, Args... args) {
  Tensors out = split(self, args...);
  for (const Tensor& t : out) {
    if (t.is_same(self)) continue;
    t.impl()->set_base(nullptr);
    t.impl()->detach_version();
  }
  return out;
}

// Autograd lets none of several views be written to, but for those of the unsafe_ forms.
template <auto f, class... Args>
Tensors one_of_many(const Tensor& self, Args... args) {
  Tensors pieces = f(self, args...);
  for (const Tensor& t : pieces)
    if (t.is_view() && t.impl()->view_kind() == ViewKind::Tracked)
      t.impl()->set_base(t.impl()->base(), ViewKind::OneOfMany);
  return pieces;
}

}  // namespace

// The pieces are views because slice and select are.
OP(split, {.schema = "split.Tensor(Tensor(a -> *) self, int split_size, int dim=0) -> Tensor(a)[]",
           .doc = "Views of pieces of one size; the last may be smaller. >>> torch.split(torch.arange(3), "
                  "2)\n(tensor([0, 1]), tensor([2]))",
           .kernel = composite<one_of_many<split_size, int64_t, int64_t>>(),
           .node = "SplitBackward0"});
OP(split_sizes,
   {.schema = "split.sizes(Tensor(a -> *) self, int[] split_size, int dim=0) -> Tensor(a)[]",
    .doc =
        "Views of pieces of the given sizes. >>> torch.split(torch.arange(3), [1, 2])\n(tensor([0]), tensor([1, 2]))",
    .kernel = composite<one_of_many<split_with_sizes, IntArrayRef, int64_t>>(),
    .node = "SplitWithSizesBackward0"});
OP(split_with_sizes, {.schema = "split_with_sizes(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]",
                      .doc = "Views of pieces of the given sizes. >>> torch.split_with_sizes(torch.arange(3), [1, "
                             "2])\n(tensor([0]), tensor([1, 2]))",
                      .kernel = composite<one_of_many<split_with_sizes, IntArrayRef, int64_t>>(),
                      .node = "SplitWithSizesBackward0"});
OP(chunk,
   {.schema = "chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]",
    .doc = "At most so many views of equal pieces. >>> torch.chunk(torch.arange(3), 2)\n(tensor([0, 1]), tensor([2]))",
    .kernel = composite<one_of_many<chunk, int64_t, int64_t>>(),
    .node = "SplitBackward0"});
OP(unsafe_split, {.schema = "unsafe_split.Tensor(Tensor(a -> *) self, int split_size, int dim=0) -> Tensor(a)[]",
                  .doc = "As split; autograd lets the pieces be written to in place.",
                  .kernel = composite<unsafe<split_size, int64_t, int64_t>>(),
                  .node = "UnsafeSplitBackward0"});
OP(unsafe_split_with_sizes,
   {.schema = "unsafe_split_with_sizes(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]",
    .doc = "As split_with_sizes; autograd lets the pieces be written to in place.",
    .kernel = composite<unsafe<split_with_sizes, IntArrayRef, int64_t>>(),
    .node = "UnsafeSplitWithSizesBackward0"});
OP(unsafe_chunk, {.schema = "unsafe_chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]",
                  .doc = "As chunk; autograd lets the pieces be written to in place.",
                  .kernel = composite<unsafe<chunk, int64_t, int64_t>>(),
                  .node = "UnsafeSplitBackward0"});
OP(tensor_split, {.schema = "tensor_split.sections(Tensor(a -> *) self, int sections, int dim=0) -> Tensor(a)[]",
                  .doc = "Exactly so many views, sizes differing by one at most. >>> "
                         "torch.tensor_split(torch.arange(3), 2)\n(tensor([0, 1]), tensor([2]))",
                  .kernel = composite<tensor_split_sections>()});
OP(tensor_split_indices,
   {.schema = "tensor_split.indices(Tensor(a -> *) self, int[] indices, int dim=0) -> Tensor(a)[]",
    .doc = "Views cut at the given places. >>> torch.tensor_split(torch.arange(3), [1])\n(tensor([0]), tensor([1, 2]))",
    .kernel = composite<tensor_split_indices>()});
OP(tensor_split_tensor, {.schema = "tensor_split.tensor_indices_or_sections(Tensor(a -> *) self, Tensor "
                                   "tensor_indices_or_sections, int dim=0) -> Tensor(a)[]",
                         .doc = "Views cut at places, or into a number of pieces, given by a tensor.",
                         .kernel = composite<tensor_split_tensor>()});
OP(hsplit, {.schema = "hsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
            .doc = "Equal pieces along columns. >>> torch.hsplit(torch.arange(2), 2)\n(tensor([0]), tensor([1]))",
            .kernel = composite<hsplit_int>()});
OP(hsplit_array, {.schema = "hsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
                  .doc = "Cut along columns at the given places.",
                  .kernel = composite<hsplit_array>()});
OP(vsplit,
   {.schema = "vsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
    .doc = "Equal pieces along rows. >>> torch.vsplit(torch.eye(2), 2)\n(tensor([[1., 0.]]), tensor([[0., 1.]]))",
    .kernel = composite<vsplit_int>()});
OP(vsplit_array, {.schema = "vsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
                  .doc = "Cut along rows at the given places.",
                  .kernel = composite<vsplit_array>()});
OP(dsplit, {.schema = "dsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
            .doc = "Equal pieces along the third dimension."
                   " >>> torch.dsplit(torch.ones(1, 1, 4), 2)[0].shape\ntorch.Size([1, 1, 2])",
            .kernel = composite<dsplit_int>()});
OP(dsplit_array, {.schema = "dsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
                  .doc = "Cut along the third dimension at the given places.",
                  .kernel = composite<dsplit_array>()});
OP(unbind,
   {.schema = "unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]",
    .doc =
        "Views of all slices along a dimension, without it. >>> torch.unbind(torch.arange(2))\n(tensor(0), tensor(1))",
    .kernel = composite<one_of_many<unbind, int64_t>>(),
    .node = "UnbindBackward0"});

}  // namespace rushlight
