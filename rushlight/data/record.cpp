#include "rushlight/data/record.h"

#include <cstring>

#include "rushlight/data/image.h"
#include "rushlight/kernels/copying.h"

namespace rushlight::data {
namespace {

enum Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Fields of a message, one after the other.
class Fields {
 public:
  Fields(std::string_view bytes, size_t base, const std::string& where) : bytes_(bytes), base_(base), where_(where) {}

  bool next() {
    if (at_ == bytes_.size()) return false;
    start_ = at_;
    const uint64_t tag = varint_at();
    number = unsigned(tag >> 3);
    wire = Wire(tag & 7);
    RL_CHECK(FileError, tag >> 3 > 0 && tag >> 3 < 1u << 29, where_, ": no field of protobuf's at byte ",
             base_ + start_);
    switch (wire) {
      case kVarint: varint = varint_at(); break;
      case kFixed64: bytes = take(8); break;
      case kFixed32: bytes = take(4); break;
      case kBytes: {
        const uint64_t size = varint_at();
        bytes = take(size);
        break;
      }
      default: throw FileError(str(where_, ": no field of protobuf's at byte ", base_ + start_));
    }
    return true;
  }
  void expect(Wire w) const {
    RL_CHECK(FileError, wire == w, where_, ": field ", number, " at byte ", base_ + start_,
             " is of another type than expected");
  }
  size_t content() const { return base_ + size_t(bytes.data() - bytes_.data()); }  // where `bytes` begin

  unsigned number = 0;
  Wire wire = kVarint;
  uint64_t varint = 0;
  std::string_view bytes;

 private:
  std::string_view take(uint64_t n) {
    RL_CHECK(FileError, n <= bytes_.size() - at_, where_, ": a field of ", n, " bytes at byte ", base_ + start_,
             ", but the record ends after ", base_ + bytes_.size(), "; it is cut short");
    at_ += size_t(n);
    return bytes_.substr(at_ - size_t(n), size_t(n));
  }
  uint64_t varint_at() {
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const auto b = uint8_t(take(1)[0]);
      if (shift < 64) v |= uint64_t(b & 0x7F) << shift;
      if (b < 0x80) return v;
    }
    throw FileError(str(where_, ": a number without an end at byte ", base_ + start_));
  }
  std::string_view bytes_;
  size_t at_ = 0, base_, start_ = 0;
  const std::string& where_;
};

// Numbers that may come packed or one by one.
template <class T> void append_fixed(std::vector<T>& out, const Fields& f, const std::string& where) {
  RL_CHECK(FileError, f.wire == kBytes || f.bytes.size() == sizeof(T), where, ": field ", f.number,
           " is of another type than expected");
  RL_CHECK(FileError, f.wire != kVarint && f.bytes.size() % sizeof(T) == 0, where, ": field ", f.number, " has ",
           f.bytes.size(), " bytes, no multiple of ", sizeof(T));
  const size_t n = f.bytes.size() / sizeof(T), before = out.size();
  out.resize(before + n);
  if (n) std::memcpy(out.data() + before, f.bytes.data(), n * sizeof(T));  // an empty list has no memory to copy to
}
void append_varints(std::vector<int64_t>& out, const Fields& f, const std::string& where) {
  if (f.wire == kVarint) return out.push_back(int64_t(f.varint));
  f.expect(kBytes);
  std::string_view s = f.bytes;
  for (size_t i = 0; i < s.size();) {
    uint64_t v = 0;
    for (int shift = 0;; shift += 7) {
      RL_CHECK(FileError, i < s.size() && shift < 70, where, ": a number without an end in field ", f.number);
      const auto b = uint8_t(s[i++]);
      if (shift < 64) v |= uint64_t(b & 0x7F) << shift;
      if (b < 0x80) break;
    }
    out.push_back(int64_t(v));
  }
}

// Caffe2's TensorProto.DataType.
struct ProtoType {
  int number;
  DType dtype;
  int field;  // where the numbers are: 3 floats, 4 int32s, 5 bytes, 9 doubles, 10 int64s
};
constexpr ProtoType proto_types[] = {
    {1, DType::Float32, 3},  {2, DType::Int32, 4},    {3, DType::UInt8, 5}, {5, DType::Bool, 4},
    {6, DType::UInt8, 4},    {7, DType::Int8, 4},     {9, DType::Int16, 4}, {10, DType::Int64, 10},
    {12, DType::Float16, 4}, {13, DType::Float64, 9},
};

template <class To, class From> Tensor filled(const std::vector<From>& from, DType dtype) {
  Tensor out = empty_tensor({int64_t(from.size())}, dtype);
  for (size_t i = 0; i < from.size(); i++) out.data<To>()[i] = To(from[i]);
  return out;
}

Tensor shaped(Tensor flat, const std::vector<int64_t>& dims, const std::string& where) {
  int64_t n = 0;
  bool negative = false;
  for (int64_t d : dims) negative = negative || d < 0;
  RL_CHECK(FileError, !negative && dims.size() <= 64 && try_product(dims, n) && n == flat.numel(), where,
           ": a tensor of sizes ", dims, " with ", flat.numel(), " numbers");
  return alias_tensor(flat, dims, contiguous_strides(dims), 0);
}

Tensor read_tensor(std::string_view bytes, size_t base, const std::string& where, std::string& name) {
  std::vector<int64_t> dims, int32s, int64s;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::string_view raw;
  int64_t type = 1;
  for (Fields f(bytes, base, where); f.next();) {
    switch (f.number) {
      case 1: append_varints(dims, f, where); break;
      case 2: f.expect(kVarint), type = int64_t(f.varint); break;
      case 3: append_fixed(floats, f, where); break;
      case 4: append_varints(int32s, f, where); break;
      case 5: f.expect(kBytes), raw = f.bytes; break;
      case 7: f.expect(kBytes), name = f.bytes; break;
      case 9: append_fixed(doubles, f, where); break;
      case 10: append_varints(int64s, f, where); break;
      default: break;
    }
  }
  const ProtoType* found = nullptr;
  for (const ProtoType& p : proto_types)
    if (p.number == type) found = &p;
  RL_CHECK(FileError, found, where, ": a tensor of Caffe2's type ", type, ", which isn't read");
  const DType d = found->dtype;
  Tensor flat;
  if (found->field == 5 || (found->field == 4 && int32s.empty() && !raw.empty())) {
    RL_CHECK(FileError, raw.size() % size_t(item_size(d)) == 0, where, ": ", raw.size(), " bytes of ", name_of(d));
    flat = empty_tensor({int64_t(raw.size()) / item_size(d)}, d);
    if (!raw.empty()) std::memcpy(flat.raw(), raw.data(), raw.size());
    if (d == DType::Bool)
      for (int64_t i = 0; i < flat.numel(); i++) flat.data<uint8_t>()[i] = flat.data<uint8_t>()[i] != 0;
  } else if (d == DType::Float32) {
    flat = filled<float>(floats, d);
  } else if (d == DType::Float64) {
    flat = filled<double>(doubles, d);
  } else if (d == DType::Int64) {
    flat = filled<int64_t>(int64s, d);
  } else if (d == DType::Int32) {
    flat = filled<int32_t>(int32s, d);
  } else if (d == DType::UInt8) {
    flat = filled<uint8_t>(int32s, d);
  } else if (d == DType::Int8) {
    flat = filled<int8_t>(int32s, d);
  } else if (d == DType::Int16) {
    flat = filled<int16_t>(int32s, d);
  } else if (d == DType::Bool) {
    flat = filled<bool>(int32s, d);
  } else {  // Float16: their bits
    flat = empty_tensor({int64_t(int32s.size())}, d);
    for (size_t i = 0; i < int32s.size(); i++) static_cast<uint16_t*>(flat.raw())[i] = uint16_t(int32s[i]);
  }
  return shaped(flat, dims, where);
}

Record read_datum(std::string_view bytes, const std::string& where) {
  Record out;
  int64_t channels = 0, height = 0, width = 0;
  std::string_view data;
  size_t data_at = 0;
  std::vector<float> floats;
  bool encoded = false;
  for (Fields f(bytes, 0, where); f.next();) {
    switch (f.number) {
      case 1: f.expect(kVarint), channels = int32_t(f.varint); break;
      case 2: f.expect(kVarint), height = int32_t(f.varint); break;
      case 3: f.expect(kVarint), width = int32_t(f.varint); break;
      case 4: f.expect(kBytes), data = f.bytes, data_at = f.content(); break;
      case 5: f.expect(kVarint), out.label = int32_t(f.varint); break;
      case 6: append_fixed(floats, f, where); break;
      case 7: f.expect(kVarint), encoded = f.varint != 0; break;
      default: break;
    }
  }
  const std::span<const uint8_t> raw(reinterpret_cast<const uint8_t*>(data.data()), data.size());
  if (encoded) {
    out.tensors.push_back(decode_image(raw, str(where, ": the picture at byte ", data_at)));
    return out;
  }
  RL_CHECK(FileError, !data.empty() || !floats.empty(), where, ": a Datum without data");
  Tensor flat;
  if (floats.empty()) {
    flat = empty_tensor({int64_t(data.size())}, DType::UInt8);
    std::memcpy(flat.raw(), data.data(), data.size());
  } else {
    flat = filled<float>(floats, DType::Float32);
  }
  out.tensors.push_back(shaped(flat, {channels, height, width}, where));
  return out;
}

// ---- writing ----

void put_varint(std::string& out, uint64_t v) {
  for (; v >= 0x80; v >>= 7) out += char(v | 0x80);
  out += char(v);
}
void put_number(std::string& out, unsigned field, int64_t v) {
  put_varint(out, field << 3 | kVarint);
  put_varint(out, uint64_t(v));
}
void put_bytes(std::string& out, unsigned field, std::string_view s) {
  put_varint(out, field << 3 | kBytes);
  put_varint(out, s.size());
  out += s;
}
std::string_view bytes_of(const Tensor& t) { return {static_cast<const char*>(t.raw()), size_t(t.nbytes())}; }

Tensor dense(const Tensor& t, const char* function) {
  RL_CHECK(TypeError, t.defined() && t.device().is_cpu() && t.layout() == Layout::Strided, function,
           ": expected a dense tensor on the CPU");
  if (t.is_contiguous()) return t;
  Tensor out = empty_tensor(t.sizes(), t.dtype());
  copy_elements(out, t);
  return out;
}

}  // namespace

Record decode_record(std::string_view bytes, const std::string& where) {
  RL_CHECK(FileError, !bytes.empty(), where, ": the record is empty");
  // Field 1 is a number in a Datum, and a message in TensorProtos.
  if (bytes[0] != 0x0A) return read_datum(bytes, where);
  Record out;
  out.kind = RecordKind::Tensors;
  for (Fields f(bytes, 0, where); f.next();) {
    if (f.number != 1) continue;
    f.expect(kBytes);
    std::string name;
    out.tensors.push_back(read_tensor(f.bytes, f.content(), where, name));
    out.names.push_back(name);
  }
  return out;
}

std::string encode_datum(std::string_view encoded, int64_t channels, int64_t height, int64_t width,
                         std::optional<int64_t> label) {
  std::string out;
  put_number(out, 1, channels);
  put_number(out, 2, height);
  put_number(out, 3, width);
  put_bytes(out, 4, encoded);
  if (label) put_number(out, 5, *label);
  put_number(out, 7, 1);
  return out;
}

std::string encode_datum(const Tensor& image, std::optional<int64_t> label) {
  Tensor t = dense(image, "encode_datum");
  RL_CHECK(ValueError, t.dim() == 3, "encode_datum: expected a tensor (C, H, W), got ", t.dim(), " dimensions");
  RL_CHECK(TypeError, t.dtype() == DType::UInt8 || t.dtype() == DType::Float32,
           "encode_datum: expected uint8 or float32, got ", name_of(t.dtype()));
  RL_CHECK(ValueError, !label || (*label >= INT32_MIN && *label <= INT32_MAX),
           "encode_datum: a Datum's label has 32 bits, got ", label ? *label : 0);
  std::string out;
  for (unsigned i = 0; i < 3; i++) put_number(out, i + 1, t.size(i));
  if (t.dtype() == DType::UInt8) put_bytes(out, 4, bytes_of(t));
  if (label) put_number(out, 5, *label);
  // Not packed: Datum is older than that.
  if (t.dtype() == DType::Float32)
    for (int64_t i = 0; i < t.numel(); i++) {
      put_varint(out, 6 << 3 | kFixed32);
      out += bytes_of(t).substr(size_t(i) * 4, 4);
    }
  return out;
}

std::string encode_tensors(const std::vector<Tensor>& tensors, const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < tensors.size(); i++) {
    Tensor t = dense(tensors[i], "encode_tensors");
    const DType d = t.dtype();
    const ProtoType* type = nullptr;
    for (const ProtoType& p : proto_types)
      if (p.dtype == d && p.number != 6) type = &p;  // bytes as BYTE, which is shorter
    RL_CHECK(TypeError, type, "encode_tensors: Caffe2 has no type for ", name_of(d));
    std::string body;
    for (int64_t s : t.sizes()) put_number(body, 1, s);
    put_number(body, 2, type->number);
    std::string numbers;
    auto each = [&](auto* p) {
      for (int64_t k = 0; k < t.numel(); k++) put_varint(numbers, uint64_t(int64_t(p[k])));
    };
    if (d == DType::Int32) each(t.data<int32_t>());
    else if (d == DType::Int8) each(t.data<int8_t>());
    else if (d == DType::Int16) each(t.data<int16_t>());
    else if (d == DType::Int64) each(t.data<int64_t>());
    else if (d == DType::Bool) each(t.data<uint8_t>());
    else if (d == DType::Float16) each(static_cast<const uint16_t*>(t.raw()));
    else numbers = bytes_of(t);
    put_bytes(body, unsigned(type->field), numbers);
    if (i < names.size() && !names[i].empty()) put_bytes(body, 7, names[i]);
    put_bytes(out, 1, body);
  }
  return out;
}

}  // namespace rushlight::data
