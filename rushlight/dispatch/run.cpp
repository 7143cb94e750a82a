#include "rushlight/dispatch/run.h"

#include <new>
#include <stdexcept>

#include "rushlight/core/device_memory.h"
#include "rushlight/core/lazy_copy.h"
#include "rushlight/core/notice.h"
#include "rushlight/dispatch/device_kernels.h"
#include "rushlight/dispatch/forms.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/dispatch/values.h"

namespace rushlight {

void (*record_gradient)(const Op&, IValue*, IValue*, uint8_t) = nullptr;
void (*name_gradient)(const char*, const IValue*, int) = nullptr;
void (*call_python_dispatch)(const Op&, IValue*, IValue*) = nullptr;

namespace {

void check_defined(const Op& op, const IValue* args) {
  for (uint8_t i : op.tensor_args()) {
    bool gap = args[i].is_none();
    if (args[i].is_tensor_list())
      for (const Tensor& t : args[i].tensor_list()) gap |= !t.defined();
    RL_CHECK(RuntimeError, !gap || !(op.required_tensors() >> i & 1), op.name(), ": expected ",
             args[i].is_none() ? "a tensor" : "only defined tensors", " for argument '", op.schema().args[i].name,
             "', got ", args[i].is_none() ? "None (an undefined Tensor in C++)" : "a list with an undefined one");
  }
}

// Where the arguments are. CPU tensors without dimensions count as numbers, unless they are written to.
Device common_device(const Op& op, const IValue* args) {
  const Argument* first = nullptr;
  Device device;
  each_tensor(op, args, [&](const Tensor& t, const Argument& a) {
    if (t.dim() == 0 && t.device().is_cpu() && !a.is_mutated) return;
    RL_CHECK(RuntimeError, !first || t.device() == device, op.name(),
             ": Expected all tensors to be on the same device, but found at least two devices, ", device, " and ",
             t.device(), "! (", first->name, " is on ", device, ", ", a.name, " on ", t.device(),
             "); move them to one with .to(device)");
    first = &a;
    device = t.device();
  });
  return device;
}

void check_devices(const Op& op, const IValue* args) {
  // A composite's parts look for themselves; some of its arguments only lend a shape.
  if (op.def().any_device || op.def().kernel.kind == Kernel::Kind::Composite) return;
  Device device = common_device(op, args);
  bool computes = op.def().kernel.kind == Kernel::Kind::Function && op.num_returns() > 0;
  RL_CHECK(NotImplementedError, !device.is_meta() || !computes, op.name(), ": not implemented for tensors on device ",
           device, ": what comes out depends on the values, which meta tensors don't have");
}

}  // namespace

void call_flagged(const Op& op, IValue* args, IValue* rets, uint8_t flags) {
  if (flags & kMissing) [[unlikely]]
    check_defined(op, args);
  if (flags & kNotCpu) [[unlikely]]
    check_devices(op, args);
  if (flags & kPythonDispatch && op.def().kernel.kind == Kernel::Kind::Composite) [[unlikely]]
    return op.run(args, rets);  // the class sees the parts
  if (flags & kInParts && !(flags & kWrapped) && op.def().sparse != takes_sparse) [[unlikely]]
    return call_sparse(op, args, rets);
  if (flags & (kRequiresGrad | kIsView) && op.differentiable() && thread_state.grad_enabled &&
      any_requires_grad(op, args))
    return record_gradient(op, args, rets, flags);
  if (op.registered()) [[unlikely]]
    return call_registered(op, args, rets, flags);
  call_below_autograd(op, args, rets, flags);
}

Tensor wrapped_number(const Scalar& s) {
  DType d = s.is_bool() ? DType::Bool : s.is_int() ? DType::Int64 : s.is_float() ? DType::Float64 : DType::Complex128;
  Tensor t = empty_tensor({}, d);
  if (s.is_bool()) *t.data<bool>() = s.to<bool>();
  else if (s.is_int()) *t.data<int64_t>() = s.to_int();
  else if (s.is_float()) *t.data<double>() = s.to_double();
  else *t.data<complex128>() = s.to<complex128>();
  t.impl()->wrapped_number = true;
  return t;
}

// Whether the bytes from the first to the last of each meet; both are of one storage.
static bool spans_meet(const Tensor& a, const Tensor& b) {
  int64_t a_start = a.storage_offset() * a.item_size(), b_start = b.storage_offset() * b.item_size();
  return a_start < b_start + int64_t(span_bytes(b)) && b_start < a_start + int64_t(span_bytes(a));
}

bool may_overlap(const Tensor& a, const Tensor& b) {
  if (a.impl()->storage() != b.impl()->storage() || a.numel() == 0 || b.numel() == 0) return false;
  if (a.storage_offset() == b.storage_offset() && a.dtype() == b.dtype() && a.sizes() == b.sizes() &&
      a.strides() == b.strides())
    return false;
  return spans_meet(a, b);
}

// Where PyTorch converts the result to the dtype of out=: not where a kernel computes in that of its arguments.
static bool out_converts(const Op& op) {
  const Kernel& k = op.def().kernel;
  bool computes = (k.kind == Kernel::Kind::Structured && !k.pointwise) || k.kind == Kernel::Kind::Function;
  return !computes || (op.def().forms & kOutConverts) || op.schema().find_arg("dtype") >= 0;
}

// Operators of one tensor that keep its dtype have out= of that one alone; abs of complex numbers also a complex one.
static bool keeps_dtype(const Op& op, DType out) {
  const PointwiseInfo* p = op.def().kernel.pointwise;
  return p && p->inputs == 1 && p->promote == Promote::Same && !p->result_is_bool &&
         !(p->result_is_real && is_complex(out));
}

// A dtype and a layout that the caller names are those of out=.
static void check_named_dtype(const Op& op, const IValue* args, const Tensor& out) {
  int layout = op.form() == Op::Form::Out ? op.schema().find_arg("layout") : -1;
  if (layout >= 0 && args[layout].is_int())
    RL_CHECK(RuntimeError, Layout(args[layout].to_int()) == out.layout(), op.name(), ": layout ",
             Layout(args[layout].to_int()), " does not match layout of out parameter (", out.layout(), ")");
  int at = op.form() == Op::Form::Out ? op.schema().find_arg("dtype") : -1;
  if (at < 0 || !args[at].is_int()) return;
  DType named = DType(args[at].to_int());
  RL_CHECK(RuntimeError, named == out.dtype(), op.name(), ": dtype ", scalar_type_name(named),
           " does not match dtype of out parameter (", scalar_type_name(out.dtype()),
           "): Expected out tensor to have dtype ", cpp_name_of(named), ", but got ", cpp_name_of(out.dtype()),
           " instead");
}

static std::string found_instead(const Op& op, DType wanted, DType found) {
  const char* hint = op.form() == Op::Form::InPlace ? "compute a new tensor, or convert this one first, to "
                                                    : "give out= of scalar type ";
  return str("expected scalar_type ", scalar_type_name(wanted), " but found ", scalar_type_name(found),
             ". Hint: ", hint, scalar_type_name(wanted));
}

void prepare_out(const Op& op, const Tensor& out, const TensorSpec& spec) {
  RL_CHECK(RuntimeError, can_cast(spec.dtype, out.dtype()), op.name(), ": result type ", spec.dtype,
           " can't be cast to the desired output type ", out.dtype(), ": ", found_instead(op, spec.dtype, out.dtype()));
  RL_CHECK(RuntimeError, out.dtype() == spec.dtype || op.form() != Op::Form::Out || !keeps_dtype(op, out.dtype()),
           op.name(), ": Found dtype ", scalar_type_name(out.dtype()), " but expected ", scalar_type_name(spec.dtype),
           ". Hint: give out= of the argument's dtype, or convert the result");
  RL_CHECK(RuntimeError, out.dtype() == spec.dtype || op.form() == Op::Form::InPlace || out_converts(op), op.name(),
           ": Expected out tensor to have dtype ", spec.dtype, ", but got ", out.dtype(),
           " instead: ", found_instead(op, spec.dtype, out.dtype()));
  if (op.form() == Op::Form::InPlace) {
    RL_CHECK(ShapeError, out.sizes() == spec.sizes, op.name(), ": output with shape ", out.sizes(),
             " doesn't match the broadcast shape ", spec.sizes,
             ". Hint: the result is larger than what it is written to; compute a new tensor (x = x + y)");
    return;
  }
  bool there = out.device().type == spec.device.type &&
               (spec.device.index < 0 || spec.device.is_cpu() || out.device().index == spec.device.index);
  RL_CHECK(RuntimeError, there, op.name(), ": Expected out tensor to be on device ", spec.device, ", got ",
           out.device());
  if (out.sizes() == spec.sizes) return;
  if (out.numel()) [[unlikely]]
    show_warning(
        str("An output with one or more elements was resized since it had shape ", out.sizes(),
            ", which does not match the required output shape ", spec.sizes,
            ". This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless "
            "they have zero elements. You can explicitly reuse an out tensor t by resizing it, inplace, to "
            "zero elements with t.resize_(0). (",
            op.name(), ")"));
  resize_tensor(out, spec.sizes);
  if (!spec.strides.empty() && is_dense_non_overlapping(spec.sizes, spec.strides))
    out.impl()->set_geometry(spec.sizes, spec.strides, out.storage_offset());
}

bool can_write_over(const IValue& lent, IntArrayRef sizes, IntArrayRef strides, DType dtype, bool alone) {
  if (!lent.is_borrowed() || !lent.is_tensor()) return false;
  const TensorImpl& t = *lent.tensor().impl();
  return (alone || (t.refs() == 1 && t.storage()->refs() == 1)) && t.flags() == 0 && t.dtype() == dtype &&
         equal_sizes(t.sizes(), sizes) && (strides.empty() ? t.contiguous() : equal_sizes(t.strides(), strides)) &&
         !t.autograd && !t.py_object && !t.inference && t.storage()->allocator() && !t.storage()->read_only();
}

namespace {

// For a tensor that shows one element several times.
void check_expanded(const Op& op) {
  OnExpanded how = op.form() == Op::Form::Out ? OnExpanded::Refuses : op.def().on_expanded;
  RL_CHECK(RuntimeError, how != OnExpanded::Refuses || op.def().reshapes,
           "unsupported operation: more than one element of the written-to tensor refers to a single "
           "memory location. Please clone() the tensor before performing the operation. (",
           op.name(), ")");
  if (how == OnExpanded::Warns)
    show_warning(str("Use of ", op.name(), " on expanded tensors is deprecated. Please clone() the tensor before ",
                     "performing this operation. This also applies to advanced indexing e.g. tensor[mask] = scalar"));
}

void check_writable(const Op& op, const Tensor& t) {
  RL_CHECK(RuntimeError, !t.impl()->inference || thread_state.inference_mode,
           "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
           "normal tensor before doing inplace update.");
  if (t.storage().read_only()) [[unlikely]]
    materialize(t.storage());  // what is shared until it is written
  RL_CHECK(RuntimeError, !t.storage().read_only(), op.name(),
           ": the tensor's memory is read-only (it was made from a read-only array); use .clone() first");
  RL_CHECK(NotImplementedError, op.form() != Op::Form::Out || !t.impl()->parts(), op.name(), ": out= of layout ",
           t.layout(), " is not implemented; use the returned tensor");
  if (t.impl()->parts()) return;
  bool expanded = false;
  for (size_t i = 0; i < t.sizes().size(); i++) expanded |= t.strides()[i] == 0 && t.sizes()[i] > 1;
  if (expanded && t.numel()) [[unlikely]]
    check_expanded(op);
}

// Whether one byte is of both. As PyTorch, only tensors without holes are looked at: of others the results are right, through fresh ones.
bool lies_over(const Tensor& a, const Tensor& b) {
  auto dense = [](const Tensor& t) { return t.numel() && span_bytes(t) == size_t(t.numel() * t.item_size()); };
  return dense(a) && dense(b) && spans_meet(a, b);
}

// A result that has to be resized can't share a storage with an argument; that of an operator which reads and writes out of step can't
// lie over one.
void check_not_input(const Op& op, const IValue* args, int count, const Tensor& out, bool resized) {
  auto check = [&](const Tensor& t) {
    bool clash = t.defined() && t.impl()->storage() == out.impl()->storage() && (resized || lies_over(t, out));
    RL_CHECK(RuntimeError, !clash,
             "unsupported operation: some elements of the input tensor and the "
             "written-to tensor refer to a single memory location. Please clone() the tensor before performing the "
             "operation. (",
             op.name(), ")");
  };
  for (int i = 0; i < count; i++) {
    if (args[i].is_tensor()) check(args[i].tensor());
    else if (args[i].is_tensor_list())
      for (const Tensor& t : args[i].tensor_list()) check(t);
  }
}

Tensor make_result(const TensorSpec& spec) {
  return spec.strides.empty() ? empty_tensor(spec.sizes, spec.dtype, spec.device)
                              : empty_strided_tensor(spec.sizes, spec.strides, spec.dtype, spec.device);
}

void check_out_without_gradient(const Op& op, const IValue* args) {
  RL_CHECK(RuntimeError, op.form() != Op::Form::Out || !thread_state.grad_enabled || !any_requires_grad(op, args),
           op.name(),
           "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
           "requires grad.");
}

void compute(const Op& op, IValue* args, const Tensor* outs, int count) {
  Device device = outs[0].device();
  if (device.is_meta()) return;
  const Kernel& k = op.def().kernel;
  if (device.is_cpu() || k.any_memory) [[likely]]
    return k.cpu(op, args, outs);
  fill_on_device(op, args, outs, count);
}

// The record's `call`, wherever the tensors are. What is made of other operators, or looks at devices itself, needs no help.
void compute_call(const Op& op, IValue* args, IValue* rets) {
  const Kernel& k = op.def().kernel;
  if (k.kind != Kernel::Kind::Composite && !k.any_memory && !op.def().any_device && argument_flags(op, args) & kNotCpu)
      [[unlikely]] {
    Device device = common_device(op, args);
    if (!device.is_cpu() && !device.is_meta()) return call_on_device(op, args, rets, device);
  }
  k.call(op, args, rets);
}

void copy_values(const Tensor& to, const Tensor& from) {
  static const Op* copy = OpTable::get().find("copy_");
  IValue args[3] = {IValue::borrow(to), IValue::borrow(from), false}, ret;
  copy->def().kernel.call(*copy, args, &ret);
}

// Room for `most` results: making it for kMaxResults takes as long as filling a small tensor.
template <int most, bool alone = false>
void run_structured(const Op& op, IValue* args, IValue* rets) {
  const PointwiseInfo* pointwise = op.def().kernel.pointwise;
  if (pointwise && pointwise_over(*pointwise, args, rets, false, alone)) return;
  TensorSpec specs[most];
  Tensor outs[most];
  int n = op.def().kernel.meta(op, args, specs);
  if (specs[0].layout != Layout::Strided) [[unlikely]]
    return call_sparse(op, args, rets);
  if (argument_flags(op, args) & kNotCpu && !op.def().any_device) {
    Device device = common_device(op, args);
    for (int i = 0; i < n; i++) specs[i].device = device;
  }
  bool lent[most] = {};
  for (int i = 0; i < n; i++) {
    lent[i] = rets[i].is_borrowed() && specs[i].device.is_cpu() &&
              can_write_over(rets[i], specs[i].sizes, specs[i].strides, specs[i].dtype, alone);
    outs[i] = lent[i] ? rets[i].tensor() : make_result(specs[i]);
  }
  compute(op, args, outs, n);
  for (int i = 0; i < n; i++)
    if (!lent[i]) rets[i] = IValue(std::move(outs[i]));
}

// What is written in an order of its own may share no memory with what is read, but for a mask that is the tensor itself.
void check_apart(const Op& op, const IValue* args) {
  const Tensor& self = args[0].tensor();
  auto check = [&](const Tensor& t) {
    bool shares =
        t.defined() && t.impl()->storage() == self.impl()->storage() &&
        (may_overlap(t, self) || (t.numel() && t.dtype() != DType::Bool && t.sizes() == self.sizes() &&
                                  t.strides() == self.strides() && t.storage_offset() == self.storage_offset()));
    RL_CHECK(RuntimeError, !shares,
             "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
             "memory location. Please clone() the tensor before performing the operation. (",
             op.name(), ")");
  };
  for (uint8_t a : op.tensor_args()) {
    if (a == 0) continue;
    if (args[a].is_tensor()) check(args[a].tensor());
    else if (args[a].is_tensor_list())
      for (const Tensor& t : args[a].tensor_list()) check(t);
  }
}

// zeros(2, out=x) and its like: what has no tensors to take a dtype from takes that of out=.
void take_dtype_of_out(const Op& op, IValue* args) {
  if (op.form() != Op::Form::Out || op.tensor_args().empty()) return;
  int first_out = op.num_args() - op.num_returns(), dtype = op.schema().find_arg("dtype");
  if (dtype < 0 || op.tensor_args()[0] < first_out || !args[dtype].is_none()) return;
  args[dtype] = args[first_out].tensor().dtype();
}

// Numbers counted out from start to end (arange, linspace): they fill an out= of as many elements, whatever its shape.
bool counts_along(const Op& op, const Tensor& out, const Dims& sizes) {
  return op.form() == Op::Form::Out && op.schema().find_arg("end") >= 0 && sizes.size() == 1 && out.sizes() != sizes &&
         out.numel() == sizes[0];
}

// In-place and out=: results go straight into the given tensors where that is safe, else through fresh ones.
template <int most>
void run_structured_into(const Op& op, IValue* args, IValue* rets) {
  const Kernel& k = op.def().kernel;
  if (k.pointwise && op.form() == Op::Form::InPlace && pointwise_fast(*k.pointwise, args, rets, true)) return;
  check_out_without_gradient(op, args);
  if (k.updates_self && op.form() == Op::Form::InPlace) check_apart(op, args);
  take_dtype_of_out(op, args);
  TensorSpec specs[most];
  Tensor given[most], outs[most];
  int n = op.def().kernel.meta(op, args, specs);
  int first_out = op.form() == Op::Form::InPlace ? 0 : op.num_args() - n;
  for (int i = 0; i < n; i++) {
    given[i] = args[first_out + i].tensor();
    bool along = counts_along(op, given[i], specs[i].sizes);
    if (along) specs[i].sizes = given[i].sizes();
    bool resized = given[i].sizes() != specs[i].sizes;
    if (op.form() == Op::Form::Out && (resized || (op.def().forms & kOutApart)))
      check_not_input(op, args, first_out, given[i], resized);
    check_writable(op, given[i]);
    check_named_dtype(op, args, given[i]);
    prepare_out(op, given[i], specs[i]);
    bool direct = given[i].dtype() == specs[i].dtype && (k.outs_may_alias || specs[i].strides.empty()) && !along;
    for (uint8_t a : op.tensor_args()) {
      if (op.form() == Op::Form::Out && a >= first_out) break;
      if (k.updates_self && op.form() == Op::Form::InPlace && a == 0) continue;
      auto clash = [&](const Tensor& t) {
        return t.defined() &&
               (k.outs_may_alias ? may_overlap(t, given[i]) : t.impl()->storage() == given[i].impl()->storage());
      };
      if (args[a].is_tensor()) direct = direct && !clash(args[a].tensor());
      else if (args[a].is_tensor_list())
        for (const Tensor& t : args[a].tensor_list()) direct = direct && !clash(t);
    }
    outs[i] = direct ? given[i] : make_result(specs[i]);
  }
  compute(op, args, outs, n);
  for (int i = 0; i < n; i++) {
    if (!outs[i].is_same(given[i]) && !given[i].device().is_meta()) copy_values(given[i], outs[i]);
    given[i].impl()->bump_version();
    rets[i] = IValue(args[first_out + i]);
  }
}

void run_call(const Op& op, IValue* args, IValue* rets) {
  if (op.num_returns() == 0 && argument_flags(op, args) & kNotCpu && common_device(op, args).is_meta()) return;
  compute_call(op, args, rets);
  if (op.def().node && !op.def().grad && thread_state.grad_enabled)
    name_gradient(op.def().node, rets, op.num_returns());
}

// In-place and out= forms of what is not structured: computed first, copied then.
void run_call_into(const Op& op, IValue* args, IValue* rets) {
  check_out_without_gradient(op, args);
  // The calls inside save their arguments for their gradients: a copy of self, which the result will not overwrite.
  IValue self;
  if (op.form() == Op::Form::InPlace && thread_state.grad_enabled && any_requires_grad(op, args)) {
    static const Op* clone = OpTable::get().find("clone");
    self = std::move(args[0]);
    IValue clone_args[2] = {IValue::borrow(self.tensor()), IValue()};
    call(*clone, clone_args, &args[0]);
  }
  IValue results[kMaxResults];
  int n = op.num_returns();
  compute_call(op, args, results);
  if (self.is_tensor()) args[0] = std::move(self);
  int first_out = op.form() == Op::Form::InPlace ? 0 : op.num_args() - n;
  static const Op* copy = OpTable::get().find("copy_");
  for (int i = 0; i < n; i++) {
    const Tensor& given = args[first_out + i].tensor();
    const Tensor& result = results[i].tensor();
    if (counts_along(op, given, result.sizes()))
      result.impl()->set_geometry(given.sizes(), contiguous_strides(given.sizes()), result.storage_offset());
    if (op.form() == Op::Form::Out && (op.def().forms & kOutApart))
      check_not_input(op, args, first_out, given, given.sizes() != result.sizes());
    check_named_dtype(op, args, given);
    prepare_out(op, given, {.sizes = result.sizes(), .dtype = result.dtype(), .device = result.device()});
    check_writable(op, given);
    IValue copy_args[3] = {IValue::borrow(given), IValue::borrow(result), false}, ret;
    call(*copy, copy_args, &ret);
    rets[i] = IValue(args[first_out + i]);
  }
}

void run_view(const Op& op, IValue* args, IValue* rets) {
  op.def().kernel.call(op, args, rets);
  const Ref<TensorImpl>& self = args[0].tensor().ref();
  ViewKind kind = thread_state.inference_mode  ? ViewKind::Inference
                  : !thread_state.grad_enabled ? ViewKind::NoGrad
                  : rets[0].is_tensor_list()   ? ViewKind::OneOfMany
                                               : ViewKind::Tracked;
  if (self->base() && (kind == ViewKind::Tracked || self->view_kind() == ViewKind::Inference)) kind = self->view_kind();
  auto mark = [&](const Tensor& t) {
    if (t.ref() == self || t.impl()->base()) return;
    t.impl()->inference = self->inference;
    // What no gradient flows through (detach, a part of an inference tensor) is a tensor of its own to autograd.
    if (op.differentiable() && !self->inference) t.impl()->set_base(self->base() ? self->base() : self, kind);
  };
  for (int i = 0; i < op.num_returns(); i++) {
    if (rets[i].is_tensor()) mark(rets[i].tensor());
    else if (rets[i].is_tensor_list())
      for (const Tensor& t : rets[i].tensor_list()) mark(t);
  }
}

void run_mutation(const Op& op, IValue* args, IValue* rets) {
  check_writable(op, args[0].tensor());
  if (args[0].tensor().device().is_meta() && !op.def().any_device) rets[0] = IValue(args[0]);  // no values to change
  else compute_call(op, args, rets);
  // A kernel that changed nothing that counts returns nothing.
  if (rets[0].is_none()) rets[0] = IValue(args[0]);
  else args[0].tensor().impl()->bump_version();
}

// What the standard library says of a size that no memory holds is nothing to a user.
[[noreturn]] void fail_memory(const Op& op) {
  throw OutOfMemory(str(op.name(), ": can't allocate memory for these arguments"));
}
template <Runner run>
void guarded(const Op& op, IValue* args, IValue* rets) {
  try {
    run(op, args, rets);
  } catch (const std::bad_alloc&) { fail_memory(op); } catch (const std::length_error&) {
    fail_memory(op);
  }
}

template <int most>
Runner structured_runner(bool into) {
  return into ? guarded<run_structured_into<most>> : guarded<run_structured<most>>;
}

}  // namespace

void run_over(const Op& op, IValue* args, IValue* rets) { guarded<run_structured<1, true>>(op, args, rets); }

Runner runner_for(const Kernel& kernel, Op::Form form, size_t results) {
  bool into = form != Op::Form::Function;
  switch (kernel.kind) {
    case Kernel::Kind::Structured:
      if (results == 1) return structured_runner<1>(into);
      return results <= 4 ? structured_runner<4>(into) : structured_runner<kMaxResults>(into);
    case Kernel::Kind::View: return guarded<run_view>;
    case Kernel::Kind::Mutation: return guarded<run_mutation>;
    default: return into ? guarded<run_call_into> : guarded<run_call>;
  }
}

}  // namespace rushlight
