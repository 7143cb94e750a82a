#include "rushlight/graph/executor/primitives.h"

#include <cmath>
#include <cstdio>
#include <unordered_map>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/ops/boxing.h"

namespace rushlight::graph {
namespace {

using A = IValue*;
struct Entry {
  const char* schema;
  void (*run)(IValue* args, IValue* rets);
};

#define RL_P(schema, expression) \
  {schema, [](A a, A r) {        \
     (void)a;                    \
     r[0] = IValue(expression);  \
   }}
#define RL_DO(schema, ...) \
  {schema, [](A a, A r) {  \
     (void)a;              \
     (void)r;              \
     __VA_ARGS__;          \
   }}

int64_t floor_div(int64_t a, int64_t b) {
  RL_CHECK(RuntimeError, b != 0, "ZeroDivisionError: integer division or modulo by zero");
  if (b == -1) return int64_t(0 - uint64_t(a));
  int64_t q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}
int64_t modulo(int64_t a, int64_t b) {
  RL_CHECK(RuntimeError, b != 0, "ZeroDivisionError: integer division or modulo by zero");
  if (b == -1) return 0;
  int64_t m = a % b;
  return m != 0 && ((m < 0) != (b < 0)) ? m + b : m;
}
double modulo(double a, double b) {
  RL_CHECK(RuntimeError, b != 0, "ZeroDivisionError: float modulo");
  double m = std::fmod(a, b);
  return m != 0 && ((m < 0) != (b < 0)) ? m + b : m;
}
double divide(double a, double b) {
  RL_CHECK(RuntimeError, b != 0, "ZeroDivisionError: division by zero");
  return a / b;
}
Scalar number(const Tensor& t) {
  RL_CHECK(RuntimeError, t.numel() == 1, "a Tensor with ", t.numel(), " elements cannot be converted to Scalar");
  static const Op* item = OpTable::get().find("item");
  IValue arg = IValue::borrow(t), out;
  call(*item, &arg, &out);
  return out.to_scalar();
}
Tensor plain_number(const Scalar& s) {
  Tensor t = wrapped_number(s);
  t.impl()->wrapped_number = false;
  return t;
}
std::string_view text(const IValue& v) { return v.to_string(); }
IValue text_of(std::string_view s) { return IValue(std::string(s)); }
std::string shown(const IValue& v) { return v.is_string() ? std::string(v.to_string()) : v.text(); }

}  // namespace

std::string format_values(const IValue* a, size_t n) {
  std::string out;
  std::string_view pattern = a[0].to_string();
  size_t next = 1;
  for (size_t i = 0; i < pattern.size(); i++) {
    if (pattern.substr(i, 2) == "{}") {
      RL_CHECK(RuntimeError, next < n, "format: too few arguments for '", pattern, "'");
      out += shown(a[next++]);
      i++;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

namespace {

// Nested lists of numbers to a tensor.
void flatten_list(const IValue& v, size_t depth, Dims& sizes, std::vector<Scalar>& out) {
  if (!v.is_any_list()) return void(out.push_back(v.is_tensor() ? number(v.tensor()) : v.to_scalar()));
  size_t n = list_size(v);
  if (sizes.size() == depth) sizes.push_back(int64_t(n));
  RL_CHECK(ValueError, sizes[depth] == int64_t(n), "Expected sequences of equal length at dim ", depth, " (got ", n,
           " and ", sizes[depth], ")");
  for (size_t i = 0; i < n; i++) flatten_list(list_get(v, i), depth + 1, sizes, out);
}
Tensor make_tensor(const IValue& data, const IValue& dtype) {
  Dims sizes;
  std::vector<Scalar> items;
  flatten_list(data, 0, sizes, items);
  DType d = default_dtype();
  if (!dtype.is_none()) d = DType(dtype.to_int());
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
  IValue args[] = {IValue::borrow(wide), d, {}, {}, {}, false, {}}, ret;
  call(*to_copy, args, &ret);
  return ret.take_tensor();
}

IValue slice_list(const IValue& list, const IValue& start, const IValue& stop, int64_t step) {
  RL_CHECK(RuntimeError, step > 0, "slice step must be positive");
  int64_t n = int64_t(list_size(list));
  auto clip = [&](const IValue& v, int64_t other) {
    if (v.is_none()) return other;
    int64_t i = v.to_int() < 0 ? v.to_int() + n : v.to_int();
    return std::clamp<int64_t>(i, 0, n);
  };
  std::vector<IValue> items;
  for (int64_t i = clip(start, 0); i < clip(stop, n); i += step) items.push_back(list_get(list, size_t(i)));
  return make_list(list.type()->element(), std::move(items));
}
IValue copy_list(const IValue& list) { return slice_list(list, {}, {}, 1); }
IValue join_lists(const IValue& a, const IValue& b) {
  IValue out = copy_list(a);
  for (size_t i = 0, n = list_size(b); i < n; i++) list_insert(out, list_size(out), list_get(b, i));
  return out;
}
IValue pop(const IValue& list, int64_t i) {
  RL_CHECK(IndexError, list_size(list) > 0, "pop from empty list");
  size_t at = list_index(list, i);
  IValue v = list_get(list, at);
  list_erase(list, at);
  return v;
}
bool contains(const IValue& list, const IValue& v) {
  for (size_t i = 0, n = list_size(list); i < n; i++)
    if (values_equal(list_get(list, i), v)) return true;
  return false;
}
template <class F>
IValue dict_list(const DictValue& d, TypePtr element, const F& f) {
  std::vector<IValue> items;
  for (const auto& pair : d.items) items.push_back(f(pair));
  return make_list(element, std::move(items));
}
IValue dict_at(const IValue& dict, const IValue& key) {
  const IValue* found = dict.dict().find(key);
  RL_CHECK(KeyError, found, key.text());
  return *found;
}
IValue split(std::string_view s, const IValue& separator) {
  std::vector<IValue> parts;
  if (separator.is_none()) {
    size_t at = 0;
    while ((at = s.find_first_not_of(" \t\n\r", at)) != std::string_view::npos) {
      size_t end = std::min(s.find_first_of(" \t\n\r", at), s.size());
      parts.push_back(text_of(s.substr(at, end - at)));
      at = end;
    }
  } else {
    std::string_view by = separator.to_string();
    RL_CHECK(ValueError, !by.empty(), "empty separator");
    for (size_t at = 0;;) {
      size_t end = s.find(by, at);
      parts.push_back(text_of(s.substr(at, end == std::string_view::npos ? end : end - at)));
      if (end == std::string_view::npos) break;
      at = end + by.size();
    }
  }
  return make_list(Type::string(), std::move(parts));
}
std::string join(std::string_view by, const IValue& list) {
  std::string out;
  for (size_t i = 0, n = list_size(list); i < n; i++)
    out += (i ? std::string(by) : "") + std::string(list_get(list, i).to_string());
  return out;
}
std::string changed(std::string_view s, int (*f)(int)) {
  std::string out(s);
  for (char& c : out) c = char(f(static_cast<unsigned char>(c)));
  return out;
}
std::string stripped(std::string_view s) {
  size_t first = s.find_first_not_of(" \t\n\r"), last = s.find_last_not_of(" \t\n\r");
  return first == std::string_view::npos ? "" : std::string(s.substr(first, last - first + 1));
}
std::string replaced(std::string s, std::string_view from, std::string_view to) {
  for (size_t at = 0; !from.empty() && (at = s.find(from, at)) != std::string::npos; at += to.size())
    s.replace(at, from.size(), to);
  return s;
}

// int, float and mixed overloads of an arithmetic operator and of a comparison.
#define RL_ARITHMETIC(name, i, f)                                                        \
  RL_P("aten::" name ".int(int a, int b) -> int",                                        \
       ([](int64_t x, int64_t y) { return int64_t(i); })(a[0].to_int(), a[1].to_int())), \
      RL_P("aten::" name ".float(float a, float b) -> float",                            \
           ([](double x, double y) { return f; })(a[0].to_double(), a[1].to_double())),  \
      RL_P("aten::" name ".int_float(int a, float b) -> float",                          \
           ([](double x, double y) { return f; })(a[0].to_double(), a[1].to_double())),  \
      RL_P("aten::" name ".float_int(float a, int b) -> float",                          \
           ([](double x, double y) { return f; })(a[0].to_double(), a[1].to_double()))
#define RL_COMPARE(name, op)                                                                          \
  RL_P("aten::" name ".int(int a, int b) -> bool", a[0].to_int() op a[1].to_int()),                   \
      RL_P("aten::" name ".float(float a, float b) -> bool", a[0].to_double() op a[1].to_double()),   \
      RL_P("aten::" name ".int_float(int a, float b) -> bool", a[0].to_double() op a[1].to_double()), \
      RL_P("aten::" name ".float_int(float a, int b) -> bool", a[0].to_double() op a[1].to_double()), \
      RL_P("aten::" name ".str(str a, str b) -> bool", text(a[0]) op text(a[1]))
#define RL_MATH(name, f)                                           \
  RL_P("aten::" name ".int(int a) -> float", f(a[0].to_double())), \
      RL_P("aten::" name ".float(float a) -> float", f(a[0].to_double()))

const Entry kEntries[] = {
    RL_ARITHMETIC("add", uint64_t(x) + uint64_t(y), x + y),
    RL_ARITHMETIC("sub", uint64_t(x) - uint64_t(y), x - y),
    RL_ARITHMETIC("mul", uint64_t(x) * uint64_t(y), x * y),
    RL_ARITHMETIC("floordiv", floor_div(x, y), std::floor(divide(x, y))),
    RL_ARITHMETIC("remainder", modulo(x, y), modulo(x, y)),
    RL_P("aten::div.int(int a, int b) -> float", divide(a[0].to_double(), a[1].to_double())),
    RL_P("aten::div.float(float a, float b) -> float", divide(a[0].to_double(), a[1].to_double())),
    RL_P("aten::div(Scalar a, Scalar b) -> Scalar", divide(a[0].to_double(), a[1].to_double())),
    RL_P("aten::pow.int(int a, int b) -> float", std::pow(a[0].to_double(), a[1].to_double())),
    RL_P("aten::pow.float(float a, float b) -> float", std::pow(a[0].to_double(), a[1].to_double())),
    RL_P("aten::pow.int_float(int a, float b) -> float", std::pow(a[0].to_double(), a[1].to_double())),
    RL_P("aten::pow.float_int(float a, int b) -> float", std::pow(a[0].to_double(), a[1].to_double())),
    RL_P("aten::pow.int_to_int(int a, int b) -> int", int64_t(std::llround(std::pow(a[0].to_double(), a[1].to_double())))),
    RL_P("aten::neg.int(int a) -> int", -a[0].to_int()),
    RL_P("aten::neg.float(float a) -> float", -a[0].to_double()),
    RL_COMPARE("lt", <), RL_COMPARE("le", <=), RL_COMPARE("gt", >), RL_COMPARE("ge", >=), RL_COMPARE("eq", ==), RL_COMPARE("ne", !=),
    RL_P("aten::eq.bool(bool a, bool b) -> bool", a[0].to_bool() == a[1].to_bool()),
    RL_P("aten::ne.bool(bool a, bool b) -> bool", a[0].to_bool() != a[1].to_bool()),
    RL_P("aten::eq.device(Device a, Device b) -> bool", a[0].to_device() == a[1].to_device()),
    RL_P("aten::ne.device(Device a, Device b) -> bool", !(a[0].to_device() == a[1].to_device())),
    RL_P("aten::eq.t_list(t[] a, t[] b) -> bool", values_equal(a[0], a[1])),
    RL_P("aten::ne.t_list(t[] a, t[] b) -> bool", !values_equal(a[0], a[1])),
    RL_P("aten::__and__.bool(bool a, bool b) -> bool", a[0].to_bool() && a[1].to_bool()),
    RL_P("aten::__or__.bool(bool a, bool b) -> bool", a[0].to_bool() || a[1].to_bool()),
    RL_P("aten::__xor__.bool(bool a, bool b) -> bool", a[0].to_bool() != a[1].to_bool()),
    RL_P("aten::__and__.int(int a, int b) -> int", a[0].to_int() & a[1].to_int()),
    RL_P("aten::__or__.int(int a, int b) -> int", a[0].to_int() | a[1].to_int()),
    RL_P("aten::__xor__.int(int a, int b) -> int", a[0].to_int() ^ a[1].to_int()),
    RL_P("aten::__lshift__.int(int a, int b) -> int", int64_t(uint64_t(a[0].to_int()) << a[1].to_int())),
    RL_P("aten::__rshift__.int(int a, int b) -> int", a[0].to_int() >> a[1].to_int()),
    RL_P("aten::__not__(bool self) -> bool", !a[0].to_bool()),
    RL_P("aten::__is__(t1 self, t2 obj) -> bool", a[0].is_same(a[1])),
    RL_P("aten::__isnot__(t1 self, t2 obj) -> bool", !a[0].is_same(a[1])),
    RL_MATH("sqrt", std::sqrt), RL_MATH("exp", std::exp), RL_MATH("log", std::log), RL_MATH("log2", std::log2), RL_MATH("log10", std::log10),
    RL_MATH("sin", std::sin), RL_MATH("cos", std::cos), RL_MATH("tan", std::tan), RL_MATH("tanh", std::tanh), RL_MATH("atan", std::atan),
    RL_P("aten::floor.int(int a) -> int", a[0].to_int()),
    RL_P("aten::floor.float(float a) -> int", int64_t(std::floor(a[0].to_double()))),
    RL_P("aten::ceil.int(int a) -> int", a[0].to_int()),
    RL_P("aten::ceil.float(float a) -> int", int64_t(std::ceil(a[0].to_double()))),
    RL_P("aten::round.float(float a) -> float", std::nearbyint(a[0].to_double())),
    RL_P("prim::abs.int(int a) -> int", std::abs(a[0].to_int())),
    RL_P("prim::abs.float(float a) -> float", std::fabs(a[0].to_double())),
    RL_P("prim::min.int(int a, int b) -> int", std::min(a[0].to_int(), a[1].to_int())),
    RL_P("prim::min.float(float a, float b) -> float", std::min(a[0].to_double(), a[1].to_double())),
    RL_P("prim::max.int(int a, int b) -> int", std::max(a[0].to_int(), a[1].to_int())),
    RL_P("prim::max.float(float a, float b) -> float", std::max(a[0].to_double(), a[1].to_double())),
    RL_P("aten::Int.Tensor(Tensor a) -> int", number(a[0].tensor()).to_int()),
    RL_P("aten::Int.bool(bool a) -> int", int64_t(a[0].to_bool())),
    RL_P("aten::Int.float(float a) -> int", int64_t(a[0].to_double())),
    RL_P("aten::Int.Scalar(Scalar a) -> int", a[0].to_scalar().to_int()),
    RL_P("aten::Int.str(str a) -> int", int64_t(std::stoll(std::string(text(a[0]))))),
    RL_P("aten::Float.Tensor(Tensor a) -> float", number(a[0].tensor()).to_double()),
    RL_P("aten::Float.int(int a) -> float", a[0].to_double()),
    RL_P("aten::Float.bool(bool a) -> float", double(a[0].to_bool())),
    RL_P("aten::Float.Scalar(Scalar a) -> float", a[0].to_scalar().to_double()),
    RL_P("aten::Float.str(str a) -> float", std::stod(std::string(text(a[0])))),
    RL_P("aten::Bool.Tensor(Tensor a) -> bool", number(a[0].tensor()).to<bool>()),
    RL_P("aten::Bool.int(int a) -> bool", a[0].to_int() != 0),
    RL_P("aten::Bool.float(float a) -> bool", a[0].to_double() != 0),
    RL_P("aten::IntImplicit(Tensor a) -> int", number(a[0].tensor()).to_int()),
    RL_P("aten::FloatImplicit(Tensor a) -> float", number(a[0].tensor()).to_double()),
    RL_P("aten::ScalarImplicit(Tensor a) -> Scalar", number(a[0].tensor())),
    RL_P("prim::NumToTensor.Scalar(Scalar a) -> Tensor", plain_number(a[0].to_scalar())),
    RL_P("prim::NumToTensor.bool(bool a) -> Tensor", plain_number(a[0].to_scalar())),
    RL_P("aten::size(Tensor self) -> int[]", a[0].tensor().sizes()),
    RL_P("aten::size.int(Tensor self, int dim) -> int", a[0].tensor().size(a[1].to_int())),
    RL_P("aten::stride(Tensor self) -> int[]", a[0].tensor().strides()),
    RL_P("aten::stride.int(Tensor self, int dim) -> int", a[0].tensor().stride(a[1].to_int())),
    RL_P("aten::dim(Tensor self) -> int", a[0].tensor().dim()),
    RL_P("prim::ndim(Tensor a) -> int", a[0].tensor().dim()),
    RL_P("aten::numel(Tensor self) -> int", a[0].tensor().numel()),
    RL_P("prim::dtype(Tensor a) -> int", a[0].tensor().dtype()),
    RL_P("prim::device(Tensor a) -> Device", a[0].tensor().device()),
    RL_P("prim::layout(Tensor a) -> int", int64_t(0)),
    RL_P("prim::requires_grad(Tensor a) -> bool", a[0].tensor().requires_grad()),
    RL_P("prim::is_cuda(Tensor a) -> bool", a[0].tensor().device().type == DeviceType::Cuda),
    RL_P("aten::is_floating_point(Tensor self) -> bool", is_floating(a[0].tensor().dtype())),
    RL_P("aten::is_complex(Tensor self) -> bool", is_complex(a[0].tensor().dtype())),
    RL_P("aten::is_contiguous(Tensor self) -> bool", a[0].tensor().is_contiguous()),
    RL_P("aten::len.Tensor(Tensor t) -> int", a[0].tensor().size(0)),
    RL_P("aten::len.t(t[] a) -> int", int64_t(list_size(a[0]))),
    RL_P("aten::len.str(str s) -> int", int64_t(text(a[0]).size())),
    RL_P("aten::len.Dict(Any self) -> int", int64_t(a[0].is_tuple() ? a[0].to_tuple().items.size() : a[0].dict().items.size())),
    RL_P("aten::__getitem__.t(t[] list, int idx) -> t", list_get(a[0], list_index(a[0], a[1].to_int()))),
    RL_DO("aten::__getitem__.str(str s, int index) -> str", std::string_view s = text(a[0]); int64_t n = int64_t(s.size()); int64_t i = a[1].to_int();
          RL_CHECK(IndexError, i >= -n && i < n, "string index out of range"); r[0] = text_of(s.substr(size_t(i < 0 ? i + n : i), 1))),
    RL_P("aten::__getitem__.Dict(Any self, Any key) -> Any", dict_at(a[0], a[1])),
    RL_DO("aten::_set_item.t(t[](a!) l, int idx, t el) -> t[]", list_set(a[0], list_index(a[0], a[1].to_int()), a[2]); r[0] = IValue(a[0])),
    RL_DO("aten::_set_item.Dict(Any(a!) l, Any idx, Any v) -> ()", a[0].dict().set(a[1], a[2])),
    RL_DO("aten::append.t(t[](a!) self, t el) -> t[]", list_insert(a[0], list_size(a[0]), a[1]); r[0] = IValue(a[0])),
    RL_DO("aten::extend.t(t[](a!) self, t[] other) -> ()", for (size_t i = 0, n = list_size(a[1]); i < n; i++) list_insert(a[0], list_size(a[0]), list_get(a[1], i))),
    RL_DO("aten::insert.t(t[](a!) self, int idx, t el) -> ()", int64_t n = int64_t(list_size(a[0])); int64_t i = a[1].to_int(); if (i < 0) i += n;
          list_insert(a[0], size_t(std::clamp<int64_t>(i, 0, n)), a[2])),
    RL_P("aten::pop.t(t[](a!) self, int idx=-1) -> t", pop(a[0], a[1].to_int())),
    RL_DO("aten::clear.t(t[](a!) self) -> ()", while (list_size(a[0])) list_erase(a[0], list_size(a[0]) - 1)),
    RL_DO("aten::reverse.t(t[](a!) self) -> ()", for (size_t i = 0, n = list_size(a[0]); i < n / 2; i++) { IValue x = list_get(a[0], i); list_set(a[0], i, list_get(a[0], n - 1 - i)); list_set(a[0], n - 1 - i, x); }),
    RL_P("aten::list.t(t[] l) -> t[]", copy_list(a[0])),
    RL_P("aten::copy.t(t[] self) -> t[]", copy_list(a[0])),
    RL_P("aten::slice.t(t[] l, int? start=None, int? end=None, int step=1) -> t[]", slice_list(a[0], a[1], a[2], a[3].to_int())),
    RL_P("aten::add.t(t[] a, t[] b) -> t[]", join_lists(a[0], a[1])),
    RL_DO("aten::mul.left_t(t[] l, int n) -> t[]", IValue out = slice_list(a[0], IValue(int64_t(0)), IValue(int64_t(0)), 1); for (int64_t i = 0; i < a[1].to_int(); i++) out = join_lists(out, a[0]); r[0] = out),
    RL_P("aten::__contains__.t(t[] l, t item) -> bool", contains(a[0], a[1])),
    RL_P("aten::__contains__.str(str l, str item) -> bool", text(a[0]).find(text(a[1])) != std::string_view::npos),
    RL_P("aten::__contains__.Dict(Any dict, Any key) -> bool", a[0].dict().find(a[1]) != nullptr),
    RL_P("aten::keys(Any self) -> Any", dict_list(a[0].dict(), a[0].dict().key, [](const auto& p) { return p.first; })),
    RL_P("aten::values(Any self) -> Any", dict_list(a[0].dict(), a[0].dict().value, [](const auto& p) { return p.second; })),
    RL_P("aten::items(Any self) -> Any", dict_list(a[0].dict(), Type::tuple({a[0].dict().key, a[0].dict().value}), [](const auto& p) { return IValue::tuple({p.first, p.second}); })),
    RL_DO("aten::get.default(Any self, Any key, Any default_value=None) -> Any", const IValue* v = a[0].dict().find(a[1]); r[0] = v ? *v : IValue(a[2])),
    RL_DO("aten::Delete.Dict(Any(a!) self, Any key) -> ()", RL_CHECK(KeyError, a[0].dict().erase(a[1]), a[1].text())),
    RL_P("aten::add.str(str a, str b) -> str", std::string(text(a[0])) + std::string(text(a[1]))),
    RL_P("aten::str(Any elem) -> str", shown(a[0])),
    RL_P("aten::upper(str self) -> str", changed(text(a[0]), std::toupper)),
    RL_P("aten::lower(str self) -> str", changed(text(a[0]), std::tolower)),
    RL_P("aten::strip(str self) -> str", stripped(text(a[0]))),
    RL_P("aten::startswith(str self, str substr) -> bool", text(a[0]).starts_with(text(a[1]))),
    RL_P("aten::endswith(str self, str substr) -> bool", text(a[0]).ends_with(text(a[1]))),
    RL_P("aten::replace(str self, str old, str new) -> str", replaced(std::string(text(a[0])), text(a[1]), text(a[2]))),
    RL_P("aten::find(str self, str substr) -> int", text(a[0]).find(text(a[1])) == std::string_view::npos ? int64_t(-1) : int64_t(text(a[0]).find(text(a[1])))),
    RL_P("aten::split.str(str self, str? separator=None) -> str[]", split(text(a[0]), a[1])),
    RL_P("aten::join(str self, str[] values) -> str", join(text(a[0]), a[1])),
    RL_DO("aten::__range_length(int lo, int hi, int step) -> int", int64_t lo = a[0].to_int(); int64_t hi = a[1].to_int(); int64_t step = a[2].to_int();
          RL_CHECK(ValueError, step != 0, "range() arg 3 must not be zero");
          r[0] = step > 0 && lo < hi ? 1 + (hi - 1 - lo) / step : step < 0 && lo > hi ? 1 + (lo - 1 - hi) / -step : int64_t(0)),
    RL_P("aten::__derive_index(int index, int start, int step) -> int", a[1].to_int() + a[0].to_int() * a[2].to_int()),
    RL_P("aten::tensor(t[] data, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor", make_tensor(a[0], a[1])),
    RL_P("aten::tensor.Scalar(Scalar t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor", make_tensor(a[0], a[1])),
    RL_P("aten::tensor.bool(bool t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor", make_tensor(a[0], a[1])),
    RL_P("aten::device(str a) -> Device", Device::parse(text(a[0]))),
    RL_DO("aten::warn(str message, int stacklevel=2) -> ()", std::fprintf(stderr, "Warning: %s\n", std::string(text(a[0])).c_str())),
    RL_P("aten::sum.int(int[] self) -> int", ([](IntArrayRef v) { int64_t n = 0; for (int64_t i : v) n += i; return n; })(a[0].int_list())),
};

using Table = std::unordered_map<std::string, std::vector<const Primitive*>>;

const Table& table() {
  static const Table* all = [] {
    auto* t = new Table;
    for (const Entry& e : kEntries) {
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
