// Note [Sparse forms]: no kernel reads a sparse tensor's memory, for it has none (Note [Sparse parts] in core/tensor.h). A call with one
// among its arguments runs, before autograd sees it,
//   - the record's `sparse` form, a function over a few operators that know the parts (`takes_sparse`): the gradient comes from those;
//   - a composite as it is: the calls it is made of come here;
//   - a pointwise operator that keeps 0 (tried, not listed) on the values;
// and raises for all others.
#include "rushlight/core/scalar.h"
#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/dispatch/values.h"

namespace rushlight {

// A mark, told by its address.
void takes_sparse(const Op& op, IValue*, IValue*) { RL_INVARIANT(false, op.name(), ": takes_sparse was called"); }

void fail_layout(Layout layout) {
  throw NotImplementedError(
      str("layout=", layout,
          ": only empty, zeros, and their forms *_like and new_*, make tensors of it; use "
          "torch.sparse_coo_tensor or torch.sparse_csr_tensor, or to_sparse() of a dense tensor"));
}

namespace {

Tensor call_one(const char* name, std::initializer_list<IValue> given) {
  std::vector<IValue> args(given);
  IValue ret;
  call(*OpTable::get().find(name), args.data(), &ret);
  return ret.tensor();
}

// The same overload that makes a new result.
const Op& function_form(const Op& op) {
  if (op.form() == Op::Form::Function) return op;
  std::string name = op.qualified_name();
  if (op.form() == Op::Form::InPlace) name.erase(op.name().size() - 1, 1);
  else name = Schema::parse(op.def().schema).qualified_name();
  return *OpTable::get().find(name);
}

bool is_zero(const Tensor& t) {
  IValue args[1] = {IValue::borrow(t)}, ret;
  call(*OpTable::get().find("item"), args, &ret);
  return ret.to_scalar().to<complex128>() == complex128(0);
}

// Of one sparse tensor and numbers, where 0 stays 0: on the values. False where it is anything else.
bool call_on_values(const Op& op, IValue* args, IValue* rets) {
  int at = -1, inputs = op.num_args() - (op.form() == Op::Form::Out);
  for (int i = 0; i < inputs; i++) {
    if (args[i].is_tensor_list()) return false;
    if (!args[i].is_tensor() || !args[i].tensor().defined()) continue;
    const Tensor& t = args[i].tensor();
    if (!t.impl()->parts() && t.dim() > 0) return false;
    if (t.impl()->parts() && std::exchange(at, i) >= 0) return false;
  }
  if (at < 0) return false;
  const Op& plain = function_form(op);
  Tensor self = args[at].tensor();
  std::vector<IValue> with(args, args + plain.num_args());
  {
    NoGradGuard no_grad;
    Tensor zero = call_one("zeros", {Dims(), self.dtype(), IValue(), self.device(), IValue()});
    with[size_t(at)] = zero;
    IValue result;
    call(plain, with.data(), &result);
    if (!result.is_tensor() || !is_zero(result.tensor())) return false;
  }
  if (self.layout() == Layout::Sparse) self = call_one("coalesce", {self});
  with[size_t(at)] = call_one("values", {self});
  IValue values;
  call(plain, with.data(), &values);
  Tensor made = call_one("_sparse_with_values", {self, values});
  if (op.form() == Op::Form::Function) {
    rets[0] = IValue(std::move(made));
    return true;
  }
  int given = op.form() == Op::Form::InPlace ? 0 : inputs;
  DType dtype = args[given].tensor().dtype();
  RL_CHECK(RuntimeError, can_cast(made.dtype(), dtype), op.name(), ": result type ", made.dtype(),
           " can't be cast to the desired output type ", dtype, ". Hint: convert the tensor, or keep the result");
  call_one("copy_", {args[given], made, false});
  rets[0] = IValue(args[given]);
  return true;
}

}  // namespace

void call_sparse(const Op& op, IValue* args, IValue* rets) {
  bool quantized = false;
  each_tensor(op, args, [&](const Tensor& t) { quantized |= has_quantizer(t); });
  if (quantized) return call_quantized(op, args, rets);
  const OpDef& def = op.def();
  if (def.sparse) return def.sparse(op, args, rets);
  if (def.kernel.kind == Kernel::Kind::Composite && op.form() == Op::Form::Function) return op.run(args, rets);
  if (def.kernel.pointwise && call_on_values(op, args, rets)) return;
  Layout layout = Layout::Strided;
  const Argument* which = nullptr;
  each_tensor(op, args, [&](const Tensor& t, const Argument& a) {
    if (which || !t.impl()->parts()) return;
    layout = t.layout();
    which = &a;
  });
  RL_CHECK(NotImplementedError, which, op.name(), ": makes no tensors of another layout than torch.strided");
  throw NotImplementedError(str(op.name(), ": not implemented for tensors of layout ", layout, ", which argument '",
                                which->name, "' has; use .to_dense() first"));
}

}  // namespace rushlight
