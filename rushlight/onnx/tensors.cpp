#include "rushlight/onnx/tensors.h"

#include <charconv>
#include <cstring>
#include <filesystem>

#include "rushlight/io/json.h"

namespace rushlight::onnx {
namespace {

struct ElemInfo {
  const char* name;
  DType dtype;
  int bits;  // in a file
};
constexpr ElemInfo kElems[] = {{"undefined", DType::Float32, 0},
                               {"float", DType::Float32, 32},
                               {"uint8", DType::UInt8, 8},
                               {"int8", DType::Int8, 8},
                               {"uint16", DType::UInt16, 16},
                               {"int16", DType::Int16, 16},
                               {"int32", DType::Int32, 32},
                               {"int64", DType::Int64, 64},
                               {"string", DType::Int64, 0},
                               {"bool", DType::Bool, 8},
                               {"float16", DType::Float16, 16},
                               {"double", DType::Float64, 64},
                               {"uint32", DType::UInt32, 32},
                               {"uint64", DType::UInt64, 64},
                               {"complex64", DType::Complex64, 64},
                               {"complex128", DType::Complex128, 128},
                               {"bfloat16", DType::BFloat16, 16},
                               {"float8e4m3fn", DType::Float8_e4m3fn, 8},
                               {"float8e4m3fnuz", DType::Float8_e4m3fnuz, 8},
                               {"float8e5m2", DType::Float8_e5m2, 8},
                               {"float8e5m2fnuz", DType::Float8_e5m2fnuz, 8},
                               {"uint4", DType::UInt8, 4},
                               {"int4", DType::Int8, 4},
                               {"float4e2m1", DType::Float8_e4m3fn, 4},
                               {"float8e8m0", DType::Float8_e8m0fnu, 8},
                               {"uint2", DType::UInt8, 2},
                               {"int2", DType::Int8, 2}};
constexpr int kElemCount = int(std::size(kElems));
constexpr uint8_t kFloat4[16] = {0x00, 0x30, 0x38, 0x3c, 0x40, 0x44, 0x48, 0x4c,  // 0, 0.5, 1, 1.5, 2, 3, 4, 6
                                 0x80, 0xb0, 0xb8, 0xbc, 0xc0, 0xc4, 0xc8, 0xcc};

uint8_t unpacked(int elem, uint8_t v) {
  switch (elem) {
    case kInt4: return uint8_t(int8_t(v << 4) >> 4);
    case kInt2: return uint8_t(int8_t(v << 6) >> 6);
    case kFloat4e2m1: return kFloat4[v & 15];
    default: return v;
  }
}

// The elements of a list of wider numbers, as a file's int32_data holds float16 and all small ones.
template <class To, class From> void narrow(const std::vector<From>& from, void* to) {
  auto* out = static_cast<To*>(to);
  for (size_t i = 0; i < from.size(); i++) out[i] = To(from[i]);
}

}  // namespace

DType dtype_of_elem(int elem, const std::string& what) {
  RL_CHECK(ValueError, elem > 0 && elem < kElemCount, what, ": ONNX's element type ", elem, " is not known");
  return kElems[elem].dtype;
}
int elem_of_dtype(DType d) {
  for (int e = 1; e < kElemCount; e++)
    if (e != kString && kElems[e].dtype == d && kElems[e].bits >= 8) return e;
  return 0;
}
const char* elem_name(int elem) { return elem >= 0 && elem < kElemCount ? kElems[elem].name : "unknown"; }
TypePtr strings_type() { return Type::tuple({Type::tensor(), Type::list(Type::string())}); }

std::string_view TensorReader::external(const TensorProto& t, const std::string& what) {
  std::string location;
  uint64_t offset = 0, length = 0;
  bool whole = true;
  for (const Pair& p : t.external) {
    auto number = [&](uint64_t& into) {
      auto [end, error] = std::from_chars(p.value.data(), p.value.data() + p.value.size(), into);
      RL_CHECK(FileError, error == std::errc() && end == p.value.data() + p.value.size(), what, ": external data's ",
               p.key, " is no number: '", p.value.substr(0, 40), "'");
    };
    if (p.key == "location") location = p.value;
    else if (p.key == "offset") number(offset);
    else if (p.key == "length") number(length), whole = false;
  }
  RL_CHECK(FileError, !location.empty() && location.find('\0') == location.npos, what,
           ": its data is external, and no file is named");
  RL_CHECK(FileError, !folder_.empty(), what, ": its data is in the file '", location,
           "'; load the model by its path, so that the folder is known");
  auto found = files_.find(location);
  if (found == files_.end()) {
    namespace fs = std::filesystem;
    std::error_code error;
    fs::path folder = fs::weakly_canonical(folder_, error),
             file = fs::weakly_canonical(fs::path(folder_) / location, error);
    fs::path rest = file.lexically_relative(folder);
    RL_CHECK(FileError, !error && !fs::path(location).is_absolute() && !rest.empty() && *rest.begin() != "..", what,
             ": its data is in '", location, "', which lies outside of the model's folder");
    found = files_.emplace(location, io::map_file(file.string(), "load")).first;
  }
  const auto& data = found->second.data;
  if (whole) length = offset <= data.size() ? data.size() - offset : 0;
  RL_CHECK(FileError, offset <= data.size() && length <= data.size() - offset, what, ": its data is said to be bytes ",
           offset, " to ", offset, " + ", length, " of '", location, "', which has ", data.size());
  return {reinterpret_cast<const char*>(data.data()) + offset, size_t(length)};
}

IValue TensorReader::read(const TensorProto& t) {
  std::string what = str(where_, ": tensor '", t.name.substr(0, 100), "'");
  RL_CHECK(FileError, t.type > 0 && t.type < kElemCount, what, ": the element type ", t.type, " is not known");
  RL_CHECK(FileError, t.dims.size() <= 64, what, " has ", t.dims.size(), " dimensions; the most is 64");
  const ElemInfo& e = kElems[t.type];
  int64_t count = 1;
  bool overflow = false;
  for (int64_t n : t.dims) {
    RL_CHECK(FileError, n >= 0, what, " has a negative dimension: ", t.dims);
    overflow |= __builtin_mul_overflow(count, n, &count);
  }
  overflow |= count > INT64_MAX / 32;
  RL_CHECK(FileError, !overflow, what, " of shape ", t.dims, " is too large");
  auto expect = [&](uint64_t have, uint64_t need, const char* unit) {
    RL_CHECK(FileError, have == need, what, " of shape ", t.dims, " and type ", e.name, " needs ", need, " ", unit,
             ", got ", have);
  };
  if (t.type == kString) {
    expect(t.strings.size(), uint64_t(count), "strings");
    Tensor codes = empty_tensor(Dims(IntArrayRef(t.dims)), DType::Int64);
    for (int64_t i = 0; i < count; i++) codes.data<int64_t>()[i] = i;
    std::vector<IValue> texts;
    for (Text s : t.strings) {
      RL_CHECK(FileError, io::is_utf8(s), what, " has a string that is no UTF-8");
      texts.emplace_back(std::string(s));
    }
    return IValue::tuple({codes, make_ref<GenericList>(Type::string(), std::move(texts))});
  }
  std::optional<Text> bytes = t.raw;
  if (t.location == 1) bytes = external(t, what);
  int per_byte = e.bits < 8 ? 8 / e.bits : 1;
  uint64_t packed =
      e.bits < 8 ? uint64_t(count + per_byte - 1) / uint64_t(per_byte) : uint64_t(count) * uint64_t(e.bits / 8);
  // Nothing is made before it is known that the file has that much.
  size_t numbers = t.floats.size() + t.int32s.size() + t.int64s.size() + t.doubles.size() + t.uint64s.size();
  bool complex = t.type == kComplex64 || t.type == kComplex128;
  if (bytes) expect(bytes->size(), packed, "bytes");
  else if (e.bits < 8) expect(t.int32s.size(), packed, "numbers in int32_data");
  else expect(numbers, uint64_t(count) * (complex ? 2 : 1), "numbers");
  Tensor out = empty_tensor(Dims(IntArrayRef(t.dims)), e.dtype);
  void* to = out.raw();
  if (count == 0) return out;
  if (e.bits < 8) {
    auto* into = static_cast<uint8_t*>(to);
    for (int64_t i = 0; i < count; i++) {
      uint8_t byte = bytes ? uint8_t((*bytes)[size_t(i / per_byte)]) : uint8_t(t.int32s[size_t(i / per_byte)]);
      into[i] = unpacked(t.type, uint8_t(byte >> (e.bits * (i % per_byte)) & ((1 << e.bits) - 1)));
    }
    return out;
  }
  if (bytes) {
    std::memcpy(to, bytes->data(), bytes->size());
    if (t.type == kBool)
      for (int64_t i = 0; i < count; i++) static_cast<uint8_t*>(to)[i] = (*bytes)[size_t(i)] != 0;
    return out;
  }
  auto list = [&](const auto& l) {
    expect(l.size(), uint64_t(count) * (complex ? 2 : 1), "numbers in the field of its type");
  };
  switch (t.type) {
    case kFloat:
    case kComplex64: list(t.floats), narrow<float>(t.floats, to); break;
    case kDouble:
    case kComplex128: list(t.doubles), narrow<double>(t.doubles, to); break;
    case kInt64: list(t.int64s), narrow<int64_t>(t.int64s, to); break;
    case kUint64: list(t.uint64s), narrow<uint64_t>(t.uint64s, to); break;
    case kUint32: list(t.uint64s), narrow<uint32_t>(t.uint64s, to); break;
    case kBool:
      list(t.int32s);
      for (int64_t i = 0; i < count; i++) static_cast<uint8_t*>(to)[i] = t.int32s[size_t(i)] != 0;
      break;
    default:
      list(t.int32s);
      if (e.bits == 8) narrow<uint8_t>(t.int32s, to);
      else if (e.bits == 16) narrow<uint16_t>(t.int32s, to);
      else narrow<int32_t>(t.int32s, to);
  }
  return out;
}

IValue TensorReader::read(const SparseTensorProto& s) {
  std::string what = str(where_, ": sparse tensor '", s.values.name.substr(0, 100), "'");
  IValue values = read(s.values), indices = read(s.indices);
  RL_CHECK(FileError, values.is_tensor() && values.tensor().dim() == 1, what, ": expected a list of values");
  Tensor v = values.tensor();
  RL_CHECK(FileError, indices.is_tensor() && indices.tensor().dtype() == DType::Int64, what,
           ": expected int64 indices");
  Tensor at = indices.tensor();
  int64_t n = v.numel(), rank = int64_t(s.dims.size()), count = 1;
  bool linear = at.dim() == 1;
  RL_CHECK(FileError, (linear && at.numel() == n) || (at.dim() == 2 && at.size(0) == n && at.size(1) == rank), what,
           ": indices of shape ", at.sizes(), " for ", n, " values of ", rank, " dimensions");
  for (int64_t d : s.dims)
    RL_CHECK(FileError, d >= 0 && !__builtin_mul_overflow(count, d, &count), what, ": wrong dimensions ", s.dims);
  size_t width = size_t(v.item_size());
  RL_CHECK(FileError, count <= zeros_ / int64_t(width), what, ": ", n, " values in a tensor of shape ", s.dims,
           " are too sparse to be made dense in a model of this size");
  zeros_ -= count * int64_t(width);
  Tensor out = empty_tensor(Dims(IntArrayRef(s.dims)), v.dtype());
  std::memset(out.raw(), 0, size_t(count) * width);
  for (int64_t i = 0; i < n; i++) {
    int64_t place = linear ? at.data<int64_t>()[i] : 0;
    for (int64_t d = 0; d < rank && !linear; d++) {
      int64_t k = at.data<int64_t>()[i * rank + d];
      RL_CHECK(FileError, k >= 0 && k < s.dims[size_t(d)], what, ": index ", k, " in a dimension of ",
               s.dims[size_t(d)]);
      place = place * s.dims[size_t(d)] + k;
    }
    RL_CHECK(FileError, place >= 0 && place < count, what, ": index ", place, " in a tensor of ", count);
    std::memcpy(static_cast<char*>(out.raw()) + size_t(place) * width, static_cast<char*>(v.raw()) + size_t(i) * width,
                width);
  }
  return out;
}

}  // namespace rushlight::onnx
