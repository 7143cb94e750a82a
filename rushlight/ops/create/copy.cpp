// copy_, clone, contiguous, conversions between dtypes: how values move from one memory layout to another.
#include "rushlight/core/device_memory.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/dispatch/device_kernels.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/run.h"
#include "rushlight/fn/_to_copy.h"
#include "rushlight/fn/clone.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/loops.h"
#include "rushlight/ops/sparse/forms.h"

namespace rushlight {
namespace {

// Where one of the two is not on the CPU. What is no plain copy of bytes within a device is a kernel of its library, or falls back.
void copy_between(const Tensor& out, const Tensor& in, bool non_blocking) {
  bool plain = out.dtype() == in.dtype() && out.sizes() == in.sizes() && out.is_contiguous() && in.is_contiguous();
  Device device = out.device().is_cpu() ? in.device() : out.device();
  if (plain && !may_overlap(out, in)) {
    DeviceGuard guard(device);
    if (out.raw() != in.raw() || out.device() != in.device())
      copy_bytes(out.device(), out.raw(), in.device(), in.raw(), size_t(out.nbytes()), non_blocking);
    return;
  }
  if (out.device() == in.device()) {
    if (!may_overlap(out, in) && copy_on_device(out, in)) return;
    note_cpu_fallback("copy_", device);
  }
  copy_elements(out, in);
}

void copy_into(const Tensor& out, const Tensor& source, bool non_blocking = false) {
  if (out.numel() == 0 || out.device().is_meta() || source.device().is_meta()) return;
  if ((out.impl()->flags() | source.impl()->flags()) & kNotCpu) [[unlikely]]
    return copy_between(out, source, non_blocking);
  Tensor in = source;
  if (may_overlap(out, source)) {  // overlapping but not the same elements: through a copy
    in = empty_tensor(source.sizes(), source.dtype());
    copy_into(in, source);
  }
  if (out.is_contiguous() && in.is_contiguous() && out.sizes() == in.sizes()) {
    if (out.raw() == in.raw() && out.dtype() == in.dtype()) return;
    int64_t so = out.item_size(), si = in.item_size();
    parallel_for(0, out.numel(), 4 * kGrain, [&](int64_t b, int64_t e) {
      convert_row(out.dtype(), static_cast<char*>(out.raw()) + b * so, so, in.dtype(),
                  static_cast<char*>(in.raw()) + b * si, si, e - b);
    });
    return;
  }
  copy_elements(out, in);
}

void copy_(const Tensor& self, const Tensor& src, bool non_blocking) {
  RL_CHECK(ShapeError, broadcast_shapes(self.sizes(), src.sizes()) == self.sizes(), "The expanded size of the tensor ",
           self.sizes(), " must match the existing size ", src.sizes(), " of the tensor copied into it");
  RL_CHECK(NotImplementedError, self.device().is_meta() || !src.device().is_meta(),
           "copy_: Cannot copy out of meta tensor; no data!");
  if (!may_overlap(self, src)) return copy_into(self, src, non_blocking);
  auto dense = [](const Tensor& t) { return int64_t(span_bytes(t)) == t.numel() * t.item_size(); };
  RL_CHECK(
      RuntimeError, !dense(self) || !dense(src),
      "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
      "location. Please clone() the tensor before performing the operation. (copy_)");
  copy_into(self, clone(src), non_blocking);  // between each other, perhaps
}

Dims strides_wanted(const Tensor& self, const std::optional<MemoryFormat>& format) {
  MemoryFormat f = format.value_or(MemoryFormat::Preserve);
  return f == MemoryFormat::Preserve ? preserved_strides(self) : strides_for(self.sizes(), f);
}

TensorSpec clone_meta(const Tensor& self, const std::optional<MemoryFormat>& format) {
  return {
      .sizes = self.sizes(), .dtype = self.dtype(), .device = self.device(), .strides = strides_wanted(self, format)};
}
Tensor lazy_clone(const Tensor& self) {
  if (self.impl()->parts() || !self.device().is_cpu()) return clone(self);
  Tensor t(make_ref<TensorImpl>(lazy_copy(self.storage()), self.dtype(), self.sizes(), self.strides(),
                                self.storage_offset()));
  return t;
}
void clone_cpu(const Tensor& self, const std::optional<MemoryFormat>&, const Tensor& out) { copy_into(out, self); }

TensorSpec to_copy_meta(const Tensor& self, const std::optional<DType>& dtype, const std::optional<Layout>&,
                        const std::optional<Device>& device, const std::optional<bool>&, bool,
                        const std::optional<MemoryFormat>& format) {
  return {.sizes = self.sizes(),
          .dtype = dtype.value_or(self.dtype()),
          .device = device.value_or(self.device()),
          .strides = strides_wanted(self, format)};
}
void to_copy_cpu(const Tensor& self, const std::optional<DType>&, const std::optional<Layout>&,
                 const std::optional<Device>&, const std::optional<bool>&, bool non_blocking,
                 const std::optional<MemoryFormat>&, const Tensor& out) {
  RL_CHECK(NotImplementedError, out.device().is_meta() || !self.device().is_meta(),
           "Cannot copy out of meta tensor; no data!");
  copy_into(out, self, non_blocking);
}

Tensor contiguous(const Tensor& self, MemoryFormat format) {
  RL_CHECK(RuntimeError, format != MemoryFormat::Preserve,
           "preserve memory format is unsupported by the contiguous operator");
  return self.is_contiguous(format) ? self : clone(self, format);
}

// Whether a tensor on `now` is where `wanted` says. A device without index is the current one.
bool same_place(Device wanted, Device now) {
  return wanted.type == now.type && (wanted.is_cpu() || wanted.is_meta() || located(wanted) == now);
}

Tensor to_options(const Tensor& self, const std::optional<DType>& dtype, const std::optional<Layout>&,
                  const std::optional<Device>& device, const std::optional<bool>&, bool non_blocking, bool copy,
                  const std::optional<MemoryFormat>& format) {
  bool same = (!dtype || *dtype == self.dtype()) && (!device || same_place(*device, self.device())) &&
              (!format || *format == MemoryFormat::Preserve || self.is_contiguous(*format));
  if (same && !copy) return self;
  return _to_copy(self, dtype, std::nullopt, device, std::nullopt, non_blocking, format);
}
Tensor to_dtype(const Tensor& self, DType dtype, bool non_blocking, bool copy,
                const std::optional<MemoryFormat>& format) {
  return to_options(self, dtype, {}, {}, {}, non_blocking, copy, format);
}
Tensor to_device(const Tensor& self, Device device, DType dtype, bool non_blocking, bool copy,
                 const std::optional<MemoryFormat>& format) {
  return to_options(self, dtype, {}, device, {}, non_blocking, copy, format);
}
Tensor to_other(const Tensor& self, const Tensor& other, bool non_blocking, bool copy,
                const std::optional<MemoryFormat>& format) {
  return to_options(self, other.dtype(), {}, other.device(), {}, non_blocking, copy, format);
}
Tensor type_as(const Tensor& self, const Tensor& other) { return to_other(self, other, false, false, {}); }

Tensor to_mkldnn(const Tensor& self, const std::optional<DType>& dtype) {
  DType to = dtype.value_or(self.dtype());
  RL_CHECK(RuntimeError,
           self.device().is_cpu() && (to == DType::Float32 || to == DType::BFloat16 || to == DType::Float16),
           "to_mkldnn: expected a tensor on the CPU and dtype float, bfloat16 or half, got ", self.device(), " and ",
           to, "; convert it with .to()");
  return contiguous(to_dtype(self, to, false, false, {}), MemoryFormat::Contiguous);
}

// To where the argument was, in its dtype.
Tensor moved_back(const Saved& s, const Tensor& g, std::string_view name) {
  return g.device() == s.device(name) ? to(g, s.dtype(name)) : to(g, s.device(name), s.dtype(name));
}
Grads cast_back(const Saved& s, const Tensor& g) { return {moved_back(s, g, "self")}; }

}  // namespace

OP(copy_, {.schema = "copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)",
           .doc = "Copies src, broadcast and converted, into self. >>> torch.zeros(2).copy_(torch.tensor([1, "
                  "2]))\ntensor([1., 2.])",
           .kernel = anywhere(mutation<copy_>()),
           .grad = {{},
                    [](const Saved& s, const Tensor& g) {
                      return Grads{s.needs("self") ? zeros_like(g) : Tensor(),
                                   s.needs("src") ? moved_back(s, g, "src") : Tensor()};
                    }},
           .forms = kMethod,
           .node = "CopyBackwards",
           .any_device = true,
           .numbers = Numbers::Always,
           .sparse = sparse_copy_});
OP(clone, {.schema = "clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor",
           .doc = "A copy with memory of its own. >>> torch.clone(torch.tensor([1, 2]))\ntensor([1, 2])",
           .kernel = anywhere(structured<clone_meta, clone_cpu>()),
           .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g}; }},
           .forms = kFunction | kMethod,
           .sparse = sparse_form<sparse_clone>});
OP(lazy_clone, {.schema = "_lazy_clone(Tensor self) -> Tensor",
                .doc = "A clone that shares memory until one of the two is written to."
                       " >>> torch.tensor([1, 2])._lazy_clone().add_(1)\ntensor([2, 3])",
                .kernel = function<lazy_clone>(),
                .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{g}; }},
                .forms = kFunction | kMethod});
OP(to_copy, {.schema = "_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
                       "bool? pin_memory=None, "
                       "bool non_blocking=False, MemoryFormat? memory_format=None) -> Tensor",
             .doc = "A converted copy.",
             .kernel = anywhere(structured<to_copy_meta, to_copy_cpu>()),
             .grad = {{}, cast_back},
             .forms = kFunction,
             .any_device = true,
             .numbers = Numbers::Always,
             .sparse = sparse_form<sparse_to_copy>});
OP(contiguous, {.schema = "contiguous(Tensor(a) self, *, MemoryFormat memory_format=contiguous_format) -> Tensor(a)",
                .doc = "self if it lies dense and in order already, else a copy that does."
                       " >>> torch.ones(2, 3).t().contiguous().stride()\n(2, 1)",
                .kernel = composite<contiguous>(),
                .forms = kMethod});
OP(to_dtype_layout,
   {.schema = "to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
              "bool? pin_memory=None, "
              "bool non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
    .doc = "self in another dtype or on another device; self itself if it is so already."
           " >>> torch.tensor([1]).to(dtype=torch.float32)\ntensor([1.])",
    .kernel = composite<to_options>(),
    .forms = kMethod,
    .numbers = Numbers::Always});
OP(to_dtype, {.schema = "to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool copy=False, "
                        "MemoryFormat? memory_format=None) -> Tensor(a)",
              .doc = "self in another dtype; self itself if it has it already."
                     " >>> torch.tensor([1.7]).to(torch.int64)\ntensor([1])",
              .kernel = composite<to_dtype>(),
              .forms = kMethod,
              .numbers = Numbers::Always});
OP(to_device, {.schema = "to.device(Tensor(a) self, Device device, ScalarType dtype, bool non_blocking=False, bool "
                         "copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
               .doc = "self on another device and in another dtype.",
               .kernel = composite<to_device>(),
               .forms = kMethod,
               .numbers = Numbers::Always});
OP(to_mkldnn, {.schema = "to_mkldnn(Tensor self, ScalarType? dtype=None) -> Tensor",
               .doc = "What oneDNN's kernels read: here any tensor that lies in order, so self if it does and has that "
                      "dtype. Its layout is torch.strided. >>> torch.ones(2).to_mkldnn().to_dense()\ntensor([1., 1.])",
               .kernel = composite<to_mkldnn>(),
               .forms = kMethod,
               .shares = {"self"}});
OP(to_other, {.schema = "to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, "
                        "MemoryFormat? memory_format=None) -> Tensor(a)",
              .doc = "self in the dtype and on the device of other."
                     " >>> torch.tensor([1]).to(torch.tensor([2.5]))\ntensor([1.])",
              .kernel = composite<to_other>(),
              .forms = kMethod,
              .numbers = Numbers::Always});
OP(type_as, {.schema = "type_as(Tensor self, Tensor other) -> Tensor",
             .doc = "self in the dtype of other."
                    " >>> torch.tensor([1]).type_as(torch.tensor([2.5]))\ntensor([1.])",
             .kernel = composite<type_as>(),
             .forms = kMethod});

}  // namespace rushlight
