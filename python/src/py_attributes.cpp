// The properties of a tensor: shape, dtype, device, requires_grad, T, data, ...
#include "py_new.h"
#include "py_op.h"
#include "py_override.h"
#include "py_trace.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/dispatch/values.h"

namespace rushlight::py {
namespace {

PyObject* no(PyObject*, void*) { Py_RETURN_FALSE; }

PyObject* transposed(PyObject* self, bool matrix, bool conjugate) {
  return guarded([&]() -> PyObject* {
    static OpRef transpose("transpose.int"), permute("permute"), conj("conj"), alias("alias");
    const Tensor& t = unwrap(self);
    const char* name = conjugate ? (matrix ? "mH" : "H") : matrix ? "mT" : "T";
    RL_CHECK(RuntimeError, !matrix || t.dim() >= 2, "tensor.", name,
             " is only supported on matrices or batches of matrices. Got ", t.dim(), "-D tensor.");
    RL_CHECK(RuntimeError, !conjugate || matrix || t.dim() == 2 || t.dim() == 0,
             "tensor.H is only supported on matrices (2-D tensors). Got ", t.dim(), "-D tensor.");
    Tensor out;
    if (matrix || t.dim() == 2) {
      IValue args[3] = {IValue::borrow(t), -2, -1};
      out = call_tensor(*transpose, args);
    } else {
      if (t.dim() > 2)
        check_status(PyErr_WarnEx(PyExc_UserWarning,
                                  "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
                                  "deprecated and it will throw an error "
                                  "in a future release. Consider `x.mT` to transpose batches of matrices or "
                                  "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the "
                                  "dimensions of a tensor.",
                                  1));
      std::vector<int64_t> dims;
      for (int64_t i = t.dim(); i-- > 0;) dims.push_back(i);
      IValue args[2] = {IValue::borrow(t), IValue::borrow(IntArrayRef(dims))};
      out = call_tensor(*permute, args);
    }
    if (conjugate && is_complex(t.dtype())) {
      IValue args[1] = {IValue::borrow(out)};
      out = call_tensor(*conj, args);
    }
    return wrap(std::move(out));
  });
}

PyObject* part(PyObject* self, void* which) {
  return guarded([&]() -> PyObject* {
    static OpRef real("real"), imag("imag");
    const Tensor& t = unwrap(self);
    bool first = which == nullptr;
    if (first && !is_complex(t.dtype())) return Py_NewRef(self);
    IValue args[1] = {IValue::borrow(t)};
    return call_one(first ? *real : *imag, args);
  });
}
int set_part(PyObject* self, PyObject* value, void* which) {
  Object of{part(self, which)};
  if (!of) return -1;
  return tensor_setitem(of.get(), Py_Ellipsis, value);
}

PyObject* get_data(PyObject* self, void*) {
  return guarded([&] {
    Tensor t = detached_alias(unwrap(self));
    t.impl()->detach_version();
    return wrap(std::move(t));
  });
}
// The tensor takes over another's memory and geometry: what load_state_dict and Module.to rely on.
int set_data(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    RL_CHECK(RuntimeError, value, "Deleting tensor data is not allowed. Delete tensor instead!");
    const Tensor& from = expect_tensor(value, "data");
    const Tensor& to = unwrap(self);
    RL_CHECK(
        RuntimeError, !to.impl()->wrapper(),
        "data: a tensor of a transform (func.grad, func.vmap) can't take over another's memory; copy the values into "
        "it with copy_");
    RL_CHECK(RuntimeError, !to.requires_grad() || is_differentiable(from.dtype()),
             "data set to a tensor that requires gradients must be floating point or complex dtype");
    take_over(to, from);
    return 0;
  });
}

// Sizes rarely change, and x.shape is asked for often: the last answer is kept and compared.
PyObject* get_shape(PyObject* self, void*) {
  if (watched()) [[unlikely]] {
    PyObject* told = guarded([&] { return told_sizes(unwrap(self)); });
    if (told || PyErr_Occurred()) return told;
  }
  auto* o = reinterpret_cast<PyTensor*>(self);
  const Dims& sizes = o->impl->sizes();
  if (o->shape && size_t(PyTuple_GET_SIZE(o->shape)) == sizes.size()) {
    bool same = true;
    for (size_t i = 0; i < sizes.size(); i++) same &= PyLong_AsLongLong(PyTuple_GET_ITEM(o->shape, i)) == sizes[i];
    if (same) return Py_NewRef(o->shape);
  }
  PyObject* fresh = wrap_size(sizes);
  if (!fresh) return nullptr;
  Py_XSETREF(o->shape, Py_NewRef(fresh));
  return fresh;
}

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded(-1, [&] {
    RL_CHECK(RuntimeError, value && PyBool_Check(value), "requires_grad must be a bool");
    const Tensor& t = unwrap(self);
    bool on = value == Py_True;
    RL_CHECK(RuntimeError, !on || is_differentiable(t.dtype()),
             "only Tensors of floating point dtype can require gradients. Hint: got ", t.dtype(),
             "; convert it with x.float(); indices and labels need none");
    // What an operator made from tensors that require gradients is no leaf: its flag follows from theirs.
    if (on != t.requires_grad()) {
      Object leaf{PyObject_GetAttrString(self, "is_leaf")};
      if (!leaf) PyErr_Clear();
      RL_CHECK(RuntimeError, !leaf || leaf.get() == Py_True,
               "you can only change requires_grad flags of leaf variables.",
               on ? ""
                  : " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = var.detach().");
    }
    t.impl()->set_requires_grad(on);
    return 0;
  });
}

PyGetSetDef getset[] = {
    {"requires_grad", over<+[](PyObject* s, void*) { return PyBool_FromLong(unwrap(s).requires_grad()); }>,
     over<set_requires_grad>,
     "Whether backward() computes a gradient for this tensor. It can be set on leaves of floating point or complex "
     "dtype.",
     nullptr},
    {"shape", over<get_shape>, nullptr, "The sizes of the dimensions, a torch.Size.", nullptr},
    {"dtype", over<+[](PyObject* s, void*) { return wrap(unwrap(s).dtype()); }>, nullptr,
     "The type of the elements, a torch.dtype.", nullptr},
    {"device", over<+[](PyObject* s, void*) { return wrap(unwrap(s).device()); }>, nullptr,
     "Where the elements are, a torch.device.", nullptr},
    {"layout", over<+[](PyObject* s, void*) { return wrap(layout_seen(unwrap(s))); }>, nullptr,
     "How the elements are kept: torch.strided, or torch.sparse_coo, torch.sparse_csr or torch.sparse_csc.", nullptr},
    {"ndim", over<+[](PyObject* s, void*) { return PyLong_FromLongLong(unwrap(s).dim()); }>, nullptr,
     "The number of dimensions.", nullptr},
    {"itemsize", over<+[](PyObject* s, void*) { return PyLong_FromLongLong(unwrap(s).item_size()); }>, nullptr,
     "The bytes of one element.", nullptr},
    {"nbytes", over<+[](PyObject* s, void*) -> PyObject* {
       if (layout_seen(unwrap(s)) != Layout::Strided) {
         PyErr_SetString(PyExc_RuntimeError,
                         "nbytes is not defined for sparse tensors. Add those of the indices and of the values, or "
                         "multiply numel() by element_size() for those of the dense tensor.");
         return nullptr;
       }
       // of an expanded tensor more than 64 bits may hold
       Object n{PyLong_FromLongLong(unwrap(s).numel())}, size{PyLong_FromLongLong(unwrap(s).item_size())};
       return n && size ? PyNumber_Multiply(n.get(), size.get()) : nullptr;
     }>,
     nullptr, "The bytes of all elements: numel() * itemsize.", nullptr},
    {"_version", over<+[](PyObject* s, void*) {
       return guarded([&] {
         const Tensor& t = unwrap(s);
         RL_CHECK(RuntimeError, !t.impl()->inference, "Inference tensors do not track version counter.");
         return PyLong_FromUnsignedLong(t.impl()->version());
       });
     }>,
     nullptr, "How often the memory has been written to in place, counted over all views of it.", nullptr},
    {"_base", over<+[](PyObject* s, void*) { return guarded([&] { return wrap(Tensor(unwrap(s).impl()->base())); }); }>,
     nullptr, "The tensor that this one is a view of, or None.", nullptr},
    {"data", over<get_data>, over<set_data>,
     "The same memory without history of gradients, and with a version count of its own. Setting it takes over another "
     "tensor's memory and shape.",
     nullptr},
    {"T", over<+[](PyObject* s, void*) { return transposed(s, false, false); }>, nullptr,
     "The tensor with its dimensions in reverse order; a view.", nullptr},
    {"mT", over<+[](PyObject* s, void*) { return transposed(s, true, false); }>, nullptr,
     "The tensor with its last two dimensions exchanged; a view. RuntimeError for fewer than 2 dimensions.", nullptr},
    {"H", over<+[](PyObject* s, void*) { return transposed(s, false, true); }>, nullptr,
     "The matrix transposed and conjugated. RuntimeError for other than 2 (or 0) dimensions.", nullptr},
    {"mH", over<+[](PyObject* s, void*) { return transposed(s, true, true); }>, nullptr,
     "The last two dimensions exchanged, the elements conjugated. RuntimeError for fewer than 2 dimensions.", nullptr},
    {"real", over<part>, over<set_part>, "The real parts of a complex tensor, a view; of a real tensor itself.",
     nullptr},
    {"imag", over<part>, over<set_part>,
     "The imaginary parts of a complex tensor, a view. RuntimeError for real tensors.", const_cast<char*>("imag")},
    {"names", over<+[](PyObject* s, void*) -> PyObject* {
       PyObject* out = PyTuple_New(Py_ssize_t(unwrap(s).dim()));
       for (Py_ssize_t i = 0; out && i < PyTuple_GET_SIZE(out); i++) PyTuple_SET_ITEM(out, i, Py_NewRef(Py_None));
       return out;
     }>,
     nullptr, "A None for each dimension: dimensions have no names here.", nullptr},
    {"is_cuda", over<+[](PyObject* s, void*) { return PyBool_FromLong(unwrap(s).device().type == DeviceType::Cuda); }>,
     nullptr, "Whether the tensor is on a CUDA device.", nullptr},
    {"is_cpu", over<+[](PyObject* s, void*) { return PyBool_FromLong(unwrap(s).device().is_cpu()); }>, nullptr,
     "Whether the tensor is in the memory of the CPU.", nullptr},
    {"is_meta", over<+[](PyObject* s, void*) { return PyBool_FromLong(unwrap(s).device().is_meta()); }>, nullptr,
     "Whether the tensor is on the meta device: a shape and a dtype without values.", nullptr},
    {"is_sparse", over<+[](PyObject* s, void*) { return PyBool_FromLong(layout_seen(unwrap(s)) == Layout::Sparse); }>,
     nullptr, "Whether the layout is torch.sparse_coo.", nullptr},
    {"is_sparse_csr",
     over<+[](PyObject* s, void*) { return PyBool_FromLong(layout_seen(unwrap(s)) == Layout::SparseCsr); }>, nullptr,
     "Whether the layout is torch.sparse_csr.", nullptr},
    {"is_quantized", over<+[](PyObject* s, void*) { return PyBool_FromLong(is_quantized(unwrap(s).dtype())); }>,
     nullptr, "Whether the elements are integers that stand for numbers, as torch.quantize_per_tensor makes them.",
     nullptr},
    {"_qscheme", over<+[](PyObject* s, void*) -> PyObject* {
       if (!has_quantizer(unwrap(s))) Py_RETURN_NONE;
       Quantizer q = quantizer_of(unwrap(s));
       bool floats = q.per_channel() && is_floating(q.zero_points.dtype());
       return PyUnicode_FromString(!q.per_channel() ? "per_tensor_affine"
                                   : floats         ? "per_channel_affine_float_qparams"
                                                    : "per_channel_affine");
     }>,
     nullptr, "The name of qscheme(); None for what is not quantised.", nullptr},
    {"is_mkldnn", over<no>, nullptr, "Always False: there are no MKL-DNN tensors here.", nullptr},
    {"is_nested", over<no>, nullptr, "Always False: there are no nested tensors here.", nullptr},
    {"is_mps", over<no>, nullptr, "Always False: there are no MPS tensors here.", nullptr},
    {"is_xpu", over<no>, nullptr, "Always False: there are no XPU tensors here.", nullptr},
    {"is_xla", over<no>, nullptr, "Always False: there are no XLA tensors here.", nullptr},
    {"is_ipu", over<no>, nullptr, "Always False: there are no IPU tensors here.", nullptr},
    {"is_maia", over<no>, nullptr, "Always False: there are no Maia tensors here.", nullptr},
    {"is_mtia", over<no>, nullptr, "Always False: there are no MTIA tensors here.", nullptr},
    {"is_vulkan", over<no>, nullptr, "Always False: there are no Vulkan tensors here.", nullptr},
    {},
};

}  // namespace

void bind_tensor_attributes(PyTypeObject* type) { add_getset(type, getset); }

}  // namespace rushlight::py
