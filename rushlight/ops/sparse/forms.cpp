// How the forms of operators run: in place, with out=; and those that make and copy sparse tensors.
#include "rushlight/ops/sparse/forms.h"

#include "rushlight/dispatch/run.h"
#include "rushlight/fn/_sparse_assign_.h"
#include "rushlight/fn/_sparse_to.h"
#include "rushlight/fn/_values.h"
#include "rushlight/fn/copy_.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/to_dense.h"
#include "rushlight/ops/sparse/sparse.h"

namespace rushlight {

void run_sparse_form(const Op& op, IValue* args, IValue* rets, void (*form)(IValue* args, IValue* rets)) {
  if (op.form() == Op::Form::Function) return form(args, rets);
  int at = op.form() == Op::Form::InPlace ? 0 : op.num_args() - 1;
  const Tensor& given = args[at].tensor();
  RL_CHECK(RuntimeError, op.form() == Op::Form::InPlace || !thread_state.grad_enabled || !any_requires_grad(op, args),
           op.name(),
           "(): functions with out=... arguments don't support automatic differentiation, but one of the "
           "arguments requires grad.");
  IValue made;
  form(args, &made);
  const Tensor& result = made.tensor();
  if (op.form() == Op::Form::Out && !is_sparse(given))
    prepare_out(op, given, {.sizes = result.sizes(), .dtype = result.dtype(), .device = result.device()});
  RL_CHECK(ShapeError, op.form() == Op::Form::Out || given.sizes() == result.sizes(), op.name(), ": output with shape ",
           given.sizes(), " doesn't match the broadcast shape ", result.sizes());
  if (given.impl()->parts() && given.layout() == result.layout() && given.dtype() == result.dtype())
    _sparse_assign_(given, result);
  else copy_(given, result.impl()->parts() && !given.impl()->parts() ? to_dense(result) : result);
  rets[0] = IValue(args[at]);
}

Tensor sparse_clone(const Tensor& self, const std::optional<MemoryFormat>&) { return _sparse_to(self); }
Tensor sparse_to_copy(const Tensor& self, const std::optional<DType>& dtype, const std::optional<AnyLayout>& layout,
                      const std::optional<Device>& device, const std::optional<bool>&, bool,
                      const std::optional<MemoryFormat>&) {
  RL_CHECK(RuntimeError, !layout || layout->value == self.layout(),
           "to(options) doesn't support converting to a different layout, but got self.layout being ", self.layout(),
           " and options.layout set as ", layout->value, "; use to_dense(), to_sparse() or to_sparse_csr()");
  return _sparse_to(self, dtype, device);
}

void sparse_copy_(const Op& op, IValue* args, IValue* rets) {
  const Tensor& self = args[0].tensor();
  Tensor src = args[1].is_tensor() ? args[1].tensor() : wrapped_number(args[1].to_scalar());
  RL_CHECK(RuntimeError, is_sparse(self) == is_sparse(src), op.name(),
           "() between dense and sparse Tensors is not implemented! Found self of layout ", self.layout(),
           " and src of layout ", src.layout(), "; convert src with to_dense() or to_sparse() first");
  RL_CHECK(RuntimeError, self.layout() == src.layout(), op.name(), ": expected src of layout ", self.layout(), ", got ",
           src.layout(), "; convert it with to_sparse(layout=...)");
  _sparse_assign_(self, _sparse_to(src, self.dtype(), self.device()));
  rets[0] = IValue(args[0]);
}

void sparse_zero_(const Op&, IValue* args, IValue* rets) {
  const Tensor& self = args[0].tensor();
  _sparse_assign_(self, empty_sparse(self.sizes(), self.layout(), self.dtype(), self.device(),
                                     self.impl()->parts()->dense_dim, block_of(self)));
  rets[0] = IValue(args[0]);
}

Scalar sparse_item(const Tensor& self) {
  RL_CHECK(RuntimeError, self.numel() == 1, "a Tensor with ", self.numel(), " elements cannot be converted to Scalar");
  return item(sum(plain_values(self), self.dtype()));
}

void sparse_values_like(const Op& op, IValue* args, IValue* rets) {
  Tensor self = args[0].tensor();
  int at = op.schema().find_arg("layout");
  Layout wanted = args[at].is_none() ? self.layout() : Layout(args[at].to_int());
  bool same = wanted == self.layout();
  RL_CHECK(NotImplementedError, !same || is_compressed(wanted), op.name(), ": not implemented for tensors of layout ",
           wanted, "; give it the values, and torch.sparse_coo_tensor the result");
  RL_CHECK(NotImplementedError, same || wanted == Layout::Strided, op.name(), ": of a tensor of layout ", self.layout(),
           " makes one of the same layout or of torch.strided, got layout=", wanted);
  // The operator on the values, or on any strided tensor of these sizes.
  std::vector<IValue> strided(args, args + op.num_args());
  bool full = wanted == Layout::Strided;
  strided[0] = full ? empty_tensor(self.sizes(), self.dtype(), self.device()) : _values(self);
  strided[size_t(at)] = IValue();
  IValue made;
  call(op, strided.data(), &made);
  rets[0] = full ? std::move(made) : IValue(with_values(self, made.tensor()));
}

void sparse_factory(const Op& op, IValue* args, IValue* rets) {
  auto named = [&](std::string_view name) -> const IValue& {
    static const IValue none;
    int i = op.schema().find_arg(name);
    return i < 0 ? none : args[i];
  };
  const IValue &like = named("self"), &size = named("size"), &dtype = named("dtype"), &layout = named("layout"),
               &device = named("device");
  bool is_like = like.is_tensor();
  Dims sizes = size.is_int_list() ? Dims(size.int_list()) : like.tensor().sizes();
  Layout wanted = !layout.is_none() ? Layout(layout.to_int()) : is_like ? like.tensor().layout() : Layout::Strided;
  DType type = !dtype.is_none() ? dtype_numbered(dtype.to_int()) : is_like ? like.tensor().dtype() : default_dtype();
  Device place = !device.is_none() ? device.to_device() : is_like ? like.tensor().device() : Device();
  if (op.form() == Op::Form::Out) {
    const Tensor& out = named("out").tensor();
    RL_CHECK(NotImplementedError, !is_like && out.impl()->parts() && (op.name() == "zeros" || op.name() == "empty"),
             op.name(), ": out= is not implemented for sparse layouts");
    _sparse_assign_(out, empty_sparse(sizes, out.layout(), out.dtype(), out.device()));
    rets[0] = IValue(out);
    return;
  }
  if (wanted != Layout::Strided) {
    RL_CHECK(RuntimeError,
             op.name() != "empty_like" || !is_compressed(like.tensor().layout()) || !is_compressed(wanted) ||
                 wanted == like.tensor().layout(),
             "empty_like with different sparse layout is not supported (self is ", titled(like.tensor().layout()),
             " but you requested ", titled(wanted), "); use torch.empty with layout=", wanted);
    // The dense dimensions and the blocks of the tensor that it is to be like.
    bool same = is_like && !size.is_int_list() && like.tensor().impl()->parts();
    Tensor made = empty_sparse(sizes, wanted, type, place, same ? like.tensor().impl()->parts()->dense_dim : 0,
                               same && is_blocked(wanted) ? block_of(like.tensor()) : Dims());
    rets[0] = IValue(std::move(made));
    return;
  }
  // Strided from a sparse one: zeros and empty alike, for nothing that is uninitialised is asked for by name.
  Tensor out = empty_tensor(sizes, type, place);
  if (!place.is_meta() && out.nbytes()) {
    const char zero[16] = {};
    fill_bytes(out.device(), out.raw(), zero, size_t(out.item_size()), size_t(out.numel()));
  }
  rets[0] = IValue(std::move(out));
}

}  // namespace rushlight
