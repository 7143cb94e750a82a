#include "calls.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "rushlight/autograd/meta.h"
#include "rushlight/core/generator.h"
#include "rushlight/fn/_coalesced_.h"
#include "rushlight/fn/_sparse_to.h"
#include "rushlight/fn/add.h"
#include "rushlight/fn/to_sparse.h"
#include "rushlight/kernels/dispatch.h"

namespace fuzz {
namespace {

using Kind = Value::Kind;

constexpr DType kDTypes[] = {DType::Float32, DType::Float64, DType::Int64,     DType::Bool,       DType::UInt8,
                             DType::Int8,    DType::Int16,   DType::Int32,     DType::Float16,    DType::BFloat16,
                             DType::Float32, DType::Int64,   DType::Complex64, DType::Complex128, DType::Float32};
constexpr std::pair<const char*, DType> kNames[] = {
    {"u8", DType::UInt8},  {"i8", DType::Int8},       {"i16", DType::Int16},       {"i32", DType::Int32},
    {"i64", DType::Int64}, {"f16", DType::Float16},   {"f32", DType::Float32},     {"f64", DType::Float64},
    {"b", DType::Bool},    {"c64", DType::Complex64}, {"c128", DType::Complex128}, {"bf16", DType::BFloat16}};
constexpr int64_t kInts[] = {0,
                             1,
                             -1,
                             2,
                             -2,
                             3,
                             4,
                             5,
                             -3,
                             7,
                             8,
                             16,
                             63,
                             64,
                             -64,
                             100,
                             127,
                             128,
                             255,
                             256,
                             1000,
                             32767,
                             65536,
                             (int64_t(1) << 31) - 1,
                             int64_t(1) << 31,
                             -(int64_t(1) << 31),
                             int64_t(1) << 32,
                             int64_t(1) << 33,
                             int64_t(1) << 40,
                             int64_t(1) << 61,
                             int64_t(1) << 62,
                             -(int64_t(1) << 62),
                             (int64_t(1) << 62) + 1,
                             std::numeric_limits<int64_t>::max(),
                             std::numeric_limits<int64_t>::min(),
                             std::numeric_limits<int64_t>::max() - 1,
                             std::numeric_limits<int64_t>::min() + 1};
constexpr double kDoubles[] = {0,     1,     -1,   0.5,   2,    -0.5,     1e-3,      3,      -0.0,
                               1e10,  -1e10, 1e19, -1e19, 1e38, 1e39,     1e308,     -1e308, 5e-324,
                               65504, 1e5,   255,  256,   -129, INFINITY, -INFINITY, NAN};
constexpr const char* kTexts[] = {"",         "sum",       "mean",      "none",  "zeros",   "reflect",
                                  "constant", "replicate", "circular",  "floor", "trunc",   "prod",
                                  "amax",     "add",       "multiply",  "ij",    "xy",      "linear",
                                  "nearest",  "ii->i",     "...a,b->a", "mixed", "reduced", "complete",
                                  "fro",      "nuc",       "U",         "N",     "none\0x", "\xff\xfe"};

const char* name_of_dtype(DType d) {
  for (auto [name, dtype] : kNames)
    if (dtype == d) return name;
  return "?";
}

// ---- text ----

class Reader {
 public:
  explicit Reader(const std::string& line) : p_(line.c_str()) {}
  bool at(char c) const { return *p_ == c; }
  bool take(char c) { return *p_ == c ? (p_++, true) : false; }
  bool done() const { return *p_ == 0; }
  void spaces() {
    while (*p_ == ' ') p_++;
  }
  std::string until(const char* ends) {
    size_t n = std::strcspn(p_, ends);
    std::string word(p_, n);
    p_ += n;
    return word;
  }
  std::vector<int64_t> ints() {
    std::vector<int64_t> all;
    while (std::isdigit(static_cast<unsigned char>(*p_)) || *p_ == '-') {
      char* end;
      all.push_back(std::strtoll(p_, &end, 10));
      p_ = end;
      if (!take(',')) break;
    }
    return all;
  }

 private:
  const char* p_;
};

bool read_tensor(const std::string& name, Reader& in, TensorValue& t) {
  bool known = false;
  for (auto [n, d] : kNames)
    if (name == n) t.dtype = d, known = true;
  if (!known || !in.take('[')) return false;
  t.sizes = in.ints();
  if (!in.take(']')) return false;
  if (in.take('@')) t.strides = in.ints();
  if (in.take('=')) t.values = in.ints();
  if (in.take('<')) {
    std::vector<int64_t> range = in.ints();
    if (range.size() != 2) return false;
    t.low = range[0], t.high = range[1];
  }
  return true;
}

bool read_number(const std::string& word, Value& v) {
  char* end;
  if (word.empty()) return false;
  if (word.back() == 'f' || word.back() == 'j') {
    v.kind = word.back() == 'f' ? Kind::Double : Kind::Complex;
    v.d = std::strtod(word.c_str(), &end);
    if (v.kind == Kind::Complex) v.imag = std::strtod(end, nullptr);
    return end != word.c_str();
  }
  v.kind = Kind::Int;
  v.i = std::strtoll(word.c_str(), &end, 10);
  return *end == 0;
}

bool read_value(Reader& in, Value& v) {
  if (in.take('"')) {
    v.kind = Kind::String;
    v.text = in.until("\"");
    return in.take('"');
  }
  if (in.take('{')) {
    v.kind = Kind::Tensors;
    while (!in.at('}') && !in.done()) {
      v.tensors.emplace_back();
      if (in.take('-')) v.tensors.back().defined = false;
      else if (!read_tensor(in.until("[}"), in, v.tensors.back())) return false;
      in.spaces();
    }
    return in.take('}');
  }
  if (in.take('(')) {
    v.kind = Kind::Ints;
    while (!in.take(')')) {
      std::string word = in.until(",)");
      in.take(',');
      Value item;
      if (word == "true" || word == "false") v.kind = Kind::Bools, v.ints.push_back(word == "true");
      else if (!read_number(word, item)) return false;
      else if (item.kind == Kind::Double) v.kind = Kind::Doubles, v.doubles.push_back(item.d);
      else v.ints.push_back(item.i);
    }
    return true;
  }
  std::string word = in.until(" [");
  if (in.at('[')) {
    v.kind = Kind::Tensor;
    return read_tensor(word, in, v.tensors.emplace_back());
  }
  if (word == "-") return true;
  if (word == "cpu" || word == "meta") return v.kind = Kind::Device, v.text = word, true;
  if (word == "gen") return v.kind = Kind::Generator, true;
  if (word == "true" || word == "false") return v.kind = Kind::Bool, v.i = word == "true", true;
  return read_number(word, v);
}

std::string list_text(const std::vector<int64_t>& items) {
  std::string out;
  for (int64_t i : items) out += (out.empty() ? "" : ",") + std::to_string(i);
  return out;
}

std::string number_text(double d) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17gf", d);
  return text;
}

std::string tensor_text(const TensorValue& t) {
  if (!t.defined) return "-";
  std::string out = name_of_dtype(t.dtype) + ("[" + list_text(t.sizes)) + "]";
  if (!t.strides.empty()) out += "@" + list_text(t.strides);
  if (!t.values.empty()) out += "=" + list_text(t.values);
  else if (is_integral(t.dtype, false)) out += "<" + std::to_string(t.low) + "," + std::to_string(t.high);
  // What follows is for the reader only.
  if (t.offset) out += " offset=" + std::to_string(t.offset);
  if (t.shares >= 0) out += " in-memory-of=" + std::to_string(t.shares);
  if (t.special) out += " with-special-values";
  if (t.requires_grad) out += " requires_grad";
  if (t.layout != Layout::Strided) out += std::string(" ") + name_of(t.layout);
  return out + (t.meta ? " meta" : "");
}

std::string value_text(const Value& v) {
  std::string out;
  switch (v.kind) {
    case Kind::None: return "-";
    case Kind::Int: return std::to_string(v.i);
    case Kind::Bool: return v.i ? "true" : "false";
    case Kind::Double: return number_text(v.d);
    case Kind::Complex: return number_text(v.d) + "+" + number_text(v.imag) + "j";
    case Kind::String: return '"' + v.text + '"';
    case Kind::Ints:
    case Kind::Bools: return "(" + list_text(v.ints) + ")";
    case Kind::Doubles:
      for (double d : v.doubles) out += (out.empty() ? "" : ",") + number_text(d);
      return "(" + out + ")";
    case Kind::Device: return v.text;
    case Kind::Generator: return "gen";
    case Kind::Tensor: return tensor_text(v.tensors[0]);
    default:
      for (const TensorValue& t : v.tensors) out += (out.empty() ? "" : " | ") + tensor_text(t);
      return "{" + out + "}";
  }
}

// ---- arguments ----

// What lies between the first and the last element, and where the first is; -1 if it is too much.
int64_t extent(const TensorValue& t, int64_t& first) {
  constexpr int64_t kMost = int64_t(1) << 20;
  int64_t below = 0, above = 0, step = 1;
  for (int64_t s : t.sizes)
    if (s == 0) return first = 0, 0;
  for (size_t d = t.sizes.size(); d-- > 0;) {
    int64_t stride = t.strides.empty() ? step : t.strides[d], reach;
    if (__builtin_mul_overflow(t.sizes[d] - 1, stride, &reach) || std::abs(reach) > kMost) return -1;
    (reach < 0 ? below : above) += reach;
    if (__builtin_mul_overflow(step, t.sizes[d], &step)) return -1;
  }
  first = -below;
  return above - below + 1;
}

template <class T>
void fill(T* p, int64_t n, const TensorValue& t) {
  Random random(t.seed);
  using Limits = std::numeric_limits<T>;
  for (int64_t i = 0; i < n; i++) {
    if (size_t(i) < t.values.size()) p[i] = T(float(t.values[size_t(i)]));
    else if (random.below(100) < t.special) {
      if constexpr (std::is_same_v<T, bool>) p[i] = random.chance(50);
      else if constexpr (std::is_integral_v<T>)
        p[i] = random.chance(50) ? T(random.pick(kInts)) : random.chance(50) ? Limits::min() : Limits::max();
      else p[i] = T(float(random.pick(kDoubles)));
    } else if constexpr (std::is_same_v<T, bool>) p[i] = random.chance(50);
    else if constexpr (std::is_integral_v<T>) {
      uint64_t span = uint64_t(t.high) - uint64_t(t.low);
      p[i] = T(uint64_t(t.low) + (span == ~uint64_t(0) ? random.next() : random.next() % (span + 1)));
    } else p[i] = T(float(random.below(1000)) / 250 - 2);
  }
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
    for (int64_t i = 0; i < n && size_t(i) < t.values.size(); i++) p[i] = T(t.values[size_t(i)]);
}

// Sparse, where the shape can be; some with an element twice, some with indices that a program spoiled behind its back.
Tensor in_parts(const Tensor& dense, const TensorValue& t) {
  Random random(t.seed + 1);
  Tensor out;
  try {
    NoGradGuard no_grad;
    int64_t dense_dim = t.layout == Layout::Sparse && random.chance(30) ? random.below(3) : 0;
    out = to_sparse(dense, t.layout, std::nullopt, dense_dim);
    if (t.layout == Layout::Sparse && random.chance(40)) out = add(out, _sparse_to(out), random.chance(50) ? 1 : -1);
    if (t.layout == Layout::Sparse && random.chance(40)) _coalesced_(out, random.chance(80));
  } catch (const Error&) { return dense; }
  const SparseParts& parts = *out.impl()->parts();
  for (const auto& part : {parts.indices, parts.plain}) {
    if (!part || part->numel() == 0 || part->dtype() != DType::Int64 || !random.chance(15)) continue;
    Tensor indices(part);
    indices.data<int64_t>()[random.below(indices.storage().bytes() / 8 - indices.storage_offset())] =
        random.pick(kInts);
  }
  return out;
}

Tensor make_tensor(const TensorValue& t, const std::vector<Tensor>& made) {
  if (!t.defined) return {};
  Dims strides = t.strides.empty() ? contiguous_strides(t.sizes) : Dims(t.strides);
  int64_t first = 0, count = extent(t, first);
  if (t.shares >= 0 && size_t(t.shares) < made.size() && made[size_t(t.shares)].defined()) {
    const Tensor& owner = made[size_t(t.shares)];
    int64_t room = int64_t(owner.storage().bytes()) / owner.item_size();
    if (count >= 0 && count <= room && owner.device().is_cpu() && !owner.requires_grad())
      return alias_tensor(owner, t.sizes, strides, first + std::min(t.offset, room - count));
  }
  if (t.meta) {
    Tensor meta = empty_tensor({}, t.dtype, Device(DeviceType::Meta));
    if (count < 0) return meta;
    resize_tensor(meta, Dims{count + t.offset});
    return alias_tensor(meta, t.sizes, strides, first + t.offset);
  }
  if (count < 0) return empty_tensor(Dims{0}, t.dtype);
  Tensor base = empty_tensor(Dims{count + t.offset}, t.dtype);
  dispatch(AllTypes{}, t.dtype, "fuzz", [&]<class T>() { fill(base.data<T>(), base.numel(), t); });
  Tensor out = alias_tensor(base, t.sizes, strides, first + t.offset);
  if (t.layout != Layout::Strided) out = in_parts(out, t);
  if (t.requires_grad && is_differentiable(t.dtype)) set_requires_grad(out, true);
  return out;
}

}  // namespace

std::string Call::text() const {
  std::string out = op->qualified_name();
  for (size_t i = 0; i < args.size(); i++) out += "  " + op->schema().args[i].name + "=" + value_text(args[i]);
  return out;
}

std::vector<IValue> Call::make() const {
  std::vector<Tensor> made;
  std::vector<IValue> out;
  for (size_t a = 0; a < args.size(); a++) {
    const Value& v = args[a];
    size_t first = made.size();
    for (const TensorValue& t : v.tensors) made.push_back(make_tensor(t, made));
    switch (v.kind) {
      case Kind::None: out.emplace_back(); break;
      case Kind::Int: out.emplace_back(v.i); break;
      case Kind::Bool: out.emplace_back(v.i != 0); break;
      case Kind::Double: out.emplace_back(v.d); break;
      case Kind::Complex: out.emplace_back(complex128(v.d, v.imag)); break;
      case Kind::String: out.emplace_back(v.text); break;
      case Kind::Ints: out.emplace_back(v.ints); break;
      case Kind::Doubles: out.emplace_back(v.doubles); break;
      case Kind::Bools:
        out.emplace_back(Ref<BoolList>(new BoolList(std::vector<uint8_t>(v.ints.begin(), v.ints.end()))));
        break;
      case Kind::Device: out.emplace_back(v.text == "cpu" ? Device() : Device(DeviceType::Meta)); break;
      case Kind::Generator: out.emplace_back(Ref<Generator>(new Generator(7))); break;
      case Kind::Tensor: out.emplace_back(made[first]); break;
      case Kind::Tensors: out.emplace_back(std::vector<Tensor>(made.begin() + long(first), made.end())); break;
    }
  }
  return out;
}

namespace {

// The kind that the argument's type asks for; of a Scalar or an optional one of those that it may be.
Kind kind_for(const Argument& a, Random& random) {
  if (a.is_optional() && random.chance(30)) return Kind::None;
  const Type& t = a.base_type();
  switch (t.kind()) {
    case Type::Kind::Tensor: return Kind::Tensor;
    case Type::Kind::Int: return Kind::Int;
    case Type::Kind::Float: return Kind::Double;
    case Type::Kind::Bool: return Kind::Bool;
    case Type::Kind::Number:
      return random.pick(
          std::initializer_list<Kind>{Kind::Int, Kind::Double, Kind::Bool, Kind::Complex, Kind::Int, Kind::Double});
    case Type::Kind::String: return Kind::String;
    case Type::Kind::Device: return Kind::Device;
    case Type::Kind::Generator: return Kind::Generator;
    case Type::Kind::List:
      switch (t.element()->kind()) {
        case Type::Kind::Int: return Kind::Ints;
        case Type::Kind::Float: return Kind::Doubles;
        case Type::Kind::Bool: return Kind::Bools;
        default: return Kind::Tensors;
      }
    default: return Kind::None;
  }
}

int64_t random_int(Random& random) { return random.chance(60) ? random.below(6) - 2 : random.pick(kInts); }

void randomise_layout(TensorValue& t, Random& random) {
  size_t n = t.sizes.size();
  if (n == 0) return;
  Dims dense = contiguous_strides(t.sizes);
  t.strides.assign(dense.begin(), dense.end());
  switch (random.below(6)) {
    case 0: std::reverse(t.strides.begin(), t.strides.end()); break;  // of another shape's: they overlap
    case 1:
      for (int64_t& s : t.strides) s *= 2;
      break;
    case 2: t.strides[size_t(random.below(int64_t(n)))] = 0; break;
    case 3: t.strides[size_t(random.below(int64_t(n)))] = 1; break;
    case 4: {  // column-major
      int64_t step = 1;
      for (size_t d = 0; d < n; d++) t.strides[d] = step, step *= std::max<int64_t>(t.sizes[d], 1);
      break;
    }
    default: std::fill(t.strides.begin(), t.strides.end(), 0);
  }
  t.offset = random.below(4);
}

Layout random_layout(Random& random) {
  return random.pick(
      std::initializer_list<Layout>{Layout::Sparse, Layout::Sparse, Layout::SparseCsr, Layout::SparseCsc});
}

TensorValue random_tensor(Random& random) {
  TensorValue t;
  t.dtype = random.pick(kDTypes);
  for (int64_t d = random.pick(std::initializer_list<int64_t>{0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6}); d > 0; d--)
    t.sizes.push_back(random.pick(std::initializer_list<int64_t>{0, 1, 1, 2, 2, 3, 3, 4, 5, 8}));
  if (random.chance(30)) randomise_layout(t, random);
  t.low = random.pick(std::initializer_list<int64_t>{0, 0, 0, -3, 1});
  t.high = t.low + random.pick(std::initializer_list<int64_t>{0, 1, 3, 10});
  if (random.chance(10)) t.special = 30;
  t.requires_grad = random.chance(20);
  t.meta = random.chance(3);
  if (random.chance(4)) t.layout = random_layout(random);
  t.seed = random.next();
  return t;
}

void change_tensor(TensorValue& t, Random& random) {
  if (!t.defined) {
    t = random_tensor(random);
    return;
  }
  if (random.chance(4)) return void(t.layout = random_layout(random));
  size_t n = t.sizes.size();
  auto reshape = [&] { t.strides.clear(); };
  switch (random.below(17)) {
    case 0:
    case 1: t.dtype = random.pick(kDTypes); break;
    case 2:
    case 3:
      if (n)
        t.sizes[size_t(random.below(int64_t(n)))] =
            random.pick(std::initializer_list<int64_t>{0, 1, 2, 3, 4, 5, 7, 9, 17});
      reshape();
      break;
    case 4:
      if (n) t.sizes[size_t(random.below(int64_t(n)))] += random.chance(50) ? 1 : -1;
      for (int64_t& s : t.sizes) s = std::max<int64_t>(s, 0);
      reshape();
      break;
    case 5:
      t.sizes.insert(t.sizes.begin() + random.below(int64_t(n) + 1), random.below(3));
      reshape();
      break;
    case 6:
      if (n) t.sizes.erase(t.sizes.begin() + random.below(int64_t(n)));
      reshape();
      break;
    case 7:
    case 8: randomise_layout(t, random); break;
    case 9:
    case 10:
      t.special = 30;
      t.values.clear();
      break;
    case 11:
      t.values.clear();
      t.low = random.pick(std::initializer_list<int64_t>{0, -1, -5, std::numeric_limits<int64_t>::min()});
      t.high = random.pick(std::initializer_list<int64_t>{0, 1, 2, 10, 100, std::numeric_limits<int64_t>::max()});
      break;
    case 12:  // one value is wrong
      if (is_integral(t.dtype, false)) {
        int64_t first, count = extent(t, first);
        while (int64_t(t.values.size()) < std::min<int64_t>(count, 20)) t.values.push_back(t.low);
        if (!t.values.empty()) t.values[size_t(random.below(int64_t(t.values.size())))] = random_int(random);
      }
      break;
    case 13: t.meta = !t.meta; break;
    case 14: t.sizes.clear(), reshape(); break;
    case 15: t.shares = int(random.below(3)), t.requires_grad = false; break;
    default: t = random_tensor(random);
  }
}

Value random_value(const Argument& a, Random& random) {
  Value v;
  v.kind = kind_for(a, random);
  switch (v.kind) {
    case Kind::Int:
      v.i = a.type_name.starts_with("ScalarType")     ? int64_t(random.pick(kDTypes))
            : a.type_name.starts_with("Layout")       ? 0
            : a.type_name.starts_with("MemoryFormat") ? random.below(4)
                                                      : random_int(random);
      break;
    case Kind::Bool: v.i = random.below(2); break;
    case Kind::Complex: v.imag = random.pick(kDoubles); [[fallthrough]];
    case Kind::Double: v.d = random.pick(kDoubles); break;
    case Kind::String: v.text = random.pick(kTexts); break;
    case Kind::Device: v.text = random.chance(80) ? "cpu" : "meta"; break;
    case Kind::Ints:
    case Kind::Bools:
    case Kind::Doubles:
      for (int64_t n = a.list_size && random.chance(70) ? a.list_size : random.below(6); n > 0; n--) {
        if (v.kind == Kind::Doubles) v.doubles.push_back(random.pick(kDoubles));
        else v.ints.push_back(v.kind == Kind::Bools ? random.below(2) : random_int(random));
      }
      break;
    case Kind::Tensor: v.tensors.push_back(random_tensor(random)); break;
    case Kind::Tensors:
      for (int64_t n = random.below(5); n > 0; n--) v.tensors.push_back(random_tensor(random));
      if (a.base_type().element()->is(Type::Kind::Optional) && !v.tensors.empty())
        v.tensors[0].defined = random.chance(50);
      break;
    default: break;
  }
  return v;
}

void change_value(Value& v, const Argument& a, Random& random) {
  bool number = a.type_name.starts_with("ScalarType") || a.type_name.starts_with("Layout") ||
                a.type_name.starts_with("MemoryFormat");
  if (v.kind == Kind::Tensor && random.chance(90)) return change_tensor(v.tensors[0], random);
  if (v.kind == Kind::Tensors && !v.tensors.empty() && random.chance(90)) {
    size_t at = size_t(random.below(int64_t(v.tensors.size())));
    switch (random.below(5)) {
      case 0: v.tensors.erase(v.tensors.begin() + long(at)); return;
      case 1: v.tensors.push_back(v.tensors[at]); return;
      default: return change_tensor(v.tensors[at], random);
    }
  }
  if (v.kind == Kind::Ints && !v.ints.empty() && random.chance(85)) {
    size_t at = size_t(random.below(int64_t(v.ints.size())));
    switch (random.below(6)) {
      case 0: v.ints.erase(v.ints.begin() + long(at)); return;
      case 1: v.ints.push_back(random_int(random)); return;
      case 2: v.ints[at] = int64_t(uint64_t(v.ints[at]) + (random.chance(50) ? 1 : -1)); return;
      default: v.ints[at] = random_int(random); return;
    }
  }
  if (v.kind == Kind::Int && !number && random.chance(85)) {
    v.i = random.chance(30) ? int64_t(uint64_t(v.i) + uint64_t(random.below(5)) - 2) : random_int(random);
    return;
  }
  v = random_value(a, random);
}

}  // namespace

bool parse_call(const std::string& line, Call& call) {
  Reader in(line);
  call.op = OpTable::get().find(in.until(" "));
  if (!call.op) return false;
  while (true) {
    in.spaces();
    if (in.done()) break;
    if (!read_value(in, call.args.emplace_back())) return false;
  }
  return call.args.size() == call.op->schema().args.size();
}

Call random_call(const Op& op, Random& random) {
  Call call{&op, {}};
  for (const Argument& a : op.schema().args) call.args.push_back(random_value(a, random));
  // Tensors that look alike are what most operators take.
  const TensorValue* model = nullptr;
  bool alike = random.chance(70);
  for (Value& v : call.args)
    for (TensorValue& t : v.tensors) {
      if (!model) model = &t;
      else if (alike && random.chance(80))
        t.sizes = model->sizes, t.strides.clear(), t.dtype = random.chance(80) ? model->dtype : t.dtype;
    }
  return call;
}

void change(Call& call, Random& random) {
  if (call.args.empty()) return;
  size_t at = size_t(random.below(int64_t(call.args.size())));
  // Tensors twice as often as numbers.
  if (call.args[at].tensors.empty()) at = size_t(random.below(int64_t(call.args.size())));
  change_value(call.args[at], call.op->schema().args[at], random);
}

}  // namespace fuzz
