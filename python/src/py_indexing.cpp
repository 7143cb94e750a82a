// x[...] and x[...] = v, with PyTorch's rules: what is basic gives a view (select, slice, unsqueeze), what holds tensors, masks or
// lists goes to index and index_put_.
#include "py_new.h"
#include "py_op.h"
#include "py_override.h"
#include "py_trace.h"

namespace rushlight::py {
namespace {

OpRef op_select("select.int"), op_slice("slice.Tensor"), op_unsqueeze("unsqueeze"), op_alias("alias"),
    op_index("index.Tensor"), op_index_put("index_put_"), op_copy("copy_"), op_fill("fill_.Scalar"), op_view("view"),
    op_expand("expand"), op_unbind("unbind.int");

Tensor select(const Tensor& t, int64_t dim, int64_t index, int64_t shown_dim) {
  int64_t size = t.sizes()[size_t(dim)];
  RL_CHECK(IndexError, index >= -size && index < size, "index ", index, " is out of bounds for dimension ", shown_dim,
           " with size ", size, size ? ". Hint: indices are 0 to " : "", size ? str(size - 1) : std::string());
  IValue args[3] = {IValue::borrow(t), dim, index};
  return call_tensor(*op_select, args);
}

int64_t index_of(PyObject* integer) {
  int overflow;
  int64_t i = PyLong_AsLongLongAndOverflow(integer, &overflow);
  RL_CHECK(IndexError, !overflow, "index is out of bounds: it does not fit in 64 bits");
  return i;
}

// A bound of a slice; `none` where there is none.
int64_t slice_bound(PyObject* o, int64_t none) {
  if (o == Py_None) return none;
  int64_t v;
  if (PyLong_Check(o)) {
    Py_ssize_t clipped;
    if (!_PyEval_SliceIndex(o, &clipped)) throw ErrorSet{};
    return clipped;
  }
  if (as_int(o, v)) return v;
  RL_CHECK(TypeError, PyIndex_Check(o), "slice indices must be integers or None or have an __index__ method, got ",
           short_type_name(o));
  return slice_bound(check(PyNumber_Index(o)).get(), none);
}

Tensor slice(const Tensor& t, int64_t dim, PyObject* o) {
  auto* s = reinterpret_cast<PySliceObject*>(o);
  int64_t step = slice_bound(s->step, 1);
  RL_CHECK(ValueError, step > 0, "step must be greater than zero. Hint: x.flip(dim) turns a dimension round");
  const auto& slice_args = (*op_slice).schema().args;
  tell_number(slice_args[2], 0, s->start);
  tell_number(slice_args[3], 0, s->stop);
  IValue args[5] = {IValue::borrow(t), dim, slice_bound(s->start, 0), slice_bound(s->stop, INT64_MAX), step};
  return call_tensor(*op_slice, args);
}

Tensor unsqueeze(const Tensor& t, int64_t dim) {
  IValue args[2] = {IValue::borrow(t), dim};
  return call_tensor(*op_unsqueeze, args);
}

// True stands for one element of a new dimension, False for none.
Tensor bool_index(bool v) {
  Tensor t = empty_tensor({v ? 1 : 0}, DType::Int64);
  if (v) *t.data<int64_t>() = 0;
  return t;
}

// Not for bool and tensors.
bool is_integer(PyObject* o, int64_t& v) { return !is_tensor(o) && as_int(o, v); }

bool is_array_like(PyObject* o) {
  return PySequence_Check(o) || PyTuple_Check(o) || is_numpy_array(o) ||
         PyObject_HasAttrString(o, "__array_interface__");
}

Tensor index_from(PyObject* o) {
  Tensor t = tensor_from(o, {}, {});
  // An empty list has the default dtype, and indexes nothing.
  if (t.numel() == 0 && is_floating(t.dtype()) && !is_numpy_array(o)) {
    Tensor empty = empty_tensor(t.sizes(), DType::Int64);
    return empty;
  }
  return t;
}

struct Indexed {
  Tensor view;
  Tensors indices;  // undefined for dimensions that are not indexed
  bool advanced = false;
};

void put_index(Indexed& at, Tensor index, int64_t& dim) {
  at.indices.resize(size_t(dim) + 1);
  at.indices[size_t(dim)] = std::move(index);
  at.advanced = true;
  dim++;
}

void add_tensor_index(Indexed& at, const Tensor& index, int64_t& dim, int64_t shown_dim) {
  if (index.dim() == 0 && is_integral(index.dtype(), true)) {
    if (index.dtype() != DType::Bool && index.dtype() != DType::UInt8 && !index.device().is_meta()) {
      if (watched()) number_event((*op_select).schema().args[2], 0, index);
      at.view = select(at.view, dim, element_of(index).to_int(), shown_dim);
      return;
    }
    at.view = unsqueeze(at.view, dim);
    put_index(at, bool_index(element_of(index).to_int() != 0), dim);
    return;
  }
  put_index(at, index, dim);
}

Indexed apply(const Tensor& self, PyObject* tuple) {
  Indexed at{self, {}, false};
  Py_ssize_t n = PyTuple_GET_SIZE(tuple);
  int64_t specified = 0;
  Tensors made(static_cast<size_t>(n));
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* o = PyTuple_GET_ITEM(tuple, i);
    int64_t unused;
    if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) continue;
    if (PySlice_Check(o) || PyLong_Check(o)) specified++;
    else if (is_tensor(o) || (!is_integer(o, unused) && is_array_like(o))) {
      made[size_t(i)] = is_tensor(o) ? unwrap(o) : index_from(o);
      const Tensor& t = made[size_t(i)];
      specified += t.dtype() == DType::Bool || t.dtype() == DType::UInt8 ? t.dim() : 1;
    } else {
      specified++;
    }
  }
  RL_CHECK(IndexError, specified <= self.dim(), "too many indices for tensor of dimension ", self.dim(), ". Hint: got ",
           specified, " for the shape ", self.sizes(), "; leave some out, or unsqueeze first");
  int64_t dim = 0, taken = 0;  // taken: dimensions that are gone
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject* o = PyTuple_GET_ITEM(tuple, i);
    int64_t number;
    if (PySlice_Check(o)) {
      at.view = slice(at.view, dim++, o);
    } else if (o == Py_Ellipsis) {
      dim += self.dim() - specified;
    } else if (o == Py_None) {
      at.view = unsqueeze(at.view, dim++);
      taken--;
    } else if (PyBool_Check(o)) {
      at.view = unsqueeze(at.view, dim);
      taken--;
      put_index(at, bool_index(o == Py_True), dim);
    } else if (made[size_t(i)].defined()) {
      int64_t before = at.view.dim();
      add_tensor_index(at, made[size_t(i)], dim, i);
      taken += before - at.view.dim();
    } else if (is_integer(o, number)) {
      at.view = select(at.view, dim, number, dim + taken);
      taken++;
    } else {
      throw IndexError(
          str("only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got ",
              short_type_name(o), ")"));
    }
  }
  return at;
}

// A short list that holds more than numbers stands for the tuple of its items, as it does in PyTorch, which warns of it.
bool is_like_tuple(PyObject* o) {
  if (!PyList_Check(o) || PyList_GET_SIZE(o) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) {
    PyObject* item = PyList_GET_ITEM(o, i);
    if (!is_tensor(item) && !PySequence_Check(item) && !PySlice_Check(item) && item != Py_Ellipsis && item != Py_None)
      continue;
    check_status(PyErr_WarnEx(
        PyExc_UserWarning,
        "Using a non-tuple sequence for multidimensional indexing is deprecated; use x[tuple(seq)] instead of x[seq].",
        1));
    return true;
  }
  return false;
}

Indexed index_by(const Tensor& self, PyObject* index) {
  Object tuple = PyTuple_Check(index)   ? Object::borrow(index)
                 : is_like_tuple(index) ? check(PyList_AsTuple(index))
                                        : check(PyTuple_Pack(1, index));
  return apply(self, tuple.get());
}

Tensor alias(const Tensor& t) {
  IValue args[1] = {IValue::borrow(t)};
  return call_tensor(*op_alias, args);
}

// The value of an assignment, as a tensor of self's dtype where it is a number.
void assign(const Tensor& to, PyObject* value, const Tensor& self) {
  IValue ret;
  if (is_tensor(value)) {
    Tensor from = unwrap(value);
    // Leading dimensions of size one may be too many.
    while (from.dim() > to.dim() && from.sizes()[0] == 1) from = select(from, 0, 0, 0);
    // x[0] = x[0, 1]: what is spread out may be a part of what it is written over.
    if (from.numel() < to.numel() && from.impl()->storage() == to.impl()->storage() && !from.impl()->parts()) {
      static OpRef op_clone("clone");
      IValue given[2] = {IValue::borrow(from), IValue()}, copied;
      call(*op_clone, given, &copied);
      from = copied.tensor();
    }
    IValue args[3] = {IValue::borrow(to), IValue::borrow(from), false};
    GilRelease released(to.numel() >= kReleaseGilFrom);
    call(*op_copy, args, &ret);
    return;
  }
  IValue args[2] = {IValue::borrow(to), {}};
  RL_CHECK(TypeError, as_number(value, args[1]), "can't assign a ", short_type_name(value), " to a ",
           tensor_type_text(self));
  // PyTorch makes a tensor of one element first, which it copies: not fill_, which takes expanded tensors.
  for (size_t d = 0; d < to.sizes().size(); d++)
    RL_CHECK(
        RuntimeError, to.strides()[d] != 0 || to.sizes()[d] <= 1 || to.numel() == 0,
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
        "Please clone() the tensor before performing the operation. (an assignment to a view of shape ",
        to.sizes(), ")");
  if (is_half(to.dtype())) args[1] = IValue(number_in(args[1].to_scalar(), to.dtype(), true));
  call(*op_fill, args, &ret);
}

Tensor get_item(const Tensor& t, PyObject* index) {
  if (PyLong_CheckExact(index)) {
    RL_CHECK(IndexError, t.dim() > 0,
             "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert "
             "a 0-dim tensor to a number");
    return select(t, 0, index_of(index), 0);
  }
  if (PySlice_Check(index) && t.dim() > 0) return slice(t, 0, index);
  if (index == Py_None) return unsqueeze(t, 0);
  if (index == Py_Ellipsis) return alias(t);
  Indexed at = index_by(t, index);
  if (!at.advanced) return at.view.is_same(t) ? alias(t) : at.view;
  IValue args[2] = {IValue::borrow(at.view), IValue::borrow(TensorList(at.indices))};
  IValue ret;
  {
    GilRelease released(t.numel() >= kReleaseGilFrom);
    call(*op_index, args, &ret);
  }
  return ret.take_tensor();
}

}  // namespace

PyObject* tensor_getitem(PyObject* self, PyObject* index) {
  return guarded([&]() -> PyObject* {
    PyObject* given[] = {self, index};
    if (overridden(given, 2)) [[unlikely]]
      return call_override(tensor_entry("__getitem__"), given, 2, nullptr);
    return wrap(get_item(unwrap(self), index));
  });
}

int tensor_setitem(PyObject* self, PyObject* index, PyObject* value) {
  return guarded(-1, [&] {
    RL_CHECK(TypeError, value, "Tensor does not support deleting items");
    PyObject* given[] = {self, index, value};
    if (overridden(given, 3)) [[unlikely]]
      return check(call_override(tensor_entry("__setitem__"), given, 3, nullptr)), 0;
    const Tensor& t = unwrap(self);
    RL_CHECK(TypeError, t.layout() == Layout::Strided,
             "Cannot assign to a sparse tensor; make another with sparse_coo_tensor");
    if (PyLong_CheckExact(index)) {
      RL_CHECK(IndexError, t.dim() > 0,
               "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert "
               "a 0-dim tensor to a number");
      assign(select(t, 0, index_of(index), 0), value, t);
      return 0;
    }
    if (PySlice_Check(index) && t.dim() > 0) return assign(slice(t, 0, index), value, t), 0;
    if (index == Py_Ellipsis || index == Py_True) return assign(t, value, t), 0;
    if (index == Py_False) return 0;
    Indexed at = index_by(t, index);
    if (!at.advanced) return assign(at.view, value, t), 0;
    Tensor from;
    if (is_tensor(value)) {
      from = unwrap(value);
      while (from.dim() > 0 && from.sizes()[0] == 1) from = select(from, 0, 0, 0);  // may be more than the places have
    } else {
      IValue number;
      RL_CHECK(TypeError, as_number(value, number), "can't assign a ", short_type_name(value), " to a ",
               tensor_type_text(t));
      from = empty_tensor({}, t.dtype(), t.device());
      IValue args[2] = {IValue::borrow(from), number}, ret;
      call(*op_fill, args, &ret);
    }
    IValue args[4] = {IValue::borrow(at.view), IValue::borrow(TensorList(at.indices)), IValue::borrow(from), false},
           ret;
    GilRelease released(t.numel() >= kReleaseGilFrom);
    call(*op_index_put, args, &ret);
    return 0;
  });
}

PyObject* tensor_iter(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = unwrap(self);
    if (overridden(&self, 1)) [[unlikely]]
      return PyObject_GetIter(check(call_override(tensor_entry("unbind"), &self, 1, nullptr)).get());
    RL_CHECK(TypeError, t.dim() > 0, "iteration over a 0-d tensor. Hint: it is a single number; item() gives it");
    tell_read(t, Read::Rows);
    IValue args[2] = {IValue::borrow(t), 0}, ret;
    call(*op_unbind, args, &ret);
    TensorList rows = ret.tensor_list();
    Object tuple = check(PyTuple_New(Py_ssize_t(rows.size())));
    for (size_t i = 0; i < rows.size(); i++) PyTuple_SET_ITEM(tuple.get(), i, check(wrap(rows[i])).release());
    return PyObject_GetIter(tuple.get());
  });
}

}  // namespace rushlight::py
