#include "rushlight/graph/executor/primitives.h"

#include <cstdio>
#include <functional>
#include <unordered_map>

#include "rushlight/autograd/engine.h"
#include "rushlight/autograd/meta.h"
#include "rushlight/core/generator.h"
#include "rushlight/core/notice.h"
#include "rushlight/core/thread_state.h"
#include "rushlight/dispatch/boxing.h"
#include "rushlight/graph/executor/entries.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/transforms/autocast.h"

namespace rushlight::graph {
namespace {

Scalar number(const Tensor& t) {
  RL_CHECK(RuntimeError, t.numel() == 1, "a Tensor with ", t.numel(), " elements cannot be converted to Scalar");
  static const Op* item = OpTable::get().find("item");
  IValue arg = IValue::borrow(t), out;
  call(*item, &arg, &out);
  return out.to_scalar();
}
// Of a tensor that stands where a script wants a number: nothing of it may get lost.
Scalar implicit_number(const Tensor& t, bool integral = false) {
  RL_CHECK(RuntimeError, !t.requires_grad(),
           "Cannot input a tensor that requires grad as a scalar argument; say int(x) or float(x)");
  RL_CHECK(RuntimeError, t.dim() == 0,
           "Cannot input a tensor of dimension other than 0 as a scalar argument (its shape: ", t.sizes(),
           "); say int(x) or float(x)");
  RL_CHECK(RuntimeError, !integral || is_integral(t.dtype(), false), "Cannot input a tensor of type ", t.dtype(),
           " as an integral argument; say int(x)");
  return number(t);
}
Tensor plain_number(const Scalar& s) {
  Tensor t = wrapped_number(s);
  t.impl()->wrapped_number = false;
  return t;
}
int64_t rows(const Tensor& t) {
  RL_CHECK(TypeError, t.dim() > 0, "len() of a 0-d tensor");
  return t.size(0);
}
// Nested lists of numbers to a tensor.
void flatten_list(const IValue& v, size_t depth, Dims& sizes, std::vector<Scalar>& out) {
  if (!v.is_any_list()) {
    RL_CHECK(RuntimeError, v.is_tensor() || v.is_scalar(), "Input must be of ints, floats, or bools, got ",
             v.kind_name());
    return void(out.push_back(v.is_tensor() ? number(v.tensor()) : v.to_scalar()));
  }
  size_t n = list_size(v);
  if (sizes.size() == depth) sizes.push_back(int64_t(n));
  RL_CHECK(ValueError, sizes[depth] == int64_t(n), "Expected sequences of equal length at dim ", depth, " (got ", n,
           " and ", sizes[depth], ")");
  for (size_t i = 0; i < n; i++) flatten_list(list_get(v, i), depth + 1, sizes, out);
}
Tensor make_tensor(const IValue& data, const IValue& dtype, const IValue& device, bool requires_grad) {
  Dims sizes;
  std::vector<Scalar> items;
  flatten_list(data, 0, sizes, items);
  DType d = default_dtype();
  if (!dtype.is_none()) d = dtype_numbered(dtype.to_int());
  else if (!items.empty()) {
    d = items[0].dtype();
    for (const Scalar& s : items) d = promote_types(d, s.dtype());
  }
  Tensor wide = empty_tensor(sizes, is_complex(d) ? DType::Complex128 : is_floating(d) ? DType::Float64 : DType::Int64);
  for (size_t i = 0; i < items.size(); i++) {
    if (is_complex(d)) wide.data<complex128>()[i] = items[i].to<complex128>();
    else if (is_floating(d)) wide.data<double>()[i] = items[i].to_double();
    else wide.data<int64_t>()[i] = items[i].to_int();
  }
  static const Op* to_copy = OpTable::get().find("_to_copy");
  IValue args[] = {IValue::borrow(wide), d, {}, device, {}, false, {}}, ret;
  call(*to_copy, args, &ret);
  Tensor out = ret.take_tensor();
  if (requires_grad) rushlight::set_requires_grad(out, true);
  return out;
}

// The numbers of a tensor as lists in each other, `dims` deep, of ints (0), floats, bools or complex numbers (3).
IValue to_list(const Tensor& t, int64_t dims, int64_t kind) {
  static constexpr DType wide[] = {DType::Int64, DType::Float64, DType::Bool, DType::Complex128};
  const DType d = t.dtype();
  const int64_t own = d == DType::Bool ? 2 : is_complex(d) ? 3 : is_floating(d) ? 1 : 0;
  RL_CHECK(RuntimeError, own == kind,
           "Output annotation element type and runtime tensor element type must match for tolist(): the tensor is of ",
           d);
  RL_CHECK(RuntimeError, t.dim() == dims,
           "Output annotation list dimension and runtime tensor dimension must match for tolist(): ", dims, " and ",
           t.dim());
  static const Op* to_copy = OpTable::get().find("_to_copy");
  IValue args[] = {IValue::borrow(t), wide[own], {}, {}, {}, false, MemoryFormat::Contiguous}, ret;
  call(*to_copy, args, &ret);
  const Tensor plain = ret.take_tensor();
  int64_t at = 0;
  auto item = [&]() -> IValue {
    const int64_t i = at++;
    return own == 0   ? IValue(plain.data<int64_t>()[i])
           : own == 1 ? IValue(plain.data<double>()[i])
           : own == 2 ? IValue(plain.data<bool>()[i])
                      : IValue(plain.data<complex128>()[i]);
  };
  static const TypePtr elements[] = {Type::integer(), Type::floating(), Type::boolean(),
                                     Type::simple(Type::Kind::Complex)};
  std::vector<TypePtr> types = {elements[own]};  // of what is so deep from the inside
  for (int64_t k = 0; k < dims; k++) types.push_back(Type::list(types.back()));
  std::function<IValue(int64_t)> rows = [&](int64_t dim) {
    if (dim == dims) return item();
    std::vector<IValue> items;
    for (int64_t i = 0; i < plain.size(dim); i++) items.push_back(rows(dim + 1));
    return make_list(types[size_t(dims - dim - 1)], std::move(items));
  };
  return rows(0);
}

// What torch.autograd.grad of a script gives, and Tensor.backward where no inputs are named.
Tensors gradients(const Tensors& roots, const IValue& weights, const IValue& retain, bool create, bool unused,
                  const Tensors& inputs) {
  Tensors given;
  if (weights.is_tensor()) given = {weights.tensor()};
  else if (!weights.is_none())
    for (size_t i = 0; i < list_size(weights); i++) {
      IValue w = list_get(weights, i);
      given.push_back(w.is_tensor() ? w.tensor() : Tensor());
    }
  const BackwardOptions options = {.retain_graph = retain.is_none() ? create : retain.to_bool(),
                                   .create_graph = create,
                                   .allow_unused = unused,
                                   .accumulate = inputs.empty()};
  return run_backward(roots, given, options, inputs);
}
IValue optional_tensors(const Tensors& all) {
  std::vector<IValue> out;
  for (const Tensor& t : all) out.push_back(t.defined() ? IValue(t) : IValue());
  return make_list(Type::optional(Type::tensor()), std::move(out));
}

bool truth(const Tensor& t) {
  RL_CHECK(RuntimeError, t.numel() <= 1, "Boolean value of Tensor with more than one value is ambiguous");
  return number(t).to<bool>();
}

const Entry kEntries[] = {
    RL_P("aten::eq.device(Device a, Device b) -> bool", a[0].to_device() == a[1].to_device()),
    RL_P("aten::ne.device(Device a, Device b) -> bool", !(a[0].to_device() == a[1].to_device())),
    RL_P("aten::Int.Tensor(Tensor a) -> int", number(a[0].tensor()).to_int()),
    RL_P("aten::Float.Tensor(Tensor a) -> float", number(a[0].tensor()).to_double()),
    RL_P("aten::Bool.Tensor(Tensor a) -> bool", truth(a[0].tensor())),
    RL_P("aten::IntImplicit(Tensor a) -> int", implicit_number(a[0].tensor(), true).to_int()),
    RL_P("aten::FloatImplicit(Tensor a) -> float", implicit_number(a[0].tensor()).to_double()),
    RL_P("aten::ScalarImplicit(Tensor a) -> Scalar", implicit_number(a[0].tensor())),
    RL_P("prim::NumToTensor.Scalar(Scalar a) -> Tensor", plain_number(a[0].to_scalar())),
    RL_P("prim::NumToTensor.bool(bool a) -> Tensor", plain_number(a[0].to_scalar())),
    RL_P("aten::size(Tensor self) -> int[]", a[0].tensor().sizes()),
    RL_P("aten::size.int(Tensor self, int dim) -> int", a[0].tensor().size(a[1].to_int())),
    RL_P("aten::_infer_size(int[] a, int[] b) -> int[]",
         IntArrayRef(broadcast_shapes(a[0].int_list(), a[1].int_list())).vec()),
    RL_P("aten::stride(Tensor self) -> int[]", a[0].tensor().strides()),
    RL_P("aten::stride.int(Tensor self, int dim) -> int", a[0].tensor().stride(a[1].to_int())),
    RL_P("aten::dim(Tensor self) -> int", a[0].tensor().dim()),
    RL_P("prim::ndim(Tensor a) -> int", a[0].tensor().dim()),
    RL_P("aten::numel(Tensor self) -> int", a[0].tensor().numel()),
    RL_P("prim::dtype(Tensor a) -> int", a[0].tensor().dtype()),
    RL_P("prim::device(Tensor a) -> Device", a[0].tensor().device()),
    RL_P("prim::layout(Tensor a) -> int", int64_t(a[0].tensor().layout())),
    RL_P("prim::requires_grad(Tensor a) -> bool", a[0].tensor().requires_grad()),
    RL_P("prim::is_cuda(Tensor a) -> bool", a[0].tensor().device().type == DeviceType::Cuda),
    RL_P("aten::is_floating_point(Tensor self) -> bool", is_floating(a[0].tensor().dtype())),
    RL_P("aten::is_complex(Tensor self) -> bool", is_complex(a[0].tensor().dtype())),
    RL_P("aten::is_contiguous(Tensor self) -> bool", a[0].tensor().is_contiguous()),
    RL_P("aten::is_contiguous.memory_format(Tensor self, MemoryFormat memory_format) -> bool",
         a[0].tensor().is_contiguous(MemoryFormat(a[1].to_int()))),
    RL_DO("aten::requires_grad_(Tensor(a!) self, bool requires_grad=True) -> Tensor(a!)", Tensor t = a[0].tensor();
          rushlight::set_requires_grad(t, a[1].to_bool()); r[0] = IValue(t)),
    RL_P("prim::tolist(Tensor self, int dim, int type) -> Any", to_list(a[0].tensor(), a[1].to_int(), a[2].to_int())),
    RL_P("aten::len.Tensor(Tensor t) -> int", rows(a[0].tensor())),
    RL_P("prim::id(Any x) -> int", a[0].is_none() ? 0 : int64_t(intptr_t(a[0].object()))),
    RL_P("aten::tensor(t[] data, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor",
         make_tensor(a[0], a[1], a[2], a[3].to_bool())),
    RL_P("aten::tensor.Scalar(Scalar t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> "
         "Tensor",
         make_tensor(a[0], a[1], a[2], a[3].to_bool())),
    RL_P(
        "aten::tensor.bool(bool t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor",
        make_tensor(a[0], a[1], a[2], a[3].to_bool())),
    RL_P("aten::as_tensor.list(t[] data, *, ScalarType? dtype=None, Device? device=None) -> Tensor",
         make_tensor(a[0], a[1], a[2], false)),
    RL_P("aten::as_tensor.Scalar(Scalar t, *, ScalarType? dtype=None, Device? device=None) -> Tensor",
         make_tensor(a[0], a[1], a[2], false)),
    RL_P("aten::device(str a) -> Device", Device::parse(a[0].to_string())),
    RL_DO("aten::manual_seed(int seed) -> ()", default_generator().manual_seed(uint64_t(a[0].to_int()))),
    RL_DO("aten::manual_seed.generator(Generator(a!) self, int seed) -> Generator(a!)",
          a[0].generator()->manual_seed(uint64_t(a[1].to_int()));
          r[0] = a[0]),
    RL_P("aten::seed(Generator(a!) self) -> int", int64_t(a[0].generator()->seed())),
    RL_P("aten::initial_seed(Generator self) -> int", int64_t(a[0].generator()->initial_seed())),
    RL_P("aten::Generator(*, Device? device=None, int? seed=None) -> Generator",
         make_ref<Generator>(a[1].is_none() ? Generator::kDefaultSeed : uint64_t(a[1].to_int()),
                             a[0].is_none() ? Device() : a[0].to_device())),
    RL_DO("aten::warn(str message, int stacklevel=2) -> ()", show_warning(shown(a[0]))),
    RL_P("aten::Complex.Tensor(Tensor a) -> complex", number(a[0].tensor()).to<complex128>()),
    RL_P("aten::ComplexImplicit(Tensor a) -> complex", implicit_number(a[0].tensor()).to<complex128>()),
    RL_P("aten::Complex.Tensor_Tensor(Tensor a, Tensor b) -> complex",
         complex128(number(a[0].tensor()).to_double(), number(a[1].tensor()).to_double())),
#define RL_MAKE_COMPLEX(type)                                                  \
  RL_P("aten::Complex.Tensor_" #type "(Tensor x, " #type " y) -> complex",     \
       complex128(number(a[0].tensor()).to_double(), a[1].to_double())),       \
      RL_P("aten::Complex." #type "_Tensor(" #type " x, Tensor y) -> complex", \
           complex128(a[0].to_double(), number(a[1].tensor()).to_double()))
    RL_MAKE_COMPLEX(float),
    RL_MAKE_COMPLEX(int),
    RL_MAKE_COMPLEX(bool),
#undef RL_MAKE_COMPLEX
    RL_P("aten::device.with_index(str type, int index) -> Device",
         Device::parse(str(a[0].to_string(), ":", a[1].to_int()))),
    RL_P("prim::type(Device self) -> str", str(Device{a[0].to_device().type})),
    RL_DO("prim::index(Device self) -> int?", if (a[0].to_device().index >= 0) r[0] = int64_t(a[0].to_device().index)),
    RL_P("aten::is_leaf(Tensor self) -> bool", is_leaf(a[0].tensor())),
    RL_DO("prim::grad(Tensor a) -> Tensor?",
          if (const Tensor& g = grad_of(a[0].tensor()); g.defined()) r[0] = IValue(g)),
    RL_P("prim::is_cpu(Tensor a) -> bool", a[0].tensor().device().is_cpu()),
    RL_P("prim::is_meta(Tensor a) -> bool", a[0].tensor().device().is_meta()),
    RL_P("prim::is_sparse(Tensor a) -> bool", a[0].tensor().layout() == Layout::Sparse),
    RL_P("prim::is_sparse_csr(Tensor a) -> bool", a[0].tensor().layout() == Layout::SparseCsr),
    RL_P("prim::is_quantized(Tensor a) -> bool", is_quantized(a[0].tensor().dtype())),
#define RL_NEVER(name) RL_P("prim::" name "(Tensor a) -> bool", false)
    RL_NEVER("is_mkldnn"),
    RL_NEVER("is_mps"),
    RL_NEVER("is_nested"),
    RL_NEVER("is_xla"),
    RL_NEVER("is_xpu"),
    RL_P("prim::itemsize(Tensor a) -> int", int64_t(item_size(a[0].tensor().dtype()))),
    RL_P("prim::nbytes(Tensor a) -> int", int64_t(item_size(a[0].tensor().dtype())) * a[0].tensor().numel()),
    RL_P("aten::element_size(Tensor self) -> int", int64_t(item_size(a[0].tensor().dtype()))),
    RL_P("aten::storage_offset(Tensor self) -> int", a[0].tensor().storage_offset()),
    RL_P("aten::is_scripting() -> bool", true),
    RL_P("aten::is_grad_enabled() -> bool", thread_state.grad_enabled),
    RL_DO("aten::backward(Tensor self, Tensor? gradient=None, bool? retain_graph=None, bool create_graph=False) -> ()",
          gradients({a[0].tensor()}, a[1], a[2], a[3].to_bool(), false, {})),
    RL_DO("aten::backward.TensorList(Tensor[] tensors, Tensor?[]? grad_tensors=None, bool? retain_graph=None, bool "
          "create_graph=False) -> ()",
          gradients(a[0].tensor_list().vec(), a[1], a[2], a[3].to_bool(), false, {})),
    RL_P("aten::grad(Tensor[] outputs, Tensor[] inputs, Tensor?[]? grad_outputs=None, bool? retain_graph=None, bool "
         "create_graph=False, bool? allow_unused=None) -> Tensor?[]",
         optional_tensors(gradients(a[0].tensor_list().vec(), a[2], a[3], a[4].to_bool(),
                                    !a[5].is_none() && a[5].to_bool(), a[1].tensor_list().vec()))),
    RL_P("aten::is_autocast_enabled() -> bool", AutocastRegion::of_thread().enabled()),
    RL_P("aten::is_autocast_cpu_enabled() -> bool", AutocastRegion::of_thread().enabled()),
    RL_DO("aten::set_grad_enabled(bool val) -> ()", thread_state.grad_enabled = a[0].to_bool()),
};

}  // namespace

std::span<const Entry> tensor_entries() { return kEntries; }

namespace {

using Table = std::unordered_map<std::string, std::vector<const Primitive*>>;

const Table& table() {
  static const Table* all = [] {
    auto* t = new Table;
    for (std::span<const Entry> family : {number_entries(), text_entries(), container_entries(), tensor_entries()})
      for (const Entry& e : family) {
        auto* p = new Primitive{Schema::parse(e.schema), e.run};
        (*t)[p->schema.name].push_back(p);
      }
    return t;
  }();
  return *all;
}

}  // namespace

const std::vector<const Primitive*>& primitives(const std::string& name) {
  static const std::vector<const Primitive*> none;
  auto found = table().find(name);
  return found == table().end() ? none : found->second;
}

}  // namespace rushlight::graph
