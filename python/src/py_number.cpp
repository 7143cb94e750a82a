// Python's operators on tensors: +, -, @, <, abs, bool, int, in-place and reversed forms.
#include <cmath>

#include "py_new.h"
#include "py_op.h"
#include "py_override.h"
#include "py_trace.h"
#include "rushlight/core/notice.h"

namespace rushlight::py {
namespace {

// An operand: a tensor, or a number where one may stand. False: Python shall ask the other operand.
inline bool operand(PyObject* o, IValue& slot) {
  if (is_tensor(o)) [[likely]] {
    slot = IValue::borrow(unwrap(o));
    return true;
  }
  if (PyFloat_CheckExact(o)) {
    slot = PyFloat_AS_DOUBLE(o);
    return true;
  }
  return as_number(o, slot);
}

// What handlers are given as func: an entry of Tensor that does the same, for a tensor on the left and for one on the right only.
struct Names { const char *left, *right; };
PyObject* answered(PyObject* a, PyObject* b, const Names& names) {
  bool reversed = !is_tensor(a) && is_tensor(b) && !type_overrides(Py_TYPE(a));
  return guarded([&] {
    return reversed ? call_operand_override(tensor_entry(names.right), b, a)
                    : call_operand_override(tensor_entry(names.left), a, b);
  });
}
inline bool overridden_pair(PyObject* a, PyObject* b) {
  return thread_state.function_modes || ((may_override(a) || may_override(b)) && !thread_state.overrides_off);
}

// numpy's arrays answer for themselves; everything else that is no operand too.
template <class Make>
PyObject* binary(PyObject* a, PyObject* b, Names names, Make make) {
  return guarded([&]() -> PyObject* {
    if (overridden_pair(a, b)) [[unlikely]]
      return answered(a, b, names);
    IValue args[3];
    if (!operand(a, args[0]) || !operand(b, args[1])) Py_RETURN_NOTIMPLEMENTED;
    return make(args);
  });
}

inline bool big(const IValue* args) {
  return (args[0].is_tensor() && args[0].tensor().numel() >= kReleaseGilFrom) ||
         (args[1].is_tensor() && args[1].tensor().numel() >= kReleaseGilFrom);
}

PyObject* run_binary(const Op& op, IValue* args) {
  IValue ret;
  if (big(args)) [[unlikely]] {
    GilRelease released(true);
    call(op, args, &ret);
  } else {
    call(op, args, &ret);
  }
  return wrap(ret.take_tensor());
}

// The overload for a number on the right, where the operator has one, else the tensor one, which takes numbers too.
const Op& scalar_overload(const char* scalar, const char* tensor) {
  const Op* op = OpTable::get().find(scalar);
  if (!op) op = OpTable::get().find(tensor);
  RL_CHECK(NotImplementedError, op, "no record names the operator ", tensor);
  return *op;
}

#define RL_BINARY(function, name, left, right, extra)     \
  PyObject* function(PyObject* a, PyObject* b) {          \
    return binary(a, b, {left, right}, [](IValue* args) { \
      static const Op& op = scalar_overload(name, name);  \
      extra;                                              \
      return run_binary(op, args);                        \
    });                                                   \
  }
RL_BINARY(nb_add, "add.Tensor", "add", "add", args[2] = 1)
RL_BINARY(nb_subtract, "sub.Tensor", "sub", "__rsub__", args[2] = 1)
RL_BINARY(nb_multiply, "mul.Tensor", "mul", "mul", )
RL_BINARY(nb_floor_divide, "floor_divide", "__floordiv__", "__rfloordiv__", )
RL_BINARY(matmul, "matmul", "matmul", "__rmatmul__", )
#undef RL_BINARY

// There is no product of matrices with a number.
PyObject* nb_matmul(PyObject* a, PyObject* b) {
  if ((!is_tensor(a) || !is_tensor(b)) && !overridden_pair(a, b)) Py_RETURN_NOTIMPLEMENTED;
  return matmul(a, b);
}

// A number over a tensor is the number times the reciprocal, which rounds twice, as PyTorch's does.
PyObject* nb_true_divide(PyObject* a, PyObject* b) {
  return binary(a, b, {"div", "__rdiv__"}, [](IValue* args) {
    static const Op &divide = scalar_overload("div.Tensor", "div.Tensor"),
                    &multiply = scalar_overload("mul.Tensor", "mul.Tensor"),
                    &reciprocal = scalar_overload("reciprocal", "reciprocal");
    if (args[0].is_tensor()) return run_binary(divide, args);
    IValue inverse;
    call(reciprocal, &args[1], &inverse);
    args[1] = std::move(args[0]);
    args[0] = std::move(inverse);
    return run_binary(multiply, args);
  });
}

// Operators with overloads of their own for numbers on either side.
#define RL_MIXED(function, name, scalar_left, method, reversed)                                    \
  PyObject* function(PyObject* a, PyObject* b) {                                                   \
    return binary(a, b, {method, reversed}, [](IValue* args) {                                     \
      static const Op& tensors = scalar_overload(name ".Tensor", name);                            \
      static const Op& right = scalar_overload(name ".Scalar", name ".Tensor");                    \
      static const Op& left = scalar_overload(name "." scalar_left, name ".Tensor");               \
      return run_binary(args[0].is_tensor() ? args[1].is_tensor() ? tensors : right : left, args); \
    });                                                                                            \
  }
RL_MIXED(nb_remainder, "remainder", "Scalar_Tensor", "remainder", "__rmod__")
RL_MIXED(nb_and, "bitwise_and", "Scalar_Tensor", "__and__", "bitwise_and")
RL_MIXED(nb_or, "bitwise_or", "Scalar_Tensor", "__or__", "bitwise_or")
RL_MIXED(nb_xor, "bitwise_xor", "Scalar_Tensor", "__xor__", "bitwise_xor")
RL_MIXED(nb_lshift, "bitwise_left_shift", "Scalar_Tensor", "__lshift__", "__rlshift__")
RL_MIXED(nb_rshift, "bitwise_right_shift", "Scalar_Tensor", "__rshift__", "__rrshift__")
#undef RL_MIXED

PyObject* nb_power(PyObject* a, PyObject* b, PyObject* mod) {
  if (mod != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary(a, b, {"pow", "__rpow__"}, [](IValue* args) {
    static const Op& tensors = *OpTable::get().find("pow.Tensor_Tensor");
    static const Op& right = scalar_overload("pow.Tensor_Scalar", "pow.Tensor_Tensor");
    static const Op& left = scalar_overload("pow.Scalar", "pow.Tensor_Tensor");
    return run_binary(args[0].is_tensor() ? args[1].is_tensor() ? tensors : right : left, args);
  });
}

#define RL_IN_PLACE(function, name, scalar, method, extra)                                         \
  PyObject* function(PyObject* a, PyObject* b) {                                                   \
    return guarded([&]() -> PyObject* {                                                            \
      if (overridden_pair(a, b)) [[unlikely]]                                                      \
        return answered(a, b, {method, method});                                                   \
      IValue args[3];                                                                              \
      if (!is_tensor(a) || !operand(a, args[0]) || !operand(b, args[1])) Py_RETURN_NOTIMPLEMENTED; \
      static const Op& tensors = scalar_overload(name, name);                                      \
      static const Op& numbers = scalar_overload(scalar, name);                                    \
      extra;                                                                                       \
      IValue ret;                                                                                  \
      {                                                                                            \
        GilRelease released(big(args));                                                            \
        call(args[1].is_tensor() ? tensors : numbers, args, &ret);                                 \
      }                                                                                            \
      return Py_NewRef(a);                                                                         \
    });                                                                                            \
  }
RL_IN_PLACE(nb_inplace_add, "add_.Tensor", "add_.Tensor", "add_", args[2] = 1)
RL_IN_PLACE(nb_inplace_subtract, "sub_.Tensor", "sub_.Tensor", "sub_", args[2] = 1)
RL_IN_PLACE(nb_inplace_multiply, "mul_.Tensor", "mul_.Tensor", "mul_", )
RL_IN_PLACE(nb_inplace_true_divide, "div_.Tensor", "div_.Tensor", "div_", )
RL_IN_PLACE(nb_inplace_floor_divide, "floor_divide_", "floor_divide_.Scalar", "floor_divide_", )
RL_IN_PLACE(nb_inplace_remainder, "remainder_.Tensor", "remainder_.Scalar", "remainder_", )
RL_IN_PLACE(nb_inplace_and, "bitwise_and_.Tensor", "bitwise_and_.Scalar", "__iand__", )
RL_IN_PLACE(nb_inplace_or, "bitwise_or_.Tensor", "bitwise_or_.Scalar", "__ior__", )
RL_IN_PLACE(nb_inplace_xor, "bitwise_xor_.Tensor", "bitwise_xor_.Scalar", "__ixor__", )
RL_IN_PLACE(nb_inplace_lshift, "bitwise_left_shift_.Tensor", "bitwise_left_shift_.Tensor_Scalar", "__ilshift__", )
RL_IN_PLACE(nb_inplace_rshift, "bitwise_right_shift_.Tensor", "bitwise_right_shift_.Tensor_Scalar", "__irshift__", )
#undef RL_IN_PLACE

PyObject* nb_inplace_power(PyObject* a, PyObject* b, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (overridden_pair(a, b)) [[unlikely]]
      return answered(a, b, {"pow_", "pow_"});
    IValue args[2], ret;
    if (!is_tensor(a) || !operand(a, args[0]) || !operand(b, args[1])) Py_RETURN_NOTIMPLEMENTED;
    static const Op& tensors = scalar_overload("pow_.Tensor", "pow_.Tensor_Tensor");
    static const Op& numbers = scalar_overload("pow_.Scalar", "pow_.Tensor_Scalar");
    call(args[1].is_tensor() ? tensors : numbers, args, &ret);
    return Py_NewRef(a);
  });
}

PyObject* unary(const Op& op, PyObject* a, const char* method) {
  if (overridden(&a, 1)) [[unlikely]]
    return call_override(tensor_entry(method), &a, 1, nullptr);
  IValue args[1] = {IValue::borrow(unwrap(a))};
  return call_one(op, args);
}
PyObject* nb_negative(PyObject* a) {
  return guarded([&] {
    static OpRef op("neg");
    return unary(*op, a, "neg");
  });
}
PyObject* nb_positive(PyObject* a) {
  return guarded([&] {
    if (overridden(&a, 1)) [[unlikely]]
      return call_override(tensor_entry("positive"), &a, 1, nullptr);
    RL_CHECK(RuntimeError, unwrap(a).dtype() != DType::Bool, "The `+` operator on a bool tensor is not supported.");
    return Py_NewRef(a);
  });
}
PyObject* nb_absolute(PyObject* a) {
  return guarded([&] {
    static OpRef op("abs");
    return unary(*op, a, "abs");
  });
}
PyObject* nb_invert(PyObject* a) {
  return guarded([&] {
    RL_CHECK(TypeError, overridden(&a, 1) || is_integral(unwrap(a).dtype(), true),
             "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
    static OpRef op("bitwise_not");
    return unary(*op, a, "__invert__");
  });
}

// One element is a number; more are none.
void expect_one(PyObject* a) {
  RL_CHECK(ValueError, unwrap(a).numel() == 1,
           "only one element tensors can be converted to Python scalars. Hint: the tensor has shape ",
           unwrap(a).sizes(), "; reduce it (mean, sum), choose an element, or x.tolist()");
}

void warn_of_gradient(PyObject* a) {
  static bool said = false;
  if (unwrap(a).requires_grad() && shall_warn(said))
    check_status(
        PyErr_WarnEx(PyExc_UserWarning,
                     "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                     "Consider using tensor.detach() first.",
                     1));
}

int nb_bool(PyObject* a) {
  return guarded(-1, [&] {
    if (overridden(&a, 1)) [[unlikely]] {
      Object answer = check(call_override(tensor_entry("__bool__"), &a, 1, nullptr));
      int truth = PyObject_IsTrue(answer.get());
      check_status(truth);
      return truth;
    }
    const Tensor& t = unwrap(a);
    RL_CHECK(RuntimeError, t.numel() < 2,
             "Boolean value of Tensor with more than one value is ambiguous. Hint: the tensor has shape ", t.sizes(),
             "; ask for .any() or .all(), and join conditions with & and | instead of and, or");
    RL_CHECK(RuntimeError, t.numel() == 1, "Boolean value of Tensor with no values is ambiguous");
    IValue v = read_element(unwrap(a), Read::Bool);
    return int(v.is_complex() ? v.to_complex() != 0.0 : v.to_double() != 0);
  });
}
PyObject* nb_int(PyObject* a) {
  if (overridden(&a, 1)) [[unlikely]]
    return guarded([&] { return call_override(tensor_entry("__int__"), &a, 1, nullptr); });
  return guarded([&] {
    expect_one(a);
    warn_of_gradient(a);
    IValue v = read_element(unwrap(a), Read::Int);
    RL_CHECK(RuntimeError, !v.is_complex() || v.to_complex().imag() == 0,
             "value cannot be converted to type int64_t without overflow");
    Object number = check(v.is_complex() ? PyFloat_FromDouble(v.to_complex().real()) : to_python(v));
    return PyNumber_Long(number.get());
  });
}
PyObject* nb_float(PyObject* a) {
  if (overridden(&a, 1)) [[unlikely]]
    return guarded([&] { return call_override(tensor_entry("__float__"), &a, 1, nullptr); });
  return guarded([&] {
    expect_one(a);
    warn_of_gradient(a);
    IValue v = read_element(unwrap(a), Read::Float);
    RL_CHECK(RuntimeError, !v.is_complex() || v.to_complex().imag() == 0,
             "value cannot be converted to type double without overflow");
    return PyFloat_FromDouble(v.is_complex() ? v.to_complex().real() : v.to_double());
  });
}
PyObject* nb_index(PyObject* a) {
  if (overridden(&a, 1)) [[unlikely]]
    return guarded([&] { return call_override(tensor_entry("__index__"), &a, 1, nullptr); });
  return guarded([&] {
    RL_CHECK(TypeError, is_integral(unwrap(a).dtype(), true) && unwrap(a).numel() == 1,
             "only integer tensors of a single element can be converted to an index");
    return PyLong_FromLongLong(read_element(unwrap(a), Read::Index).to_int());
  });
}

PyType_Slot slot(int id, auto f) { return {id, reinterpret_cast<void*>(f)}; }

}  // namespace

PyType_Slot number_slots[] = {
    slot(Py_nb_add, nb_add),
    slot(Py_nb_subtract, nb_subtract),
    slot(Py_nb_multiply, nb_multiply),
    slot(Py_nb_true_divide, nb_true_divide),
    slot(Py_nb_floor_divide, nb_floor_divide),
    slot(Py_nb_matrix_multiply, nb_matmul),
    slot(Py_nb_remainder, nb_remainder),
    slot(Py_nb_and, nb_and),
    slot(Py_nb_or, nb_or),
    slot(Py_nb_xor, nb_xor),
    slot(Py_nb_lshift, nb_lshift),
    slot(Py_nb_rshift, nb_rshift),
    slot(Py_nb_power, nb_power),
    slot(Py_nb_inplace_add, nb_inplace_add),
    slot(Py_nb_inplace_subtract, nb_inplace_subtract),
    slot(Py_nb_inplace_multiply, nb_inplace_multiply),
    slot(Py_nb_inplace_true_divide, nb_inplace_true_divide),
    slot(Py_nb_inplace_floor_divide, nb_inplace_floor_divide),
    slot(Py_nb_inplace_remainder, nb_inplace_remainder),
    slot(Py_nb_inplace_and, nb_inplace_and),
    slot(Py_nb_inplace_or, nb_inplace_or),
    slot(Py_nb_inplace_xor, nb_inplace_xor),
    slot(Py_nb_inplace_lshift, nb_inplace_lshift),
    slot(Py_nb_inplace_rshift, nb_inplace_rshift),
    slot(Py_nb_inplace_power, nb_inplace_power),
    slot(Py_nb_negative, nb_negative),
    slot(Py_nb_positive, nb_positive),
    slot(Py_nb_absolute, nb_absolute),
    slot(Py_nb_invert, nb_invert),
    slot(Py_nb_bool, nb_bool),
    slot(Py_nb_int, nb_int),
    slot(Py_nb_float, nb_float),
    slot(Py_nb_index, nb_index),
    {0, nullptr},
};

PyObject* tensor_richcompare(PyObject* a, PyObject* b, int op) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"lt", "le", "eq", "ne", "gt", "ge"};
    if (overridden_pair(a, b)) [[unlikely]] {
      const char* entry = op == Py_EQ ? "__eq__" : op == Py_NE ? "__ne__" : names[op];
      return answered(a, b, {entry, entry});
    }
    IValue args[2];
    args[0] = IValue::borrow(unwrap(a));
    if (!operand(b, args[1])) {
      // numpy leaves comparisons with tensors to us.
      if (!is_numpy_array(b)) Py_RETURN_NOTIMPLEMENTED;
      args[1] = tensor_over_array(b);
    }
    static const Op* ops[6][2];
    const Op*& found = ops[op][args[1].is_tensor()];
    if (!found) {
      std::string name = names[op];
      found =
          &scalar_overload((name + (args[1].is_tensor() ? ".Tensor" : ".Scalar")).c_str(), (name + ".Tensor").c_str());
    }
    return run_binary(*found, args);
  });
}

PyObject* item(const Tensor& t) { return to_python(element_of(t)); }

}  // namespace rushlight::py
