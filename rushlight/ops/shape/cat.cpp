// Joining tensors: cat, stack and their relatives; meshgrid, cartesian_prod, combinations; atleast_Nd.
#include "rushlight/fn/cat.h"

#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

#include "rushlight/dispatch/forms.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/expand.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/index_select.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/slice.h"
#include "rushlight/fn/stack.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/fn/zeros.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/index/indices.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

// PyTorch has let tensors of shape [0] stand in any list since the time before empty shapes.
bool is_nothing(IntArrayRef sizes) { return sizes.size() == 1 && sizes[0] == 0; }

TensorSpec cat_meta(TensorList tensors, int64_t dim) {
  RL_CHECK(ValueError, !tensors.empty(), "torch.cat(): expected a non-empty list of Tensors");
  const Tensor* model = nullptr;
  DType dtype = tensors[0].dtype();
  for (size_t i = 0; i < tensors.size(); i++) {
    RL_CHECK(RuntimeError, tensors[i].dim() > 0, "zero-dimensional tensor (at position ", i,
             ") cannot be concatenated. Hint: torch.stack makes one tensor of numbers");
    if (i) dtype = promote_types(dtype, tensors[i].dtype());
    if (!model && !is_nothing(tensors[i].sizes())) model = &tensors[i];
  }
  if (!model) return {.sizes = Dims{0}, .dtype = dtype, .device = tensors[0].device()};  // in any dimension
  int64_t at = wrap_dim(dim, model->dim());
  Dims sizes = model->sizes();
  sizes[size_t(at)] = 0;
  for (size_t i = 0; i < tensors.size(); i++) {
    const Dims& s = tensors[i].sizes();
    if (is_nothing(s)) continue;
    RL_CHECK(RuntimeError, s.size() == sizes.size(), "Tensors must have same number of dimensions: got ", sizes.size(),
             " and ", s.size(), ". Hint: cat: shapes ", sizes, " and ", s,
             "; unsqueeze one, or use stack to join along a new dimension");
    for (size_t d = 0; d < sizes.size(); d++)
      RL_CHECK(RuntimeError, int64_t(d) == at || s[d] == sizes[d], "Sizes of tensors must match except in dimension ",
               at, ". Expected size ", sizes[d], " but got size ", s[d], " for tensor number ", i,
               " in the list. Hint: cat: shapes ", tensors[0].sizes(), " and ", s, " differ in dimension ", d,
               "; join along that one with dim=", d, ", or pad or slice");
    sizes[size_t(at)] = CheckedInt(sizes[size_t(at)]) + s[size_t(at)];
  }
  return {.sizes = sizes, .dtype = dtype, .device = tensors[0].device()};
}

void cat_cpu(TensorList tensors, int64_t dim, const Tensor& out) {
  if (out.numel() == 0) return;
  size_t d = size_t(wrap_dim(dim, out.dim()));
  int64_t at = 0, size = out.item_size(), outer = 1, inner = size;
  for (size_t i = 0; i < out.sizes().size(); i++) (i < d ? outer : inner) *= i == d ? 1 : out.sizes()[i];
  int64_t row = inner * out.sizes()[d];
  for (const Tensor& t : tensors) {
    if (t.numel() == 0) continue;
    int64_t n = t.sizes()[d];
    if (out.is_contiguous() && t.is_contiguous() && t.dtype() == out.dtype()) {
      char* to = static_cast<char*>(out.raw()) + at * inner;
      const char* from = static_cast<const char*>(t.raw());
      int64_t bytes = n * inner;
      if (outer == 1)
        parallel_for(0, bytes, 1 << 20, [&](int64_t b, int64_t e) { std::memcpy(to + b, from + b, size_t(e - b)); });
      else
        parallel_for(0, outer, std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(bytes, 1)),
                     [&](int64_t b, int64_t e) {
                       for (int64_t o = b; o < e; o++) std::memcpy(to + o * row, from + o * bytes, size_t(bytes));
                     });
    } else {
      copy_elements(alias_tensor(out, t.sizes(), out.strides(), out.storage_offset() + at * out.strides()[d]), t);
    }
    at += n;
  }
}
Grads cat_grad(const Saved& s, const Tensor& g) {
  int64_t dim = s.arg("dim").to_int(), at = 0;
  if (dim < 0) dim += g.dim();
  Grads grads;
  for (size_t i = 0; i < s.list_size("tensors"); i++) {
    const Dims& sizes = s.list_item_sizes("tensors", i);
    if (is_nothing(sizes)) {
      grads.push_back(zeros(sizes, g.dtype(), std::nullopt, g.device()));
      continue;
    }
    int64_t n = sizes[size_t(dim)];
    grads.push_back(slice(g, dim, at, at + n));
    at += n;
  }
  return grads;
}

Tensor stack_op(TensorList tensors, int64_t dim) {
  RL_CHECK(RuntimeError, !tensors.empty(), "stack expects a non-empty TensorList");
  int64_t at = wrap_dim(dim, tensors[0].dim() + 1);
  Tensors opened;
  opened.reserve(tensors.size());
  for (size_t i = 0; i < tensors.size(); i++) {
    RL_CHECK(RuntimeError, tensors[i].sizes() == tensors[0].sizes(),
             "stack expects each tensor to be equal size, but got ", tensors[0].sizes(), " at entry 0 and ",
             tensors[i].sizes(), " at entry ", i,
             ". Hint: pad them to one size (torch.nn.utils.rnn.pad_sequence), or use cat");
    opened.push_back(unsqueeze(tensors[i], at));
  }
  return cat(opened, at);
}

Tensor at_least(const Tensor& t, int64_t rank) {
  if (t.dim() >= rank) return t;
  if (t.dim() == 0) return reshape(t, Dims(size_t(rank), 1));
  Tensor two = t.dim() == 1 && rank >= 2 ? unsqueeze(t, 0) : t;
  return rank == 3 ? unsqueeze(two, -1) : two;
}
Tensors all_at_least(TensorList tensors, int64_t rank) {
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(at_least(t, rank));
  return out;
}
Tensor atleast_1d_op(const Tensor& self) { return at_least(self, 1); }
Tensor atleast_2d_op(const Tensor& self) { return at_least(self, 2); }
Tensor atleast_3d_op(const Tensor& self) { return at_least(self, 3); }
Tensors atleast_1d_list(TensorList tensors) { return all_at_least(tensors, 1); }
Tensors atleast_2d_list(TensorList tensors) { return all_at_least(tensors, 2); }
Tensors atleast_3d_list(TensorList tensors) { return all_at_least(tensors, 3); }

Tensor hstack_op(TensorList tensors) {
  RL_CHECK(RuntimeError, !tensors.empty(), "hstack expects a non-empty TensorList");
  Tensors t = all_at_least(tensors, 1);
  return cat(t, t[0].dim() == 1 ? 0 : 1);
}
Tensor vstack_op(TensorList tensors) {
  RL_CHECK(RuntimeError, !tensors.empty(), "vstack expects a non-empty TensorList");
  return cat(all_at_least(tensors, 2), 0);
}
Tensor dstack_op(TensorList tensors) {
  RL_CHECK(RuntimeError, !tensors.empty(), "dstack expects a non-empty TensorList");
  return cat(all_at_least(tensors, 3), 2);
}
Tensor column_stack_op(TensorList tensors) {
  RL_CHECK(RuntimeError, !tensors.empty(), "column_stack expects a non-empty TensorList");
  Tensors columns;
  for (const Tensor& t : tensors) columns.push_back(t.dim() <= 1 ? reshape(t, Dims{t.numel(), 1}) : t);
  return hstack_op(columns);
}

Tensors meshgrid_indexing(TensorList tensors, std::string_view indexing) {
  RL_CHECK(RuntimeError, !tensors.empty(), "meshgrid expects a non-empty TensorList");
  RL_CHECK(RuntimeError, indexing == "xy" || indexing == "ij",
           "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
  bool swap = indexing == "xy" && tensors.size() >= 2;
  Tensors given = tensors.vec();
  if (swap) std::swap(given[0], given[1]);
  Dims shape;
  for (const Tensor& t : given) {
    RL_CHECK(RuntimeError, t.dim() <= 1,
             "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: ", t.sizes());
    RL_CHECK(RuntimeError, t.dtype() == given[0].dtype(), "torch.meshgrid expects all tensors to have the same dtype");
    shape.push_back(t.numel());
  }
  Tensors grids;
  for (size_t i = 0; i < given.size(); i++) {
    Dims line(given.size(), 1);
    line[i] = shape[i];
    grids.push_back(expand(reshape(given[i], line), shape));
  }
  if (swap) std::swap(grids[0], grids[1]);
  return grids;
}
Tensors meshgrid_op(TensorList tensors) { return meshgrid_indexing(tensors, "ij"); }

Tensor cartesian_prod_op(TensorList tensors) {
  for (const Tensor& t : tensors) RL_CHECK(RuntimeError, t.dim() == 1, "Expect a 1D vector, but got shape ", t.sizes());
  if (tensors.size() == 1) return tensors[0];
  Tensors columns;
  for (const Tensor& t : meshgrid_indexing(tensors, "ij")) columns.push_back(flatten(t));
  return stack(columns, 1);
}
// n over k; nothing where that is more than can be counted.
std::optional<int64_t> binomial(int64_t n, int64_t k) {
  if (k > n) return 0;
  k = std::min(k, n - k);
  __int128 count = 1;
  for (int64_t i = 1; i <= k; i++) {
    count = count * (n - k + i) / i;
    if (count > std::numeric_limits<int64_t>::max()) return std::nullopt;
  }
  return int64_t(count);
}

Tensor combinations_op(const Tensor& self, int64_t r, bool with_replacement) {
  RL_CHECK(RuntimeError, self.dim() == 1, "Expect a 1D vector, but got shape ", self.sizes());
  RL_CHECK(RuntimeError, r >= 0, "Expect a non-negative number, but got ", r);
  if (r == 0) return zeros(Dims{0}, self.dtype(), std::nullopt, self.device());
  int64_t n = self.numel(), many = 0;
  std::optional<int64_t> found = 0;
  if (!with_replacement) found = binomial(n, r);
  else if (n > 0) found = __builtin_add_overflow(n, r - 1, &many) ? std::nullopt : binomial(many, r);
  RL_CHECK(OutOfMemory, found && !__builtin_mul_overflow(*found, r, &many), "combinations: ", r, " of ", n,
           " elements are more combinations than memory holds");
  int64_t count = *found;
  Tensor index = empty_tensor(many, DType::Int64);
  std::vector<int64_t> at(size_t(count ? r : 0), 0);
  if (!with_replacement) std::iota(at.begin(), at.end(), 0);
  for (int64_t row = 0; row < count; row++) {
    std::copy(at.begin(), at.end(), index.data<int64_t>() + row * r);
    int64_t d = r - 1;
    while (d >= 0 && at[size_t(d)] == (with_replacement ? n - 1 : n - r + d)) d--;
    if (d < 0) break;
    at[size_t(d)]++;
    for (int64_t e = d + 1; e < r; e++) at[size_t(e)] = with_replacement ? at[size_t(d)] : at[size_t(e - 1)] + 1;
  }
  return reshape(index_select(self, 0, moved_to(index, self.device())), Dims{count, r});
}

}  // namespace

OP(cat,
   {.schema = "cat(Tensor[] tensors, int dim=0) -> Tensor",
    .doc =
        "Joins tensors along a dimension. >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])\ntensor([1, 2, 3])",
    .kernel = structured<cat_meta, cat_cpu>(),
    .grad = {{}, cat_grad},
    .forms = kFunction | kOut | kOutConverts | kOutApart,
    .aliases = {"concat", "concatenate"},
    .autocast = Autocast::Promote,
    .sparse = sparse_form<sparse_cat>});
OP(stack,
   {.schema = "stack(Tensor[] tensors, int dim=0) -> Tensor",
    .doc = "Joins tensors along a new dimension. >>> torch.stack([torch.tensor(1), torch.tensor(2)])\ntensor([1, 2])",
    .kernel = composite<stack_op>(),
    .forms = kFunction | kOut,
    .node = "StackBackward0",
    .autocast = Autocast::Promote});
OP(hstack,
   {.schema = "hstack(Tensor[] tensors) -> Tensor",
    .doc = "Joins tensors side by side. >>> torch.hstack([torch.tensor([1]), torch.tensor([2])])\ntensor([1, 2])",
    .kernel = composite<hstack_op>(),
    .forms = kFunction | kOut});
OP(vstack, {.schema = "vstack(Tensor[] tensors) -> Tensor",
            .doc = "Joins tensors below each other. >>> torch.vstack([torch.tensor([1]), "
                   "torch.tensor([2])])\ntensor([[1],\n        [2]])",
            .kernel = composite<vstack_op>(),
            .forms = kFunction | kOut,
            .aliases = {"row_stack"}});
OP(dstack, {.schema = "dstack(Tensor[] tensors) -> Tensor",
            .doc = "Joins tensors along the third dimension. >>> torch.dstack([torch.tensor([1]), "
                   "torch.tensor([2])])\ntensor([[[1, 2]]])",
            .kernel = composite<dstack_op>(),
            .forms = kFunction | kOut});
OP(column_stack, {.schema = "column_stack(Tensor[] tensors) -> Tensor",
                  .doc = "Joins vectors as columns. >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, "
                         "4])])\ntensor([[1, 3],\n        [2, 4]])",
                  .kernel = composite<column_stack_op>(),
                  .forms = kFunction | kOut});
OP(meshgrid, {.schema = "meshgrid(Tensor[] tensors) -> Tensor[]",
              .doc = "Grids of coordinates from vectors of them."
                     " >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing=\"ij\")[0]\ntensor([[1, "
                     "1],\n        [2, 2]])",
              .kernel = composite<meshgrid_op>(),
              .forms = kFunction,
              .shares = {"tensors"}});
OP(meshgrid_indexing, {.schema = "meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]",
                       .doc = "Grids of coordinates; \"xy\" swaps the first two. >>> torch.meshgrid([torch.tensor([1, "
                              "2]), torch.tensor([3])], indexing='ij')[0]\ntensor([[1],\n        [2]])",
                       .kernel = composite<meshgrid_indexing>(),
                       .forms = kFunction,
                       .shares = {"tensors"}});
OP(cartesian_prod, {.schema = "cartesian_prod(Tensor[] tensors) -> Tensor",
                    .doc = "All tuples of one element from each vector. >>> torch.cartesian_prod(torch.tensor([1, 2]), "
                           "torch.tensor([3]))\ntensor([[1, 3],\n        [2, 3]])",
                    .kernel = composite<cartesian_prod_op>(),
                    .forms = kFunction,
                    .shares = {"tensors"}});
OP(combinations, {.schema = "combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor",
                  .doc = "All choices of r elements. >>> torch.combinations(torch.tensor([1, 2, 3]))\ntensor([[1, "
                         "2],\n        [1, 3],\n        [2, 3]])",
                  .kernel = composite<combinations_op>(),
                  .forms = kFunction});
OP(atleast_1d, {.schema = "atleast_1d(Tensor self) -> Tensor",
                .doc = "A view with at least one dimension. >>> torch.atleast_1d(torch.tensor(1))\ntensor([1])",
                .kernel = composite<atleast_1d_op>(),
                .forms = kFunction,
                .shares = {"self"}});
OP(atleast_2d, {.schema = "atleast_2d(Tensor self) -> Tensor",
                .doc = "A view with at least two dimensions. >>> torch.atleast_2d(torch.tensor(1))\ntensor([[1]])",
                .kernel = composite<atleast_2d_op>(),
                .forms = kFunction,
                .shares = {"self"}});
OP(atleast_3d, {.schema = "atleast_3d(Tensor self) -> Tensor",
                .doc = "A view with at least three dimensions. >>> torch.atleast_3d(torch.tensor(1))\ntensor([[[1]]])",
                .kernel = composite<atleast_3d_op>(),
                .forms = kFunction,
                .shares = {"self"}});
OP(atleast_1d_list, {.schema = "atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]",
                     .doc = "Views with at least one dimension.",
                     .kernel = composite<atleast_1d_list>(),
                     .forms = kFunction,
                     .shares = {"tensors"}});
OP(atleast_2d_list, {.schema = "atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]",
                     .doc = "Views with at least two dimensions.",
                     .kernel = composite<atleast_2d_list>(),
                     .forms = kFunction,
                     .shares = {"tensors"}});
OP(atleast_3d_list, {.schema = "atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]",
                     .doc = "Views with at least three dimensions.",
                     .kernel = composite<atleast_3d_list>(),
                     .forms = kFunction,
                     .shares = {"tensors"}});

}  // namespace rushlight
