// Changes of a tensor's own geometry: squeeze_, transpose_, resize_, set_, ... They leave the memory as it is, but for resize_ growing it.
#include "rushlight/core/fresh_memory.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/as_strided.h"
#include "rushlight/fn/as_strided_backward.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

void become(const Tensor& self, const Tensor& view) {
  self.impl()->set_geometry(view.sizes(), view.strides(), view.storage_offset());
}

void squeeze_all(const Tensor& self) { become(self, squeeze(self)); }
void squeeze_dim(const Tensor& self, int64_t dim) { become(self, squeeze(self, dim)); }
void squeeze_dims(const Tensor& self, IntArrayRef dims) { become(self, squeeze(self, dims)); }
void unsqueeze_dim(const Tensor& self, int64_t dim) { become(self, unsqueeze(self, dim)); }
void transpose_dims(const Tensor& self, int64_t dim0, int64_t dim1) { become(self, transpose(self, dim0, dim1)); }
void transpose_two(const Tensor& self) { become(self, t(self)); }
void as_strided_own(const Tensor& self, IntArrayRef size, IntArrayRef stride, const std::optional<int64_t>& offset) {
  become(self, as_strided(self, size, stride, offset));
}

void resize_own(const Tensor& self, IntArrayRef size, const std::optional<MemoryFormat>& format) {
  RL_CHECK(RuntimeError, !self.requires_grad() || thread_state.inference_mode,
           "cannot resize variables that require grad");
  size_t before = self.storage().bytes();
  resize_tensor(self, size);
  if (fill_fresh_memory && self.storage().bytes() > before) fill_fresh(self, before);
  if (format && *format != MemoryFormat::Preserve)
    self.impl()->set_geometry(size, strides_for(size, *format), self.storage_offset());
}
void resize_as_own(const Tensor& self, const Tensor& the_template, const std::optional<MemoryFormat>& format) {
  std::optional<MemoryFormat> as = format;
  if (format == MemoryFormat::Preserve && !the_template.is_contiguous())
    for (MemoryFormat f : {MemoryFormat::ChannelsLast, MemoryFormat::ChannelsLast3d})
      if (the_template.is_contiguous(f)) as = f;
  resize_own(self, the_template.sizes(), as);
}
// Other memory at the same sizes doesn't count as a change.
template <auto F>
Kernel resizing() {
  Kernel k = mutation<F>();
  k.call = [](const Op&, IValue* args, IValue* rets) {
    Tensor self = args[0].tensor();
    Dims before = self.sizes();
    Signature<decltype(F)>::apply(F, args);
    if (self.sizes() != before) rets[0] = IValue(args[0]);
  };
  return k;
}
void set_to(const Tensor& self, const Tensor& source) {
  RL_CHECK(RuntimeError, self.dtype() == source.dtype(), "Expected a Storage of type ", self.dtype(),
           ": Could not set tensor of type ", source.dtype(), " to a tensor of type ", self.dtype());
  RL_CHECK(RuntimeError, self.device() == source.device(), "set_: expected source on the device of self, ",
           self.device(), ", got one on ", source.device());
  uint32_t before = self.impl()->version();
  self.impl()->set_storage(source.impl()->storage(), source.dtype());
  become(self, source);
  // A graph that kept self has to find that it changed, whatever happened to the other memory.
  self.impl()->detach_version(before);
}

Grads strided_back(const Saved& s, const Tensor& g) {
  Tensor self = s["self"];
  int64_t offset = self.storage_offset();
  if (const IValue& given = s.arg("storage_offset"); !given.is_none()) offset = given.to_int();
  return {as_strided_backward(g, self.sizes(), self.strides(), self.storage_offset(), s.arg("size").int_list(),
                              s.arg("stride").int_list(), offset)};
}
Grads shaped_back(const Saved& s, const Tensor& g) { return {reshape(g, s.sizes("self"))}; }

}  // namespace

OP(squeeze_, {.schema = "squeeze_(Tensor(a!) self) -> Tensor(a!)",
              .doc = "Drops its dimensions of size 1."
                     " >>> torch.ones(1, 2).squeeze_()\ntensor([1., 1.])",
              .kernel = mutation<squeeze_all>(),
              .grad = {{}, shaped_back},
              .forms = kMethod,
              .any_device = true,
              .reshapes = true});
OP(squeeze_dim_, {.schema = "squeeze_.dim(Tensor(a!) self, int dim) -> Tensor(a!)",
                  .doc = "Drops a dimension if it is of size 1.",
                  .kernel = mutation<squeeze_dim>(),
                  .grad = {{}, shaped_back},
                  .forms = kMethod,
                  .node = "SqueezeBackward1",
                  .any_device = true,
                  .reshapes = true});
OP(squeeze_dims_, {.schema = "squeeze_.dims(Tensor(a!) self, int[] dim) -> Tensor(a!)",
                   .doc = "Drops those of its dimensions that are of size 1.",
                   .kernel = mutation<squeeze_dims>(),
                   .grad = {{}, shaped_back},
                   .forms = kMethod,
                   .node = "SqueezeBackward2",
                   .any_device = true,
                   .reshapes = true});
OP(unsqueeze_, {.schema = "unsqueeze_(Tensor(a!) self, int dim) -> Tensor(a!)",
                .doc = "Adds a dimension of size 1."
                       " >>> torch.ones(2).unsqueeze_(0)\ntensor([[1., 1.]])",
                .kernel = mutation<unsqueeze_dim>(),
                .grad = {{}, shaped_back},
                .forms = kMethod,
                .any_device = true,
                .reshapes = true});
OP(transpose_, {.schema = "transpose_(Tensor(a!) self, int dim0, int dim1) -> Tensor(a!)",
                .doc = "Swaps two of its dimensions."
                       " >>> torch.tensor([[1, 2]]).transpose_(0, 1)\ntensor([[1],\n        [2]])",
                .kernel = mutation<transpose_dims>(),
                .grad = {{},
                         [](const Saved& s, const Tensor& g) -> Grads {
                           return {transpose(g, s.arg("dim0").to_int(), s.arg("dim1").to_int())};
                         }},
                .forms = kMethod,
                .aliases = {"swapdims_"},
                .any_device = true,
                .reshapes = true,
                .sparse = sparse_transpose_});
OP(swapaxes_, {.schema = "swapaxes_(Tensor(a!) self, int axis0, int axis1) -> Tensor(a!)",
               .doc = "transpose_ under numpy's name.",
               .kernel = mutation<transpose_dims>(),
               .grad = {{},
                        [](const Saved& s, const Tensor& g) -> Grads {
                          return {transpose(g, s.arg("axis0").to_int(), s.arg("axis1").to_int())};
                        }},
               .forms = kMethod,
               .node = "TransposeBackward0",
               .any_device = true,
               .reshapes = true});
OP(t_, {.schema = "t_(Tensor(a!) self) -> Tensor(a!)",
        .doc = "Swaps its two dimensions."
               " >>> torch.tensor([[1, 2]]).t_()\ntensor([[1],\n        [2]])",
        .kernel = mutation<transpose_two>(),
        .grad = {{}, [](const Saved&, const Tensor& g) -> Grads { return {t(g)}; }},
        .forms = kMethod,
        .any_device = true,
        .reshapes = true,
        .sparse = sparse_t_});
OP(as_strided_,
   {.schema = "as_strided_(Tensor(a!) self, int[] size, int[] stride, int? storage_offset=None) -> Tensor(a!)",
    .doc = "Takes another geometry over its memory.",
    .kernel = mutation<as_strided_own>(),
    .grad = {{"self"}, strided_back},
    .forms = kMethod | kFunction,
    .any_device = true,
    .reshapes = true});
OP(resize_, {.schema = "resize_(Tensor(a!) self, int[] size, *, MemoryFormat? memory_format=None) -> Tensor(a!)",
             .doc = "Takes another size; memory grows if it must, new elements are uninitialised."
                    " >>> torch.tensor([1, 2, 3]).resize_(2)\ntensor([1, 2])",
             .kernel = resizing<resize_own>(),
             .forms = kMethod,
             .any_device = true,
             .reshapes = true});
OP(resize_as_,
   {.schema = "resize_as_(Tensor(a!) self, Tensor the_template, *, MemoryFormat? memory_format=None) -> Tensor(a!)",
    .doc = "Takes the size of another tensor.",
    .kernel = resizing<resize_as_own>(),
    .forms = kMethod | kFunction,
    .any_device = true,
    .reshapes = true});
OP(set_, {.schema = "set_.source_Tensor(Tensor(a!) self, Tensor source) -> Tensor(a!)",
          .doc = "Takes over another tensor's memory and geometry."
                 " >>> torch.empty(0).set_(torch.tensor([1., 2.]))\ntensor([1., 2.])",
          .kernel = mutation<set_to>(),
          .forms = kMethod,
          .any_device = true,
          .shares = {"source"},
          .reshapes = true});

}  // namespace rushlight
